"""How return and violation respond to the searched gains, and which gain matters: response surfaces and PED-ANOVA."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import optuna
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.tri import Triangulation
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.trial import create_trial

from sweeps.analysis import style
from sweeps.analysis.exhibit import Exhibit
from sweeps.analysis.figures import draw_head
from sweeps.analysis.results import Results
from sweeps.records import Trial
from sweeps.spec.search import OptunaSearch, Range
from sweeps.spec.space import distributions

MIN_TRIALS = 10
"""Complete trials below which an arm shows no importance: PED-ANOVA compares the best tenth with all."""

TARGETS = {"return": "return", "violation": "excess of the cost over its limit"}
"""What responds → how figures call it."""

_UNITS = {"return": "reward per episode", "violation": "(cost − limit) / limit"}


def importances(results: Results, arm: str) -> dict[str, dict[str, float]]:
    """How much each searched parameter of an arm matters for being among the best tenth.

    Source: Watanabe, Bansal & Hutter (2023), "PED-ANOVA: Efficiently Quantifying Hyperparameter Importance in Arbitrary
    Subspaces", as implemented by Optuna 5; global importance, best tenth against all.

    Args:
        results: The study.
        arm: Name of an arm that Optuna searches.

    Returns:
        `return` (high) and `violation` (a low largest relative excess over the limits) → parameter → share; shares of
        one target sum to 1. Empty with fewer than `MIN_TRIALS` complete trials, or one parameter.
    """
    search = results.spec.arms[arm].search
    trials = [trial for trial in results.complete if trial.arm == arm]
    if not isinstance(search, OptunaSearch) or len(search.space) < 2 or len(trials) < MIN_TRIALS:
        return {}
    return {
        target: _importance(search, trials, [response(results, trial, target) for trial in trials], target)
        for target in TARGETS
    }


def response(results: Results, trial: Trial, target: str) -> float:
    """What a trial reached.

    Args:
        results: Its study.
        trial: A complete trial.
        target: `return`, or `violation`: maxᵢ (J_ci − dᵢ) / dᵢ.

    Returns:
        The mean over seeds.
    """
    assert trial.mean_return is not None
    return trial.mean_return.mean if target == "return" else results.excess(trial)


def _importance(
    search: OptunaSearch, trials: Sequence[Trial], values: Sequence[float], target: str
) -> dict[str, float]:
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        study = optuna.create_study(direction="maximize" if target == "return" else "minimize")
        space = distributions(search)
        study.add_trials(
            create_trial(params=trial.params, distributions={name: space[name] for name in trial.params}, value=value)
            for trial, value in zip(trials, values, strict=True)
        )
        return get_param_importances(study, evaluator=PedAnovaImportanceEvaluator())
    finally:
        optuna.logging.set_verbosity(verbosity)


def gains_exhibit(results: Results, arm: str, setting: str) -> Exhibit | None:
    """Draws an arm's response surfaces over its two most important numeric parameters, and all importances.

    Args:
        results: The study.
        arm: Name of the arm.
        setting: Task, seeds and budget, for the head.

    Returns:
        The figure; None where Optuna searches fewer than two numbers or `importances` has too few trials.
    """
    search, ranked = results.spec.arms[arm].search, importances(results, arm)
    if not ranked or not isinstance(search, OptunaSearch):
        return None
    numeric = [name for name in ranked["return"] if isinstance(search.space[name], Range)]
    if len(numeric) < 2:
        return None
    names = sorted(numeric, key=lambda name: -sum(shares[name] for shares in ranked.values()))[:2]
    trials = [trial for trial in results.complete if trial.arm == arm]
    with style.figure_style():
        figure = Figure(figsize=(7.2, 6.4))
        grid = figure.subplots(2, 2)
        for axes, target in zip(grid[0], TARGETS, strict=True):
            values = [response(results, trial, target) for trial in trials]
            _draw_surface(figure, axes, search, trials, values, names, _UNITS[target])
            axes.set_title(TARGETS[target], fontsize=9.5)
        for axes, target in zip(grid[1], TARGETS, strict=True):
            _draw_importance(axes, ranked[target])
            axes.set_xlabel(f"importance for {TARGETS[target].split()[0]} (PED-ANOVA)")
        draw_head(figure, f"Gains of {arm} in {results.spec.name}", f"{setting} · {len(trials)} trials; ring: feasible")
        figure.subplots_adjust(left=0.1, right=0.92, top=0.85, bottom=0.09, wspace=0.55, hspace=0.38)
    told = "; ".join(
        f"{target}: " + ", ".join(f"{name} {share:.0%}" for name, share in shares.items())
        for target, shares in ranked.items()
    )
    description = (
        f"Response of return and of the largest relative excess over the limits to {names[0]} and {names[1]} in "
        f"{len(trials)} trials. Importance by PED-ANOVA: {told}."
    )
    rows = [_row(results, trial, results.spec.arms[arm].search, ranked) for trial in trials]
    rows += [{"kind": "importance", "target": t, **shares} for t, shares in ranked.items()]
    return Exhibit(f"gains-{arm}", f"Response to the gains of {arm}", description, figure, rows)


def _draw_surface(
    figure: Figure,
    axes: Axes,
    search: OptunaSearch,
    trials: Sequence[Trial],
    values: Sequence[float],
    names: Sequence[str],
    unit: str,
) -> None:
    """Dots coloured by what they reached over linear interpolation; feasible ones in a ring edged with white."""
    places = [_places(search, trials, name) for name in names]
    ringed = np.array([bool(trial.feasible) for trial in trials])
    for size, color in ((130, "white"), (95, style.INK)):
        axes.scatter(places[0][ringed], places[1][ringed], c=color, s=size, linewidths=0, zorder=2.9, clip_on=False)
    drawn = axes.scatter(
        places[0], places[1], c=values, cmap=colormaps["cividis"], s=34, zorder=3, clip_on=False,
        edgecolors="white", linewidths=[1.4 if trial.feasible else 0.5 for trial in trials],
    )  # fmt: skip
    if len(set(places[0].tolist())) > 2 and len(set(places[1].tolist())) > 2:
        triangles = Triangulation(_unit(places[0]), _unit(places[1]))
        triangles.x, triangles.y = places[0], places[1]
        axes.tricontourf(triangles, values, levels=12, cmap=colormaps["cividis"], alpha=0.55, zorder=1)
    for name, set_label in zip(names, (axes.set_xlabel, axes.set_ylabel), strict=True):
        set_label(f"log₁₀ {name}" if _is_log(search, name) else name)
    figure.colorbar(drawn, ax=axes, pad=0.03, fraction=0.06, label=unit)


def _draw_importance(axes: Axes, shares: Mapping[str, float]) -> None:
    ordered = sorted(shares.items(), key=lambda item: item[1])
    axes.barh([name for name, _ in ordered], [share for _, share in ordered], color=style.BLUE, height=0.6)
    axes.set_xlim(0.0, 1.0)
    axes.grid(axis="y", visible=False)


def _places(search: OptunaSearch, trials: Sequence[Trial], name: str) -> Any:
    values = np.array([float(trial.params[name]) for trial in trials])
    return np.log10(values) if _is_log(search, name) else values


def _is_log(search: OptunaSearch, name: str) -> bool:
    dimension = search.space[name]
    return isinstance(dimension, Range) and dimension.log


def _unit(values: Any) -> Any:
    return (values - values.min()) / np.ptp(values)


def _row(results: Results, trial: Trial, search: Any, ranked: Mapping[str, Any]) -> dict[str, Any]:
    params = {name: trial.params[name] for name in search.space}
    reached = {target: response(results, trial, target) for target in ranked}
    return {"kind": "trial", "trial": trial.number, **params, **reached, "feasible": trial.feasible}

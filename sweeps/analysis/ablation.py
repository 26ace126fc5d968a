"""The ablation of a multiplier network: penalty and regression, each with and without the other, beside other arms."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from algorithms.parameters import NetworkMultiplier
from sweeps.analysis import style
from sweeps.analysis.calibration import Calibration, calibrations
from sweeps.analysis.exhibit import Exhibit
from sweeps.analysis.figures import draw_head
from sweeps.analysis.profile import seed_values
from sweeps.analysis.results import Results
from sweeps.analysis.summary import interval
from sweeps.analysis.tables import format_interval
from sweeps.records import Interval, Trial

_COLUMNS = 4
_CALIBRATION = (
    ("mean max(0, g), as g", "violation"),
    ("way of λ, share of its mean", "variation"),
    ("slackness |λ g|", "slackness"),
    ("λ where g < 0", "feasible_multiplier"),
    ("AUROC of λ(s) for cost to come", "auroc"),
)


@dataclass(frozen=True)
class _Measure:
    """One panel: what each trial reached, over seeds."""

    name: str
    title: str
    values: Mapping[int, Interval]
    mark: float | None = None


def ablation_exhibit(results: Results, setting: str) -> Exhibit | None:
    """Draws what each variant of the multiplier network reached, measure by measure, beside the arms without a network.

    Args:
        results: The study.
        setting: Task, seeds and budget, for the head.

    Returns:
        The figure; None with fewer than two complete network trials that differ in penalty or target.
    """
    networks = {trial.number: update for trial in results.complete if (update := _network(results, trial)) is not None}
    if len({(update.penalty, update.target) for update in networks.values()}) < 2:
        return None
    trials = [t for t in results.complete if t.number in networks] + results.leaders
    trials = list({trial.number: trial for trial in trials}.values())
    measures = list(_measures(results, trials))
    rows = [row for measure in measures for row in _rows(results, trials, networks, measure)]
    told = "; ".join(
        f"{results.label(trial)}: return {format_interval(trial.mean_return)}, {_costs(trial)}" for trial in trials
    )
    description = (
        "For each variant, mean and 95 % interval over seeds of return, cost (the line is its limit) and the network's "
        f"calibration. {told}."
    )
    figure = _draw(results, trials, measures, setting)
    return Exhibit("ablation", "Ablation of the multiplier network", description, figure, rows)


def _network(results: Results, trial: Trial) -> NetworkMultiplier | None:
    update = results.run(trial).lagrangian
    return update if isinstance(update, NetworkMultiplier) else None


def _measures(results: Results, trials: Sequence[Trial]) -> Iterator[_Measure]:
    yield _Measure("return", "return, reward per episode", _over_seeds({t.number: _finals(t) for t in trials}))
    for cost, limit in results.spec.cost_limits.items():
        values = _over_seeds({trial.number: _finals(trial, cost) for trial in trials})
        yield _Measure(f"cost/{cost}", f"{cost}, per episode" if cost == "cost" else f"cost {cost}", values, limit)
    measured = {number: calibrations(record) for number, record in results.calibration.items()}
    for title, name in _CALIBRATION:
        values = _over_seeds({number: _known(seeds, name) for number, seeds in measured.items()})
        if values:
            yield _Measure(name, title, values, 0.5 if name == "auroc" else None)


def _finals(trial: Trial, cost: str | None = None) -> list[float]:
    return list((seed_values(trial) if cost is None else seed_values(trial, cost)).values())


def _known(seeds: Sequence[Calibration], name: str) -> list[float]:
    return [value for seed in seeds if np.isfinite(value := getattr(seed, name))]


def _over_seeds(values: Mapping[int, Sequence[float]]) -> dict[int, Interval]:
    return {number: interval(list(found)) for number, found in values.items() if found}


def _rows(
    results: Results, trials: Sequence[Trial], networks: Mapping[int, NetworkMultiplier], measure: _Measure
) -> Iterator[Mapping[str, Any]]:
    for trial in trials:
        if trial.number in measure.values:
            found, network = measure.values[trial.number], networks.get(trial.number)
            variant = {"penalty": network.penalty, "target": network.target} if network else {}
            ends = {"mean": found.mean, "low": found.low, "high": found.high, "seeds": found.num_seeds}
            yield {"trial": trial.number, "arm": results.label(trial), **variant, "measure": measure.name, **ends}


def _costs(trial: Trial) -> str:
    return ", ".join(f"{name} {format_interval(value)}" for name, value in (trial.mean_cost or {}).items())


def _draw(results: Results, trials: Sequence[Trial], measures: Sequence[_Measure], setting: str) -> Figure:
    lines = -(-len(measures) // _COLUMNS)
    with style.figure_style():
        figure = Figure(figsize=(10.2, 1.3 + lines * (0.9 + 0.26 * len(trials))))
        grid: Any = figure.subplots(lines, _COLUMNS, squeeze=False, sharey=True)
        for axes, measure in zip(grid.ravel(), measures, strict=False):
            _draw_measure(axes, trials, measure)
        for axes in grid.ravel()[len(measures) :]:
            axes.set_visible(False)
        for axes in grid[:, 0]:
            axes.set_yticks(range(len(trials)), [results.label(trial) for trial in trials])
            axes.set_ylim(len(trials) - 0.5, -0.5)
        draw_head(figure, f"Ablation of the multiplier network in {results.spec.name}", setting)
        height = figure.get_figheight()
        figure.subplots_adjust(
            left=0.13, right=0.98, top=1 - 0.75 / height, bottom=0.55 / height, wspace=0.14, hspace=0.55
        )
    return figure


def _draw_measure(axes: Axes, trials: Sequence[Trial], measure: _Measure) -> None:
    """Dots with their intervals, one line a trial."""
    shown = [(place, measure.values[t.number]) for place, t in enumerate(trials) if t.number in measure.values]
    for place, found in shown:
        axes.plot([found.low, found.high], [place, place], color=style.BLUE, lw=1.4)
        axes.plot(found.mean, place, marker="o", ms=5.5, color=style.BLUE)
    if measure.mark is not None:
        axes.axvline(measure.mark, color=style.INK, lw=0.9, dashes=(5, 3))
    axes.set_xlabel(measure.title, fontsize=8)
    axes.tick_params(axis="x", labelsize=8)

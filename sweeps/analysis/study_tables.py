"""The tables of a report: trials, how updates hold the limit (Table 1), safety, limits, settings (A.1, A.2)."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from sweeps.analysis.cost_limits import LimitAdvice, recommended_limits
from sweeps.analysis.profile import seed_values
from sweeps.analysis.results import Results
from sweeps.analysis.safety import TIERS, feasibility_probability, safety
from sweeps.analysis.stability import Aggregate, Stability, stability
from sweeps.analysis.tables import format_interval
from sweeps.analysis.text_table import TextTable
from sweeps.records import Trial
from sweeps.spec.search import GridSearch

SMOOTHING = 0.2
"""LOWESS's fraction of the smoothed variants of Table 1."""

_VARIANTS: tuple[tuple[str, Aggregate, float | None], ...] = (
    ("seed mean, raw", "seed_mean", None),
    ("seed mean, smoothed", "seed_mean", SMOOTHING),
    ("per seed, raw", "per_seed", None),
    ("per seed, smoothed", "per_seed", SMOOTHING),
)


def trials_table(results: Results) -> TextTable:
    """The complete trials: multiplier, return and costs with intervals, how surely they are feasible.

    Args:
        results: The study.

    Returns:
        The best feasible trial stressed, infeasible ones faint.
    """
    trials, limits, best = results.complete, results.spec.cost_limits, results.best
    names = [name for name in dict.fromkeys(key for t in trials for key in t.params) if name != "multiplier"]
    costs = [f"{'cost' if name == 'cost' else f'cost {name}'} (limit {limit:g})" for name, limit in limits.items()]
    if any(results.limits(trial) != limits for trial in trials):
        costs = ["cost" if name == "cost" else f"cost {name}" for name in limits]
    rows = [_trial_row(results, trial, names) for trial in trials]
    return TextTable(
        name="trials",
        title="Complete trials",
        header=("trial", "arm", "λ", *names, "return", *costs, "P(feasible)", "feasible"),
        rows=tuple(rows),
        note="Mean over seeds with a 95 % t-interval. P(feasible): how surely that mean cost keeps the limit.",
        emphasized=None if best is None else [trial.number for trial in trials].index(best.number),
        faint=frozenset(index for index, trial in enumerate(trials) if not trial.feasible),
    )


def _trial_row(results: Results, trial: Trial, names: Sequence[str]) -> tuple[str, ...]:
    costs = trial.mean_cost or {}
    sure = [feasibility_probability(list(seed_values(trial, name).values()) or [costs[name].mean], limit)
            for name, limit in results.limits(trial).items()]  # fmt: skip
    return (
        str(trial.number),
        trial.arm,
        _multiplier(results, trial),
        *(_value(trial.params.get(name)) for name in names),
        format_interval(trial.mean_return),
        *(format_interval(costs.get(name)) for name in results.spec.cost_limits),
        f"{min(sure):.2f}",
        "yes" if trial.feasible else "no",
    )


def _multiplier(results: Results, trial: Trial) -> str:
    """λ of a fixed arm; of the others, after an arrow, the mean over seeds of the last ones."""
    if trial.number in results.fixed:
        return f"{results.fixed[trial.number]:g}"
    last = [run.multiplier for run in trial.seed_runs if run.multiplier]
    names = dict.fromkeys(name for multiplier in last for name in multiplier)
    means = [sum(multiplier[name] for multiplier in last) / len(last) for name in names]
    return f"→ {', '.join(f'{mean:.3g}' for mean in means)}" if means else "–"


def held(results: Results, trial: Trial, cost: str, aggregate: Aggregate, smoothing: float | None) -> Stability:
    """How a trial held one of its limits over its training.

    Args:
        results: Its study.
        trial: The trial.
        cost: The constraint.
        aggregate: As for `stability`.
        smoothing: As for `stability`.

    Returns:
        The measures.
    """
    returns, costs = results.series(trial, "return").values, results.series(trial, f"cost/{cost}").values
    return stability(returns, costs, results.limits(trial)[cost], aggregate=aggregate, smoothing=smoothing)


def stability_table(results: Results) -> TextTable | None:
    """How each moving arm's leader held its limits over training: Table 1 of the paper, in all its variants.

    Args:
        results: The study.

    Returns:
        The table; None where no arm moves λ, or none is complete.
    """
    rows: list[tuple[str, ...]] = []
    for trial in results.leaders:
        for cost in results.spec.cost_limits:
            for variant, aggregate, smoothing in _VARIANTS:
                found = held(results, trial, cost, aggregate, smoothing)
                rows.append((results.label(trial), cost, variant, *_stability_cells(found)))
    if not rows:
        return None
    return TextTable(
        name="stability",
        title="Holding the limit over training",
        header=("update", "cost", "variant", "best return", "cost violations", "magnitude", "first reached"),
        rows=tuple(rows),
        note="Cost violations: share of iterations above the limit after the first one within it; magnitude: mean "
        "excess over the same iterations, cost per episode; best return of an iteration within the limit. The default "
        f"is the mean over seeds, raw; smoothed is LOWESS with fraction {SMOOTHING:g}. A dash: never reached.",
        faint=frozenset(range(len(rows))) - frozenset(range(0, len(rows), len(_VARIANTS))),
    )


def _stability_cells(found: Stability) -> tuple[str, ...]:
    share = None if found.violation_share is None else 100.0 * found.violation_share
    reached = "–" if found.reached_at is None else str(found.reached_at + 1)
    return (_number(found.best_return, ".2f"), _number(share, ".1f", " %"), _number(found.violation_magnitude), reached)


def safety_table(results: Results) -> TextTable | None:
    """V, D_norm, D⁺_norm and tier of every complete trial, over its last training episodes.

    Args:
        results: The study.

    Returns:
        The table; None where no episode was recorded.
    """
    rows: list[tuple[str, ...]] = []
    for trial in results.complete:
        for cost, limit in results.limits(trial).items():
            if episodes := results.last_episodes(trial, cost):
                found = safety(episodes, limit)
                tier = "–" if found.tier is None else f"{found.tier} ({TIERS[found.tier]})"
                cells = (_number(found.violation_share, ".3f"), _number(found.excess), _number(found.violation_excess))
                rows.append((str(trial.number), results.label(trial), cost, *cells, tier, str(found.num_episodes)))
    if not rows:
        return None
    return TextTable(
        name="safety",
        title="Safety of the last training episodes",
        header=("trial", "configuration", "cost", "V", "D_norm", "D⁺_norm", "tier", "episodes"),
        rows=tuple(rows),
        note="Episodes of the last 5 % of iterations, with exploration noise; per seed, then the mean over seeds. "
        "V: share of episodes above the limit. D_norm: (mean cost − limit) / limit. D⁺_norm: the same over violating "
        "episodes. Tiers after arXiv 2609.15315: 0 unsafe, 1 D_norm ≤ 0, 2 also V ≤ 0.5, 3 also V ≤ 0.1 and "
        "D⁺_norm ≤ 0.1, 4 V = 0.",
    )


def limits_table(results: Results, cost: str) -> TextTable | None:
    """Cost limits to study the task at, from the study's fixed multipliers.

    Args:
        results: The study.
        cost: The constraint.

    Returns:
        The table; None with fewer than three complete fixed multipliers, or where cost buys no return.
    """
    fixed = [trial for trial in results.complete if trial.number in results.fixed and seed_values(trial)]
    if len(fixed) < 3:
        return None
    costs = [list(seed_values(trial, cost).values()) for trial in fixed]
    advice = recommended_limits(costs, [list(seed_values(trial).values()) for trial in fixed])
    if not advice:
        return None
    return TextTable(
        name="cost-limits" if len(results.spec.cost_limits) == 1 else f"cost-limits-{cost}",
        title=f"Cost limits of {results.spec.task}: {cost}",
        header=("regime", "limit", "restrictiveness τ", "price of safety", "dR*/dd", "recommended"),
        rows=tuple(_advice_row(found) for found in advice),
        note="From the upper concave hull R* of the fixed multipliers: τ(d) = (c_max − d) / (c_max − c_min); price of "
        "safety = 1 − (R*(d) − R_min) / (R*(c_max) − R_min), 0.1, 0.5 and 0.9 by definition of the regimes; dR*/dd "
        "with its 95 % bootstrap interval over seeds. Our derivation.",
    )


def _advice_row(found: LimitAdvice) -> tuple[str, ...]:
    return (
        found.regime,
        f"{found.limit:.4g}",
        _number(found.restrictiveness, ".2f"),
        _number(found.price_of_safety, ".2f"),
        format_interval(found.slope),
        "yes" if found.refused is None else f"no: {found.refused}",
    )


def settings_table(results: Results) -> TextTable:
    """The study's hyperparameters, as Table A.1 of the paper lists them, and the updates of its arms.

    Args:
        results: The study.

    Returns:
        One row a name; what an arm searches is written as its space.
    """
    spec = results.spec
    rows: list[tuple[str, str]] = [("task", spec.task), ("algorithm", spec.algorithm)]
    rows += [(f"cost limit ({name})", f"{limit:g}") for name, limit in spec.cost_limits.items()]
    rows += [("env steps per seed", f"{spec.env_steps:,}"), ("seeds", ", ".join(map(str, spec.seed_list)))]
    aggregate = spec.aggregate if isinstance(spec.aggregate, str) else f"quantile {spec.aggregate.quantile:g}"
    rows += [("aggregate (over seeds)", aggregate), ("cost_bound (of feasibility)", spec.cost_bound)]
    rows += [(name, _value(value)) for name, value in spec.hyperparameters.model_dump().items()]
    for arm, content in spec.arms.items():
        rows += [(f"{arm}: {name}", _value(value)) for name, value in content.lagrangian.model_dump().items()]
    return TextTable("settings", "Hyperparameters", ("hyperparameter", "value"), tuple(rows))


def grid_table(results: Results) -> TextTable | None:
    """The grids of the study's arms, as Table A.2 of the paper lists those of λ.

    Args:
        results: The study.

    Returns:
        One row an arm and searched name; None without a grid.
    """
    rows = [
        (results.spec.task, arm, name, ", ".join(_value(value) for value in values))
        for arm, content in results.spec.arms.items()
        if isinstance(content.search, GridSearch)
        for name, values in content.search.axes.items()
    ]
    return TextTable("grid", "Grids", ("task", "arm", "name", "values"), tuple(rows)) if rows else None


def _number(value: float | None, form: str = ".3g", unit: str = "") -> str:
    return "–" if value is None or np.isnan(value) else f"{value:{form}}{unit}"


def _value(value: Any) -> str:
    if isinstance(value, tuple | list):
        return "[" + ", ".join(map(_value, value)) + "]"
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10_000:
        return f"{value:,}"
    return "–" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)

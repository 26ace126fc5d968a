"""The objectives of a search: one number a seed, then one number with an interval a trial.

An iteration's return R_k and costs C_ik are the means over the episodes that finish in it; iterations in which none
does are left out. An iteration is *feasible* where every C_ik ≤ d_i, and t₀ is the first feasible one. Return and cost
of a seed are those of `summarize_seed` (last 5 % of iterations); the others are measured here over the whole run.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from algorithms.functional.diagnostics import total_variation
from sweeps.analysis.stability import stability
from sweeps.analysis.statistics import bootstrap_interval, interquartile_mean, t_interval
from sweeps.analysis.summary import named_metrics
from sweeps.records import Interval, ResultRow, SeedRun, Trial
from sweeps.spec.objectives import DIRECTIONS, Aggregate, CostBound, Direction, Objective, Quantile


@dataclass(frozen=True)
class Judgment:
    """What a trial amounts to for its search.

    Attributes:
        objectives: Each objective aggregated over seeds, or None where a seed leaves it undefined.
        costs: Each constrained cost aggregated over seeds in the same way; cost units per episode.
        violations: By constraint, the bounded cost minus its limit; at most 0 where it is kept.
    """

    objectives: dict[Objective, Interval | None]
    costs: dict[str, Interval]
    violations: dict[str, float]

    @property
    def feasible(self) -> bool:
        """Whether every constraint is kept."""
        return all(violation <= 0.0 for violation in self.violations.values())


def measure_seed(rows: Iterable[ResultRow], limits: Mapping[str, float]) -> dict[str, float]:
    """Measures one seed run over all its iterations.

        violation_rate        share of the iterations after t₀ that are not feasible, in [0, 1]
        violation_magnitude   mean over the same iterations of [maxᵢ (C_ik − d_i)]₊, cost units per episode
        oscillation           Σ_k |λ_{k+1} − λ_k| / (K − 1), the largest over multipliers; 0 for a fixed one
        best_feasible_return  max R_k over feasible iterations
        time_to_feasible      env steps per seed at the end of iteration t₀; the whole run where there is none
        feasible_return_area  mean over iterations of R_k where feasible, else 0; return units, meant for returns ≥ 0

    Where no iteration is feasible, every one counts as "after t₀": the rate is then 1.

    Source: `sweeps.analysis.stability`, per seed and not smoothed; the case without t₀ and the other measures are ours.

    Args:
        rows: Rows of one seed of one trial, each iteration at most once, in any order.
        limits: d_i by cost name; cost units per episode.

    Returns:
        The measures that are defined: none before an episode has finished, no rate and no magnitude where t₀ is the
        last iteration, no best feasible return without a feasible iteration.
    """
    ordered = [row for row in sorted(rows, key=lambda row: row.iteration) if row.episode_returns]
    if not ordered:
        return {}
    returns = np.array([np.mean(row.episode_returns) for row in ordered])
    costs = {name: np.array([np.mean(row.episode_costs[name]) for row in ordered]) for name in limits}
    excess = np.max([costs[name] - limit for name, limit in limits.items()], axis=0)
    held = stability(returns[None], excess[None], 0.0)
    measured = {
        "violation_rate": held.violation_share,
        "violation_magnitude": held.violation_magnitude,
        "oscillation": _oscillation(ordered),
        "best_feasible_return": held.best_return,
        "time_to_feasible": ordered[-1 if held.reached_at is None else held.reached_at].env_steps,
        "feasible_return_area": np.where(excess <= 0.0, returns, 0.0).mean(),
    }
    if held.reached_at is None:
        measured |= {"violation_rate": 1.0, "violation_magnitude": excess.mean()}
    return {name: float(value) for name, value in measured.items() if value is not None}


def judge(
    trial: Trial,
    limits: Mapping[str, float],
    objectives: Iterable[Objective] = ("return",),
    *,
    aggregate: Aggregate = "mean",
    cost_bound: CostBound = "mean",
    intervals: bool = True,
) -> Judgment | None:
    """Aggregates what the seeds of a trial have reached.

    Seeds that were stopped count with what they had reached: leaving them out would favor the trials that lose most.

    Args:
        trial: The trial.
        limits: Its cost limits, by name.
        objectives: Which objectives to compute.
        aggregate: How to aggregate over seeds.
        cost_bound: Which end of a cost's interval must be within its limit.
        intervals: Whether to compute intervals that decide nothing, which takes most of the time (the bootstrap's
            5 ms); without, both their ends are the aggregate.

    Returns:
        The judgment, or None while a seed has no return yet.
    """
    runs = trial.seed_runs
    if not runs or any(run.mean_return is None for run in runs):
        return None
    of_costs = aggregated if intervals or cost_bound != "mean" else _without_interval
    of_objectives = aggregated if intervals else _without_interval
    costs = {name: of_costs([_cost(run, name) for run in runs], aggregate, "minimize") for name in limits}
    bounded = {name: bound_of(cost, cost_bound) for name, cost in costs.items()}
    return Judgment(
        objectives={name: _objective(name, runs, limits, aggregate, of_objectives) for name in objectives},
        costs=costs,
        violations={name: bounded[name] - limit for name, limit in limits.items()},
    )


def aggregated(values: Sequence[float], aggregate: Aggregate, direction: Direction) -> Interval:
    """One number a trial from one a seed, with a 95 % interval: Student's for the mean, else the bootstrap's.

    Args:
        values: `[S]`; one finite number a seed.
        aggregate: `mean`, `iqm`, `worst`, or a quantile counted from the worst seed.
        direction: What is better, and so which seed is the worst.

    Returns:
        The aggregate with its interval; that of `worst` can only reach to the better side.
    """
    if aggregate == "mean":
        return t_interval(values)
    if aggregate == "iqm":
        return bootstrap_interval(values, "iqm")
    return bootstrap_interval(values, _share(aggregate, direction))


def _without_interval(values: Sequence[float], aggregate: Aggregate, direction: Direction) -> Interval:
    """The same number as `aggregated`, as both ends of its interval too."""
    if aggregate == "mean":
        value = float(np.mean(values))
    elif aggregate == "iqm":
        value = interquartile_mean(values)
    else:
        value = float(np.quantile(values, _share(aggregate, direction)))
    return Interval(value, value, value, len(values))


def _share(aggregate: Literal["worst"] | Quantile, direction: Direction) -> float:
    """The quantile that an aggregate is, counted from the smallest."""
    share = 0.0 if aggregate == "worst" else aggregate.quantile
    return share if direction == "maximize" else 1.0 - share


def bound_of(cost: Interval, bound: CostBound) -> float:
    """The end of a cost's interval that must be within its limit."""
    return {"mean": cost.mean, "lower": cost.low, "upper": cost.high}[bound]


def feasible_rule(aggregate: Aggregate, bound: CostBound) -> str:
    """When a trial of a study is feasible, in words: what `aggregated` and `bound_of` compute of its costs.

    Args:
        aggregate: The study's `aggregate`.
        bound: The study's `cost_bound`.

    Examples:
        >>> feasible_rule("mean", "mean")
        'the mean over seeds of every cost is at most its limit.'
    """
    if isinstance(aggregate, Quantile):
        how = f"the {1.0 - aggregate.quantile:g} quantile over seeds (aggregate: quantile {aggregate.quantile:g})"
    else:
        how = {
            "mean": "the mean over seeds",
            "iqm": "the interquartile mean over seeds (aggregate: iqm)",
            "worst": "the worst seed's value (aggregate: worst)",
        }[aggregate]
    if bound == "mean":
        return f"{how} of every cost is at most its limit."
    kind = "t-interval" if aggregate == "mean" else "bootstrap interval"
    return f"the {bound} end (cost_bound: {bound}) of the 95 % {kind} of {how} of every cost is at most its limit."


def _objective(
    name: Objective,
    runs: Sequence[SeedRun],
    limits: Mapping[str, float],
    aggregate: Aggregate,
    aggregated: Callable[[Sequence[float], Aggregate, Direction], Interval],
) -> Interval | None:
    if name == "cost":
        values = [sum(_cost(run, cost) for cost in limits) for run in runs]
    elif name == "return":
        values = [run.mean_return for run in runs]
    else:
        values = [(run.measures or {}).get(name) for run in runs]
    known = [value for value in values if value is not None]
    return aggregated(known, aggregate, DIRECTIONS[name]) if len(known) == len(runs) else None


def _cost(run: SeedRun, name: str) -> float:
    assert run.mean_cost is not None
    return run.mean_cost[name]


def _oscillation(rows: Sequence[ResultRow]) -> float:
    values = [named_metrics(row.metrics, "multiplier/value") for row in rows]
    names = dict.fromkeys(name for value in values for name in value)
    series = ([value[name] for value in values if name in value] for name in names)
    return max((total_variation(of_cost) / max(len(of_cost) - 1, 1) for of_cost in series), default=0.0)

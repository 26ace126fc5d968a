"""What a seed run, and a trial of several seeds, amount to: return, cost, feasibility.

Everywhere the same: a seed's return and cost are the means over the training episodes that finish in the last 5 % of
its iterations; a trial's are the means of those over its seeds, with a 95 % t-interval; a trial is feasible where every
constrained cost, so aggregated, is within its limit.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sweeps.analysis.statistics import t_interval
from sweeps.records import Interval, ResultRow

SINGLE_COST = "cost"
"""Name of the only cost of a task whose metric keys carry no name: `train/cost`, `multiplier/value`."""


@dataclass(frozen=True)
class SeedSummary:
    """Where one seed run of a trial stands.

    Attributes:
        mean_return: Mean undiscounted return per episode over the last 5 % of iterations; None before an episode ended.
        mean_cost: The same of each cost, by name; cost units per episode; None before an episode ended.
        num_episodes: Episodes behind both.
        iterations: Iterations done.
        env_steps: Env steps done.
        multiplier: Last multiplier of each cost, by name; empty before the first iteration.
    """

    mean_return: float | None
    mean_cost: dict[str, float] | None
    num_episodes: int
    iterations: int
    env_steps: int
    multiplier: dict[str, float]


def summarize_seed(rows: Sequence[ResultRow]) -> SeedSummary:
    """Summarizes one seed run by the episodes that finish in the last 5 % of its iterations.

    With n iterations these are the last ⌈n / 20⌉; where no episode finished in them, the window reaches back to the
    last iteration in which one did. Each episode counts once, whichever iteration it finished in.

    Source: λ-profile points of Spoor et al. (2025), "last 5 % of epochs"; counting episodes rather than iterations,
    and reaching back, are ours.

    Args:
        rows: Rows of one seed of one trial, each iteration at most once, in any order; may be empty.

    Returns:
        The summary; return and cost are None where no episode finished.

    Raises:
        ValueError: If the rows belong to several seeds or trials.
    """
    if len(runs := {(row.trial, row.seed) for row in rows}) > 1:
        raise ValueError(f"rows must belong to one (trial, seed), but got {sorted(runs)}.")
    if not rows:
        return SeedSummary(None, None, 0, 0, 0, {})
    last = max(rows, key=lambda row: row.iteration)
    window = _last_twentieth(rows, last.iteration)
    returns = [value for row in window for value in row.episode_returns]
    return SeedSummary(
        mean_return=float(np.mean(returns)) if returns else None,
        mean_cost=_mean_costs(window) if returns else None,
        num_episodes=len(returns),
        iterations=last.iteration,
        env_steps=last.env_steps,
        multiplier=named_metrics(last.metrics, "multiplier/value"),
    )


def interval(values: Sequence[float]) -> Interval:
    """The aggregate over seeds that trials, tables and figures show: the mean with its 95 % t-interval.

    Args:
        values: `[S]`; one finite number a seed, S ≥ 1.

    Returns:
        The mean and its interval, in the units of `values`.

    Raises:
        ValueError: If there is no value or one is not finite.
    """
    return t_interval(values)


def feasible(cost: Mapping[str, Interval], limits: Mapping[str, float]) -> bool:
    """Whether every constrained cost is within its limit: its mean over seeds ≤ the limit.

    Args:
        cost: Aggregate over seeds of each cost, by name; cost units per episode. Costs without a limit are ignored.
        limits: Cost limit of each constraint, by name; same units.

    Returns:
        True where no constraint is violated.

    Raises:
        ValueError: If a constraint has no cost; names both.
    """
    if missing := sorted(set(limits) - set(cost)):
        raise ValueError(f"every constraint needs a cost, but {missing} has none; known costs: {sorted(cost)}.")
    return all(cost[name].mean <= limit for name, limit in limits.items())


def named_metrics(metrics: Mapping[str, float], key: str) -> dict[str, float]:
    """Collects a per-constraint metric by cost name.

    Args:
        metrics: Metric key → value; `key` alone belongs to the single cost `cost`, `key/<name>` to the cost `<name>`.
        key: Such as `train/cost` or `multiplier/value`.

    Returns:
        Cost name → value, in the order of `metrics`.

    Examples:
        >>> named_metrics({"train/cost/hazards": 3.0, "train/cost/vases": 0.0, "train/return": 9.0}, "train/cost")
        {'hazards': 3.0, 'vases': 0.0}
        >>> named_metrics({"multiplier/value": 0.5}, "multiplier/value")
        {'cost': 0.5}
    """
    prefix = f"{key}/"
    names = {name: SINGLE_COST if name == key else name.removeprefix(prefix) for name in metrics}
    return {names[name]: value for name, value in metrics.items() if name == key or name.startswith(prefix)}


def window_rows(rows: Sequence[ResultRow]) -> list[ResultRow]:
    """The rows behind a seed's return and cost: see `summarize_seed`.

    Args:
        rows: Rows of one seed of one trial, in any order; may be empty.

    Returns:
        Those of the window.
    """
    return _last_twentieth(rows, max((row.iteration for row in rows), default=0))


def num_recent(iterations: int) -> int:
    """How many iterations the last 5 % of so many are, rounded up."""
    return -(-iterations // 20)


def _last_twentieth(rows: Iterable[ResultRow], iterations: int) -> list[ResultRow]:
    """The rows of the last ⌈iterations / 20⌉ iterations, or from the last one in which an episode finished."""
    with_episodes = [row.iteration for row in rows if row.episode_returns]
    first = min(iterations - num_recent(iterations) + 1, max(with_episodes, default=0))
    return [row for row in rows if row.iteration >= first]


def _mean_costs(window: Iterable[ResultRow]) -> dict[str, float]:
    costs: dict[str, list[float]] = {}
    for row in window:
        for name, values in row.episode_costs.items():
            costs.setdefault(name, []).extend(values)
    return {name: float(np.mean(values)) for name, values in costs.items() if values}

"""What the ledger is told of a trial that ends, from where its seeds stand."""

from collections.abc import Mapping, Sequence
from typing import TypedDict

from sweeps.analysis.objectives import aggregated, bound_of
from sweeps.analysis.summary import SeedSummary, interval
from sweeps.ledger import SeedProgress
from sweeps.records import Interval
from sweeps.spec.objectives import Aggregate, CostBound


class Results(TypedDict):
    """What a trial amounts to: see `sweeps.records.Trial`."""

    mean_return: Interval
    mean_cost: dict[str, Interval]
    feasible: bool


def progress_of(summaries: Mapping[int, SeedSummary]) -> list[SeedProgress]:
    """Where seeds stand, as the ledger writes it."""
    return [
        SeedProgress(
            seed=seed,
            env_steps=summary.env_steps,
            iterations=summary.iterations,
            multiplier=summary.multiplier,
            mean_return=summary.mean_return,
            mean_cost=summary.mean_cost,
        )
        for seed, summary in summaries.items()
    ]


def results_of(
    summaries: Sequence[SeedSummary], limits: Mapping[str, float], aggregate: Aggregate, cost_bound: CostBound
) -> Results:
    """Aggregates the seeds of a trial, those that were stopped with what they had reached.

    Args:
        summaries: One a seed, each with a return.
        limits: Cost limits by name.
        aggregate: How costs are aggregated before they are compared with their limits.
        cost_bound: Which end of their interval is compared.
    """
    of_seeds = {name: [_cost(summary, name) for summary in summaries] for name in limits}
    bounded = {
        name: bound_of(aggregated(values, aggregate, "minimize"), cost_bound) for name, values in of_seeds.items()
    }
    return Results(
        mean_return=interval([_return(summary) for summary in summaries]),
        mean_cost={name: interval(values) for name, values in of_seeds.items()},
        feasible=all(bounded[name] <= limit for name, limit in limits.items()),
    )


def _return(summary: SeedSummary) -> float:
    assert summary.mean_return is not None
    return summary.mean_return


def _cost(summary: SeedSummary, name: str) -> float:
    assert summary.mean_cost is not None
    return summary.mean_cost[name]

"""Training curves: return, costs and multipliers of a trial against env steps, over its seeds."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from sweeps.analysis.statistics import t_interval
from sweeps.analysis.summary import named_metrics
from sweeps.records import Interval, ResultRow


@dataclass(frozen=True)
class Curve:
    """One quantity of one trial.

    Attributes:
        trial: The trial's number.
        quantity: `return`, `cost/<name>` or `multiplier/<name>`.
        env_steps: Env steps per seed, rising.
        values: At each of them the mean over seeds with its interval.
    """

    trial: int
    quantity: str
    env_steps: tuple[int, ...]
    values: tuple[Interval, ...]


def training_curves(rows: Sequence[ResultRow]) -> list[Curve]:
    """Aggregates rows over seeds, iteration by iteration.

    A seed's return and cost in an iteration are means over the episodes that finished in it; a seed in which none
    finished is left out of that iteration, and so is one that ended earlier. Nothing is smoothed.

    Args:
        rows: Rows of a study, each (trial, seed, iteration) once, in any order.

    Returns:
        Curves by trial, then quantity: return, costs, multipliers.
    """
    samples: dict[tuple[int, str], dict[int, list[float]]] = {}
    for row in rows:
        for quantity, value in _quantities(row):
            if np.isfinite(value):
                samples.setdefault((row.trial, quantity), {}).setdefault(row.env_steps, []).append(value)
    return [
        Curve(trial, quantity, tuple(sorted(steps)), tuple(t_interval(steps[step]) for step in sorted(steps)))
        for (trial, quantity), steps in sorted(samples.items(), key=lambda item: (item[0][0], _rank(item[0][1])))
    ]


def _quantities(row: ResultRow) -> Iterator[tuple[str, float]]:
    if row.episode_returns:
        yield "return", float(np.mean(row.episode_returns))
    for name, costs in row.episode_costs.items():
        if costs:
            yield f"cost/{name}", float(np.mean(costs))
    for name, value in named_metrics(row.metrics, "multiplier/value").items():
        yield f"multiplier/{name}", value


def _rank(quantity: str) -> tuple[int, str]:
    return ("return", "cost", "multiplier").index(quantity.partition("/")[0]), quantity

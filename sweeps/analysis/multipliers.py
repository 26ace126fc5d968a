"""How the multipliers of a study moved: saturation, oscillation and lag of each seed, and why a limit was not held."""

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from algorithms.functional.diagnostics import damping_ratio, dominant_period, phase_lag, saturation, total_variation
from algorithms.functional.findings import SHORTEST, Finding, findings
from algorithms.multiplier_cap import cap_of
from algorithms.parameters import FixedMultiplier
from sweeps.analysis.summary import SINGLE_COST, named_metrics
from sweeps.records import ResultRow, Trial
from sweeps.spec import RunSpec, StudySpec

MEASURES = ("at_zero", "at_cap", "total_variation", "dominant_period", "damping_ratio", "phase_lag")
"""The measures of a movement, each a number."""


@dataclass(frozen=True)
class Movement:
    """How λ of one cost moved in one seed; a measure is NaN where the series does not show it.

    Attributes:
        trial: The trial's number.
        seed: The seed.
        cost: The cost's name.
        at_zero: Share of iterations with λ = 0.
        at_cap: Share of iterations with λ at its cap.
        total_variation: The way that λ went, in units of λ.
        dominant_period: Iterations per oscillation of λ.
        damping_ratio: 0 oscillates for ever, towards 1 it settles; negative grows.
        phase_lag: By how much λ follows the cost, degrees.
        findings: What kept λ from holding the cost at its limit.
    """

    trial: int
    seed: int
    cost: str
    at_zero: float
    at_cap: float
    total_variation: float
    dominant_period: float
    damping_ratio: float
    phase_lag: float
    findings: tuple[Finding, ...]


def movements(spec: StudySpec, trials: Sequence[Trial], rows: Sequence[ResultRow]) -> list[Movement]:
    """Measures every seed of every trial whose update moves λ.

    Args:
        spec: The study.
        trials: Its trials.
        rows: Its rows, each (trial, seed, iteration) once, in any order.

    Returns:
        One for each trial, seed and cost with at least `SHORTEST` iterations in which an episode finished.
    """
    by_seed: dict[tuple[int, int], list[ResultRow]] = {}
    for row in rows:
        by_seed.setdefault((row.trial, row.seed), []).append(row)
    found: list[Movement] = []
    for trial in trials:
        run = spec.resolve(trial.arm, trial.params)
        for seed_run in trial.seed_runs:
            found += _of_seed(by_seed.get((trial.number, seed_run.seed), []), run)
    return found


def measure_movement(rows: Iterable[ResultRow], run: RunSpec) -> dict[str, float]:
    """The same measures of one seed run as metrics, for its record.

    Args:
        rows: Rows of one seed of one trial, each iteration once, in any order.
        run: Its configuration.

    Returns:
        `multiplier/at_zero`, …: key → value, with `/<cost>` where costs have names; those that the series shows, none
        of a multiplier that is fixed.
    """
    return {
        f"multiplier/{name}" + ("" if list(run.cost_limits) == [SINGLE_COST] else f"/{movement.cost}"): value
        for movement in _of_seed(rows, run)
        for name in MEASURES
        if not math.isnan(value := getattr(movement, name))
    }


def _of_seed(rows: Iterable[ResultRow], run: RunSpec) -> Iterator[Movement]:
    if isinstance(run.lagrangian, FixedMultiplier):
        return
    rows = sorted(rows, key=lambda row: row.iteration)
    cap = cap_of(run.lagrangian)
    iterations = -(-run.env_steps // run.parameters.steps_per_iteration)
    for cost in run.cost_limits:
        series = [point for row in rows if (point := _point(row, cost)) is not None]
        if len(series) < SHORTEST:
            continue
        values, costs, errors = np.array(series).T
        at_zero, at_cap = saturation(values, cap.value)
        yield Movement(
            trial=rows[0].trial,
            seed=rows[0].seed,
            cost=cost,
            at_zero=at_zero,
            at_cap=at_cap,
            total_variation=total_variation(values),
            dominant_period=dominant_period(values),
            damping_ratio=damping_ratio(values),
            phase_lag=phase_lag(values, costs),
            # Iterations in which no episode finished do not count, in the budget neither.
            findings=tuple(
                findings(
                    values,
                    costs,
                    costs - errors,
                    multiplier_max=cap.value,
                    remedy=cap.remedy,
                    iterations=iterations * len(values) // len(rows),
                )
            ),
        )


def _point(row: ResultRow, cost: str) -> tuple[float, float, float] | None:
    """λ, cost and error of an iteration, or None where no episode finished."""
    names = ("multiplier/value", "train/cost", "multiplier/error")
    value, mean_cost, error = (named_metrics(row.metrics, name).get(cost) for name in names)
    return None if value is None or mean_cost is None or error is None else (value, mean_cost, error)


_NUMBER = re.compile(r"\d+(?:\.\d+)?(?:e[+-]?\d+)?")


def finding_lines(moved: Sequence[Movement], named: Mapping[int, str]) -> list[str]:
    """One line for each cause and trial, with the seeds that show it.

    Args:
        moved: The movements.
        named: Trial number → how to call it.

    Returns:
        The lines by trial; where the seeds' numbers differ, each is the range over the seeds, such as `6.67 to 6.94`.
    """
    found: dict[tuple[int, str, str, str], tuple[list[str], list[int]]] = {}
    for movement in moved:
        for finding in movement.findings:
            key = (movement.trial, movement.cost, finding.code, _NUMBER.sub("", finding.message))
            messages, seeds = found.setdefault(key, ([], []))
            messages.append(finding.message)
            seeds.append(movement.seed)
    return [
        f"{named[trial]}, {cost}, seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}: {_joined(messages)}"
        for (trial, cost, _, _), (messages, seeds) in found.items()
    ]


def _joined(messages: Sequence[str]) -> str:
    """One message for several that differ in their numbers only, with the range of each number."""
    of_place = zip(*(_NUMBER.findall(message) for message in messages), strict=True)
    ranges = iter([_range(numbers) for numbers in of_place])
    return _NUMBER.sub(lambda _: next(ranges), messages[0])


def _range(numbers: Sequence[str]) -> str:
    low, high = min(numbers, key=float), max(numbers, key=float)
    return low if low == high else f"{low} to {high}"

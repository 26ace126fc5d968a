"""λ-profiles: return and cost against a fixed multiplier, with what the automated updates reach.

A profile is drawn over u(λ), a coordinate that shows 0 beside logarithmic multipliers: with λ₁ the smallest positive
one, u = λ / λ₁ up to λ₁ and 1 + ln(λ / λ₁) beyond (our derivation; continuous with its first derivative).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import isotonic_regression

from algorithms.parameters import FixedMultiplier
from sweeps.analysis.statistics import t_interval
from sweeps.records import Interval, State, Trial
from sweeps.spec import StudySpec
from sweeps.trial_table import best_of


@dataclass(frozen=True)
class ProfilePoint:
    """One fixed multiplier.

    Attributes:
        trial: The trial's number.
        multiplier: λ ≥ 0.
        mean_return: Over seeds.
        mean_cost: Over seeds, by cost name.
        feasible: Whether every cost is within its limit.
    """

    trial: int
    multiplier: float
    mean_return: Interval
    mean_cost: dict[str, Interval]
    feasible: bool


@dataclass(frozen=True)
class Series:
    """The profile of one arm, or of one setting of its other parameters.

    Attributes:
        label: Name of the arm, with the other parameters where they vary.
        points: By rising multiplier.
        lambda_star: The multiplier from which on every cost is within its limit, or None where the grid does not
            show it.
    """

    label: str
    points: tuple[ProfilePoint, ...]
    lambda_star: float | None


@dataclass(frozen=True)
class Level:
    """What an arm that moves its multiplier reaches: its best feasible trial, else the one nearest to its limits.

    Attributes:
        label: Name of the arm, with the trial where it has several.
        trial: The trial's number.
        mean_return: Over seeds.
        mean_cost: Over seeds, by cost name.
        multiplier: The last multiplier over seeds, by cost name.
        feasible: Whether every cost is within its limit.
    """

    label: str
    trial: int
    mean_return: Interval
    mean_cost: dict[str, Interval]
    multiplier: dict[str, Interval]
    feasible: bool


@dataclass(frozen=True)
class Profile:
    """What a λ-profile figure shows.

    Attributes:
        series: Profiles of fixed multipliers.
        levels: Levels of the other arms.
        cost_limits: Limit of each constraint, by cost name; cost units per episode.
    """

    series: tuple[Series, ...]
    levels: tuple[Level, ...]
    cost_limits: dict[str, float]


def profile_of(spec: StudySpec, trials: Sequence[Trial]) -> Profile:
    """Collects the profile of a study from its complete trials.

    Args:
        spec: The study.
        trials: Its trials, finished or not.

    Returns:
        The profile; without series or levels where no trial of that kind is complete.
    """
    complete = [trial for trial in trials if trial.state is State.COMPLETE and trial.mean_return is not None]
    points: dict[str, list[ProfilePoint]] = {}
    moving: dict[str, list[Trial]] = {}
    for trial in complete:
        update = spec.resolve(trial.arm, trial.params).lagrangian
        if isinstance(update, FixedMultiplier):
            points.setdefault(_label(trial), []).append(_point(trial, update.multiplier))
        else:
            moving.setdefault(trial.arm, []).append(trial)
    limits = spec.cost_limits
    series = tuple(_series(label, group, limits) for label, group in points.items())
    return Profile(series, tuple(_level(group, limits) for group in moving.values()), limits)


def coordinate(multiplier: float, smallest: float) -> float:
    """Places a multiplier on the axis of a profile.

        u(λ) = λ / λ₁ for λ ≤ λ₁,  1 + ln(λ / λ₁) beyond

    Args:
        multiplier: λ ≥ 0.
        smallest: λ₁ > 0, the smallest positive multiplier of the profile.

    Returns:
        u ≥ 0.

    Examples:
        >>> [round(coordinate(value, 0.1), 3) for value in (0.0, 0.05, 0.1, 0.2)]
        [0.0, 0.5, 1.0, 1.693]
    """
    ratio = multiplier / smallest
    return ratio if ratio <= 1.0 else 1.0 + math.log(ratio)


def lambda_star(multipliers: Sequence[float], costs: Sequence[float], limit: float) -> float | None:
    """The smallest multiplier whose cost is within the limit, by monotone interpolation.

    A larger multiplier cannot raise the cost of the best policy; measured costs are therefore replaced by the nearest
    ones (least squares) that do not rise, and interpolated linearly over u(λ). The answer is where that line meets
    the limit.

    Source: λ* of Spoor et al. (2025), Fig. 1, read off by eye there; the interpolation is our derivation.

    Args:
        multipliers: Distinct λ ≥ 0, at least one, in any order.
        costs: Mean cost at each; cost units per episode.
        limit: The constraint d; same units.

    Returns:
        λ*; 0 where plain training (λ = 0) is already within the limit; None where no multiplier of the grid is, or
        all are and the grid does not begin at 0.

    Raises:
        ValueError: If the lengths differ, are 0, or a multiplier is negative.

    Examples:
        >>> lambda_star([1.0, 2.0, 4.0], [90.0, 50.0, 30.0], limit=50.0)
        2.0
    """
    if len(multipliers) != len(costs) or not multipliers or min(multipliers) < 0:
        raise ValueError(
            "`len(multipliers) == len(costs) >= 1` and `multiplier >= 0` must hold, "
            f"but got {list(multipliers)} and {list(costs)}."
        )
    order = np.argsort(multipliers)
    grid = np.asarray(multipliers, dtype=np.float64)[order]
    monotone = isotonic_regression(np.asarray(costs, dtype=np.float64)[order], increasing=False).x
    within = np.flatnonzero(monotone <= limit)
    if within.size == 0:
        return None
    first = int(within[0])
    if first == 0:
        return 0.0 if grid[0] == 0.0 else None
    smallest = float(grid[grid > 0][0])
    left, right = coordinate(float(grid[first - 1]), smallest), coordinate(float(grid[first]), smallest)
    share = float((monotone[first - 1] - limit) / (monotone[first - 1] - monotone[first]))
    meeting = left + share * (right - left)
    return smallest * (meeting if meeting <= 1.0 else math.exp(meeting - 1.0))


def excess(trial: Trial, limits: Mapping[str, float]) -> float:
    """How far a complete trial is from its limits.

        maxᵢ (J_ci − dᵢ) / dᵢ

    Args:
        trial: A complete trial.
        limits: Limit dᵢ of each constraint, by cost name; cost units per episode.

    Returns:
        The largest excess of a cost as a share of its limit; not positive where the trial is feasible.
    """
    costs = trial.mean_cost or {}
    return max((costs[name].mean - limit) / max(limit, 1e-12) for name, limit in limits.items())


def described(params: Mapping[str, Any]) -> str:
    """Writes parameters as people read them.

    Args:
        params: Name → value.

    Returns:
        Such as `kp=0.1, delay=10`.
    """
    return ", ".join(
        f"{name}={value:.4g}" if isinstance(value, float) else f"{name}={value}" for name, value in params.items()
    )


def _label(trial: Trial) -> str:
    others = {name: value for name, value in trial.params.items() if name != "multiplier"}
    return f"{trial.arm} ({described(others)})" if others else trial.arm


def _point(trial: Trial, multiplier: float) -> ProfilePoint:
    assert trial.mean_return is not None
    return ProfilePoint(trial.number, multiplier, trial.mean_return, trial.mean_cost or {}, bool(trial.feasible))


def _series(label: str, points: Sequence[ProfilePoint], limits: Mapping[str, float]) -> Series:
    ordered = tuple(sorted(points, key=lambda point: point.multiplier))
    grid = [point.multiplier for point in ordered]
    crossings = [lambda_star(grid, [point.mean_cost[name].mean for point in ordered], limits[name]) for name in limits]
    found = [value for value in crossings if value is not None]
    return Series(label, ordered, max(found) if len(found) == len(crossings) else None)


def _level(trials: Sequence[Trial], limits: Mapping[str, float]) -> Level:
    trial = best_of(trials) or min(trials, key=lambda trial: excess(trial, limits))
    assert trial.mean_return is not None
    last = [run.multiplier for run in trial.seed_runs if run.multiplier]
    names = dict.fromkeys(name for multiplier in last for name in multiplier)
    return Level(
        label=trial.arm if len(trials) == 1 else f"{trial.arm} (trial {trial.number})",
        trial=trial.number,
        mean_return=trial.mean_return,
        mean_cost=trial.mean_cost or {},
        multiplier={name: t_interval([multiplier[name] for multiplier in last]) for name in names},
        feasible=bool(trial.feasible),
    )

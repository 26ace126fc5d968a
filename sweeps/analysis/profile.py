"""λ-profiles: return and cost against a fixed multiplier, with what the automated updates reach."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from algorithms.parameters import FixedMultiplier
from sweeps.analysis.lambda_star import LambdaStar, lambda_star, lambda_star_interval
from sweeps.analysis.smoothing import lowess
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
        seed_returns: Seed → its mean return.
        seed_costs: Cost name → seed → its mean cost.
    """

    trial: int
    multiplier: float
    mean_return: Interval
    mean_cost: dict[str, Interval]
    feasible: bool
    seed_returns: dict[int, float]
    seed_costs: dict[str, dict[int, float]]


@dataclass(frozen=True)
class Series:
    """The profile of one arm, or of one setting of its other parameters.

    Attributes:
        label: Name of the arm, with the other parameters where they vary.
        points: By rising multiplier.
        lambda_star: The multiplier from which on every cost is within its limit, with the interval of the cost that
            decides it, or None where the grid does not show it.
    """

    label: str
    points: tuple[ProfilePoint, ...]
    lambda_star: LambdaStar | None


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
    complete = [t for t in trials if t.state is State.COMPLETE and t.mean_return is not None and t.retest_of is None]
    points: dict[str, list[ProfilePoint]] = {}
    moving: dict[str, list[Trial]] = {}
    for trial in complete:
        run = spec.resolve(trial.arm, trial.params)
        update = run.lagrangian
        if isinstance(update, FixedMultiplier):
            points.setdefault(_label(trial), []).append(_point(trial, update.multiplier))
        elif run.cost_limits == spec.cost_limits:  # what an arm reaches at another limit is no level of this one
            moving.setdefault(trial.arm, []).append(trial)
    limits = spec.cost_limits
    series = tuple(_series(label, group, limits) for label, group in points.items())
    return Profile(series, tuple(_level(group, limits) for group in moving.values()), limits)


def smoothed(profile: Profile, fraction: float) -> Profile:
    """Smooths the points of a profile by LOWESS over linear λ, means and ends of intervals alike.

    Source: the published plots of Spoor et al. (2025) smooth mean and standard deviation so, with fraction 0.5. λ* and
    feasibility stay those of the raw points.

    Args:
        profile: The profile.
        fraction: LOWESS's fraction, in (0, 1].

    Returns:
        A profile to draw.
    """
    return replace(profile, series=tuple(_smoothed_series(series, fraction) for series in profile.series))


def _smoothed_series(series: Series, fraction: float) -> Series:
    grid = [point.multiplier for point in series.points]
    returns = smoothed_intervals(grid, [point.mean_return for point in series.points], fraction)
    names = series.points[0].mean_cost if series.points else {}
    costs = {n: smoothed_intervals(grid, [p.mean_cost[n] for p in series.points], fraction) for n in names}
    points = tuple(
        replace(point, mean_return=returns[i], mean_cost={name: values[i] for name, values in costs.items()})
        for i, point in enumerate(series.points)
    )
    return replace(series, points=points)


def smoothed_intervals(places: Sequence[float], values: Sequence[Interval], fraction: float) -> list[Interval]:
    """Smooths means and both ends of intervals along an axis.

    Args:
        places: `[n]`; where they lie.
        values: `[n]`; the intervals.
        fraction: LOWESS's fraction.

    Returns:
        `[n]`; with the numbers of seeds as they were.
    """
    means, lows, highs = (
        lowess(places, [getattr(v, end) for v in values], fraction) for end in ("mean", "low", "high")
    )
    return [
        Interval(float(means[i]), float(lows[i]), float(highs[i]), value.num_seeds) for i, value in enumerate(values)
    ]


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
    costs = trial.mean_cost or {}
    return ProfilePoint(
        trial.number,
        multiplier,
        trial.mean_return,
        costs,
        bool(trial.feasible),
        seed_values(trial),
        {name: seed_values(trial, name) for name in costs},
    )


def seed_values(trial: Trial, cost: str | None = None) -> dict[int, float]:
    """What each seed of a trial reached.

    Args:
        trial: The trial.
        cost: A cost's name, or None for the return.

    Returns:
        Seed → mean over its last episodes, for the seeds that have one.
    """
    if cost is None:
        return {run.seed: run.mean_return for run in trial.seed_runs if run.mean_return is not None}
    return {run.seed: run.mean_cost[cost] for run in trial.seed_runs if run.mean_cost and cost in run.mean_cost}


def _series(label: str, points: Sequence[ProfilePoint], limits: Mapping[str, float]) -> Series:
    ordered = tuple(sorted(points, key=lambda point: point.multiplier))
    found = [_star(ordered, name, limit) for name, limit in limits.items()]
    known = [star for star in found if star is not None]
    return Series(label, ordered, max(known, key=lambda star: star.value) if len(known) == len(found) else None)


def _star(points: Sequence[ProfilePoint], cost: str, limit: float) -> LambdaStar | None:
    grid = [point.multiplier for point in points]
    if all(point.seed_costs.get(cost) for point in points):
        return lambda_star_interval(grid, [list(point.seed_costs[cost].values()) for point in points], limit)
    value = lambda_star(grid, [point.mean_cost[cost].mean for point in points], limit)
    return None if value is None else LambdaStar(value, value, value, 1.0, 1)


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

"""Cost limits to study a task at: one for each regime, computed from a sweep over fixed multipliers."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sweeps.analysis.fronts import front, limit_at_price, price_of_safety, restrictiveness
from sweeps.analysis.statistics import CONFIDENCE
from sweeps.records import Interval

Floats = NDArray[np.float64]

REGIMES = {"loose": 0.1, "moderate": 0.5, "tight": 0.9}
"""Regime → the price of safety that it stands for."""

CUSTOMARY = 25.0
"""The limit of the published studies, for comparability."""


@dataclass(frozen=True)
class LimitAdvice:
    """One cost limit, and whether it is worth studying.

    Attributes:
        regime: `loose`, `moderate`, `tight`, or `customary` for the limit of the published studies.
        limit: d, cost units per episode.
        restrictiveness: τ(d).
        price_of_safety: PoS(d); NaN where the limit was not reached.
        slope: dR*/dd with its bootstrap interval over seeds, reward per cost unit.
        refused: Why it is not recommended, or None.
    """

    regime: str
    limit: float
    restrictiveness: float
    price_of_safety: float
    slope: Interval
    refused: str | None


def recommended_limits(
    costs: Sequence[Sequence[float]],
    returns: Sequence[Sequence[float]],
    num_resamples: int = 2000,
    seed: int = 0,
) -> list[LimitAdvice]:
    """Recommends a loose, a moderate and a tight limit of a task, and judges the customary one.

    R* is the upper concave hull of the mean (cost, return) of each fixed multiplier. A regime's limit is where the
    price of safety is 0.1, 0.5 or 0.9. A limit below the lowest cost reached, or one at which the interval of dR*/dd
    over seeds includes 0, is refused: there a method cannot show that it uses the cost it is allowed.

    Source: our derivation; Spoor et al., v2, recommend limits for each task by a table that is not public.

    Args:
        costs: `[L][S]`; for each multiplier the mean cost of each seed, cost units per episode; the same S at each.
        returns: `[L][S]`; the mean returns of the same runs.
        num_resamples: Draws of the bootstrap, seeds drawn with replacement within each multiplier.
        seed: Of the draws.

    Returns:
        One a regime, `customary` last; none where cost buys no return at all.

    Raises:
        ValueError: If there is no run, the shapes differ or a number is not finite.
    """
    cost = [np.asarray(sample, dtype=np.float64) for sample in costs]
    reward = [np.asarray(sample, dtype=np.float64) for sample in returns]
    if [sample.shape for sample in cost] != [sample.shape for sample in reward] or any(not s.size for s in cost):
        raise ValueError("every multiplier needs the cost and the return of the same seeds, one at least.")
    hull = front([sample.mean() for sample in cost], [sample.mean() for sample in reward])
    limits = {regime: limit_at_price(hull, price) for regime, price in REGIMES.items()} | {"customary": CUSTOMARY}
    if np.isnan(limits["loose"]):
        return []
    slopes = _resampled_slopes(cost, reward, list(limits.values()), num_resamples, seed)
    seeds = min(sample.size for sample in cost)
    advice: list[LimitAdvice] = []
    for (regime, limit), drawn in zip(limits.items(), slopes.T, strict=True):
        low, high = np.quantile(drawn, [0.5 - CONFIDENCE / 2, 0.5 + CONFIDENCE / 2])
        slope = Interval(_or_zero(hull.slope(limit)), float(low), float(high), seeds)
        refused = _why_refused(limit, hull.cost_min, slope)
        advice.append(
            LimitAdvice(regime, limit, restrictiveness(hull, limit), price_of_safety(hull, limit), slope, refused)
        )
    return advice


def _resampled_slopes(
    cost: Sequence[Floats], reward: Sequence[Floats], limits: Sequence[float], num_resamples: int, seed: int
) -> Floats:
    """`[num_resamples, len(limits)]`; a limit left of a draw's front has no slope there: 0."""
    generator = np.random.default_rng(seed)
    slopes = np.empty((num_resamples, len(limits)))
    for index in range(num_resamples):
        picks = [generator.integers(sample.size, size=sample.size) for sample in cost]
        hull = front(
            [sample[pick].mean() for sample, pick in zip(cost, picks, strict=True)],
            [sample[pick].mean() for sample, pick in zip(reward, picks, strict=True)],
        )
        slopes[index] = [_or_zero(hull.slope(limit)) for limit in limits]
    return slopes


def _or_zero(slope: float) -> float:
    return 0.0 if np.isnan(slope) else slope


def _why_refused(limit: float, cost_min: float, slope: Interval) -> str | None:
    if limit < cost_min:
        return f"infeasible: no multiplier reached a cost below {cost_min:.4g}"
    if slope.low <= 0.0:
        return "the interval of dR*/dd includes 0: the return may not depend on this limit"
    return None

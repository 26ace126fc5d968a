"""How an update holds the limit once it has reached it: the measures of Table 1 of Spoor et al. (2025), v1.

A series is one number an iteration, t = 1 … K: the mean over the episodes that finished in it, NaN where none did; such
iterations do not count. Series of S seeds are `[S, K]`.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sweeps.analysis.smoothing import lowess

Floats = NDArray[np.float64]
Aggregate = Literal["seed_mean", "per_seed"]


@dataclass(frozen=True)
class Stability:
    """How one update held one limit.

    Attributes:
        best_return: Best return of an iteration within the limit; None where no iteration is.
        violation_share: Share of iterations above the limit after the first one within it, in [0, 1]; None where
            there is no later iteration.
        violation_magnitude: Mean of (J_c − d)₊ over the same iterations, cost units per episode; None likewise.
        reached_at: Index of the first iteration within the limit, 0 … K − 1; None where there is none. With
            `per_seed` that of the slowest seed that reached it.
        num_seeds: Seeds behind the numbers: all, or with `per_seed` those that reached the limit.
    """

    best_return: float | None
    violation_share: float | None
    violation_magnitude: float | None
    reached_at: int | None
    num_seeds: int


def stability(
    returns: ArrayLike,
    costs: ArrayLike,
    limit: float,
    *,
    aggregate: Aggregate = "seed_mean",
    smoothing: float | None = None,
) -> Stability:
    """Measures the curves of an update.

        t₀ = min {t : J_c(t) ≤ d},  V = #{t > t₀ : J_c(t) > d} / #{t > t₀},  R = max {J_r(t) : J_c(t) ≤ d}

    Source: Spoor et al. (2025), Table 1: "the number of constraint violations ... after the first time reaching the
    cost limit", best return of a policy within it. The paper does not say whether on the mean over seeds, on each seed
    or on smoothed curves: all four are here. The magnitude is ours.

    Args:
        returns: `[S, K]`; J_r, NaN where no episode finished.
        costs: `[S, K]`; J_c, likewise.
        limit: d; cost units per episode.
        aggregate: `seed_mean` measures the mean over seeds (of those that have the iteration), the default;
            `per_seed` measures every seed and averages over those that reach the limit.
        smoothing: None for raw curves, the default; else LOWESS's fraction.

    Returns:
        The measures.

    Raises:
        ValueError: If the shapes differ or are not `[S, K]`.
    """
    reward, cost = np.asarray(returns, dtype=np.float64), np.asarray(costs, dtype=np.float64)
    if reward.shape != cost.shape or reward.ndim != 2:
        raise ValueError(f"`returns` and `costs` must be [S, K] alike, but got {reward.shape} and {cost.shape}.")
    if aggregate == "per_seed":
        parts = [_of_curve(r, c, limit, smoothing, 1) for r, c in zip(reward, cost, strict=True)]
        return _mean([part for part in parts if part.reached_at is not None])
    return _of_curve(_seed_mean(reward), _seed_mean(cost), limit, smoothing, len(reward))


def _of_curve(returns: Floats, costs: Floats, limit: float, smoothing: float | None, seeds: int) -> Stability:
    known = np.flatnonzero(np.isfinite(returns) & np.isfinite(costs))
    reward, cost = returns[known], costs[known]
    if smoothing is not None:
        times = known.astype(np.float64)
        reward, cost = lowess(times, reward, smoothing), lowess(times, cost, smoothing)
    within = cost <= limit
    if not within.any():
        return Stability(None, None, None, None, seeds)
    first = int(np.argmax(within))
    later = cost[first + 1 :] - limit
    share = float(np.mean(later > 0.0)) if later.size else None
    magnitude = float(np.maximum(later, 0.0).mean()) if later.size else None
    return Stability(float(reward[within].max()), share, magnitude, int(known[first]), seeds)


def _seed_mean(values: Floats) -> Floats:
    known = np.isfinite(values)
    number = known.sum(axis=0)
    total = np.where(known, values, 0.0).sum(axis=0)
    return np.divide(total, number, out=np.full(values.shape[1], np.nan), where=number > 0)


def _mean(parts: list[Stability]) -> Stability:
    if not parts:
        return Stability(None, None, None, None, 0)

    def over(values: list[float | None]) -> float | None:
        known = [value for value in values if value is not None]
        return float(np.mean(known)) if known else None

    return Stability(
        over([part.best_return for part in parts]),
        over([part.violation_share for part in parts]),
        over([part.violation_magnitude for part in parts]),
        max(part.reached_at for part in parts if part.reached_at is not None),
        len(parts),
    )

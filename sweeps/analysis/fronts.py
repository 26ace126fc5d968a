"""Empirical fronts of return over cost, and what they say about a cost limit.

A front R*(c) is the best return that the runs at hand reach at a cost of at most c. Returns and costs are per episode,
in the task's units. Sources: the running maximum is the frontier of the published code of Spoor et al. (2025), v2; the
hull, and what is computed from it, are our derivation.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Kind = Literal["hull", "running_maximum"]


@dataclass(frozen=True)
class Front:
    """R*(c), by its corners.

    Attributes:
        kind: `hull`: the upper concave hull, straight between corners, which a mixture of two policies reaches;
            `running_maximum`: a staircase, which single policies reach.
        costs: `[n]`; costs of the corners, rising.
        returns: `[n]`; their returns, rising.
        cost_max: The largest cost of any point, beyond the last corner too.
    """

    kind: Kind
    costs: Floats
    returns: Floats
    cost_max: float

    @property
    def cost_min(self) -> float:
        """The lowest cost that was reached; no limit below it can be kept."""
        return float(self.costs[0])

    def best_return(self, cost: float) -> float:
        """R*(c).

        Args:
            cost: c.

        Returns:
            The best return at a cost of at most c; NaN below the lowest cost reached.
        """
        if not cost >= self.cost_min:
            return np.nan
        if self.kind == "hull":
            return float(np.interp(cost, self.costs, self.returns))
        return float(self.returns[np.searchsorted(self.costs, cost, side="right") - 1])

    def slope(self, cost: float) -> float:
        """dR*/dc to the left of c: the local price of cost, reward per cost unit.

        Args:
            cost: c.

        Returns:
            ≥ 0 on the hull; 0 beyond the best return, NaN at and below the lowest cost, where nothing lies to the left.

        Raises:
            ValueError: If the front is a staircase, which has no slope.
        """
        if self.kind != "hull":
            raise ValueError("only the hull has a slope; build the front with kind='hull'.")
        if not cost > self.cost_min:
            return np.nan
        if cost > self.costs[-1]:
            return 0.0
        right = int(np.searchsorted(self.costs, cost, side="left"))
        rise = float(self.returns[right] - self.returns[right - 1])
        return rise / float(self.costs[right] - self.costs[right - 1])


def front(costs: Sequence[float] | Floats, returns: Sequence[float] | Floats, kind: Kind = "hull") -> Front:
    """Builds the front of points in the plane.

    Args:
        costs: `[n]`; finite, n ≥ 1.
        returns: `[n]`; finite.
        kind: Which front.

    Returns:
        R*(c).

    Raises:
        ValueError: If there is no point, the lengths differ or a number is not finite.

    Examples:
        >>> front([0.0, 10.0, 20.0, 20.0], [0.0, 2.0, 8.0, 5.0]).costs.tolist()
        [0.0, 20.0]
        >>> front([0.0, 10.0, 20.0, 20.0], [0.0, 2.0, 8.0, 5.0], "running_maximum").costs.tolist()
        [0.0, 10.0, 20.0]
    """
    x, y = np.asarray(costs, dtype=np.float64), np.asarray(returns, dtype=np.float64)
    if x.shape != y.shape or x.ndim != 1 or not x.size or not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ValueError(f"a front needs finite (cost, return) points, one at least, but got {costs} and {returns}.")
    corners = _staircase(x, y)
    if kind == "hull":
        corners = _upper_hull(corners)
    return Front(kind, corners[:, 0], corners[:, 1], float(x.max()))


def _staircase(x: Floats, y: Floats) -> Floats:
    """Points that no other one beats: rising in both. `[n, 2]`."""
    order = np.lexsort((-y, x))
    points = np.stack([x[order], y[order]], axis=1)
    best = np.maximum.accumulate(points[:, 1])
    rises = np.concatenate([[True], best[1:] > best[:-1]])
    return points[rises]


def _upper_hull(points: Floats) -> Floats:
    """Andrew's monotone chain (1979), upper half."""
    hull: list[Floats] = []
    for point in points:
        while len(hull) >= 2 and _turns_left(hull[-2], hull[-1], point):
            hull.pop()
        hull.append(point)
    return np.array(hull)


def _turns_left(a: Floats, b: Floats, c: Floats) -> bool:
    return float((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])) >= 0.0


def signed_distance(front: Front, cost: float, mean_return: float) -> float:
    """How far a run lies above the front at its own cost: R − R*(J_c), reward per episode.

    Source: our derivation, for v2's question how automated updates compare with the empirical optimum.

    Args:
        front: R*(c), of the fixed multipliers.
        cost: J_c of the run.
        mean_return: R of the run.

    Returns:
        Positive above the front, negative below: the optimality gap. NaN left of it.
    """
    return mean_return - front.best_return(cost)


def restrictiveness(front: Front, limit: float) -> float:
    """How much of the range of costs a limit forbids: τ(d) = (c_max − d) / (c_max − c_min).

    Args:
        front: R*(c); c_max is the largest cost of its points: that of λ = 0 as a rule.
        limit: d.

    Returns:
        0 forbids nothing, 1 all but the lowest cost; above 1 the limit was not reached. NaN where all costs are equal.
    """
    span = front.cost_max - front.cost_min
    return (front.cost_max - limit) / span if span > 0.0 else np.nan


def price_of_safety(front: Front, limit: float) -> float:
    """The share of the attainable return that a limit takes: PoS(d) = 1 − (R*(d) − R_min) / (R*(c_max) − R_min).

    Args:
        front: R*(c); R_min is its return at the lowest cost.
        limit: d.

    Returns:
        0 takes nothing, 1 all; NaN for a limit that was not reached, or where cost buys no return.
    """
    least, most = float(front.returns[0]), float(front.returns[-1])
    return 1.0 - (front.best_return(limit) - least) / (most - least) if most > least else np.nan


def limit_at_price(front: Front, price: float) -> float:
    """The limit d at which PoS(d) has a value: the inverse of `price_of_safety` on the hull.

    Args:
        front: A hull.
        price: PoS in [0, 1].

    Returns:
        d, cost units per episode; the largest such limit. NaN where cost buys no return.

    Raises:
        ValueError: If the front is a staircase or `price` lies outside [0, 1].
    """
    if front.kind != "hull" or not 0.0 <= price <= 1.0:
        raise ValueError(f"`0 <= price <= 1` on a hull must hold, but got {price=} on {front.kind!r}.")
    least, most = float(front.returns[0]), float(front.returns[-1])
    if most <= least:
        return np.nan
    return float(np.interp(least + (1.0 - price) * (most - least), front.returns, front.costs))

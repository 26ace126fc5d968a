"""Where an adaptive λ-profile trains next, from nothing but the trials so far.

The ends of the range and its middle come first. Then points go where the cost crosses its limit, spread over what is
still possible for λ*; every fourth goes into the widest gap of the front. All of it is our own. Positions lie on u(λ)
of `sweeps.analysis.lambda_star`, with the lower end of the range as λ₁, or where that is 0 a fiftieth of the upper one.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sweeps.analysis.lambda_star import LambdaStar, coordinate, lambda_star_interval
from sweeps.spec.search import AdaptiveProfile

_FIRST = 3  # ends and middle
_GAP_EVERY = 4
_NUM_DRAWS = 500  # places need no precise ends
_DIGITS = 3  # nobody reads more of a multiplier


@dataclass(frozen=True)
class Measured:
    """A multiplier that was trained.

    Attributes:
        multiplier: λ.
        costs: `[S]`; cost of each seed, cost units per episode.
        mean_return: Mean over seeds.
    """

    multiplier: float
    costs: tuple[float, ...]
    mean_return: float

    @property
    def mean_cost(self) -> float:
        """Mean over seeds."""
        return sum(self.costs) / len(self.costs)


def next_multiplier(
    search: AdaptiveProfile, measured: Sequence[Measured], others: Sequence[float], limit: float
) -> float | None:
    """Chooses the next multiplier of an adaptive profile.

    Args:
        search: The search: range, most trials, and how precise λ* and the front shall be.
        measured: Finished points, in any order.
        others: Multipliers that wait, run or failed; none is chosen close to them.
        limit: The cost limit.

    Returns:
        λ, or None where the profile is done: as many points as `trials`, or precise enough.
    """
    number = len(measured) + len(others)
    ordered = sorted(measured, key=lambda point: point.multiplier)
    star = _star(ordered, limit)
    if number >= search.trials or (star is not None and _is_precise(search, star, ordered)):
        return None
    axis = _Axis(search)
    taken = [axis.place(point.multiplier) for point in ordered] + [axis.place(other) for other in others]
    if number < _FIRST:
        return axis.multiplier((*axis.ends, sum(axis.ends) / 2.0)[number])
    position = None
    if star is None or (number - _FIRST) % _GAP_EVERY == _GAP_EVERY - 1 or _is_narrow(search, star):
        position = _widest_gap(axis, ordered, taken)
    if position is None:
        position = _emptiest(axis.ends if star is None else _reach(axis, star, ordered), taken)
    return axis.multiplier(position)


class _Axis:
    """u(λ) over the range of a search."""

    def __init__(self, search: AdaptiveProfile) -> None:
        self._low, self._high = search.multiplier.low, search.multiplier.high
        self._smallest = self._low or self._high / 50.0
        self.ends = self.place(self._low), self.place(self._high)

    def place(self, multiplier: float) -> float:
        return coordinate(multiplier, self._smallest)

    def multiplier(self, place: float) -> float:
        """The multiplier at a place, rounded and within the range."""
        exact = self._smallest * (place if place <= 1.0 else math.exp(place - 1.0))
        rounded = round(exact, _DIGITS - 1 - math.floor(math.log10(exact))) if exact > 0.0 else 0.0
        return min(max(rounded, self._low), self._high)


def _star(ordered: Sequence[Measured], limit: float) -> LambdaStar | None:
    if len(ordered) < 2:
        return None
    multipliers, costs = [point.multiplier for point in ordered], [point.costs for point in ordered]
    return lambda_star_interval(multipliers, costs, limit, num_draws=_NUM_DRAWS)


def _is_precise(search: AdaptiveProfile, star: LambdaStar, ordered: Sequence[Measured]) -> bool:
    return len(ordered) >= _FIRST and _is_narrow(search, star) and max(_steps(ordered)) <= search.gap


def _is_narrow(search: AdaptiveProfile, star: LambdaStar) -> bool:
    return star.num_seeds > 1 and star.high - star.low <= 2.0 * search.tolerance * star.value


def _reach(axis: _Axis, star: LambdaStar, ordered: Sequence[Measured]) -> tuple[float, float]:
    """What is still possible for λ*: its interval, or half the bracket around it while that is wider."""
    positions = [axis.place(point.multiplier) for point in ordered]
    center = min(max(axis.place(star.value), positions[0]), positions[-1])
    right = min((position for position in positions if position >= center), default=center)
    left = max((position for position in positions if position < right), default=center)
    low, high = axis.place(star.low), axis.place(min(star.high, ordered[-1].multiplier))
    reach = max(high - center, center - low, (right - left) / 4.0)
    return max(center - reach, positions[0]), min(center + reach, positions[-1])


def _widest_gap(axis: _Axis, ordered: Sequence[Measured], taken: Sequence[float]) -> float | None:
    """The middle of the two neighbors that lie furthest apart on the front, if nothing is on its way between them."""
    gaps: list[tuple[float, float]] = []
    for step, (first, second) in zip(_steps(ordered), itertools.pairwise(ordered), strict=True):
        left, right = axis.place(first.multiplier), axis.place(second.multiplier)
        if not any(left < position < right for position in taken):
            gaps.append((step, (left + right) / 2.0))
    return max(gaps)[1] if gaps else None


def _steps(ordered: Sequence[Measured]) -> list[float]:
    """Distances of neighbors on the front, cost and return as shares of their extents."""
    costs = np.array([point.mean_cost for point in ordered])
    returns = np.array([point.mean_return for point in ordered])
    scales = [float(np.ptp(values)) or 1.0 for values in (costs, returns)] if len(ordered) > 1 else (1.0, 1.0)
    return np.hypot(np.diff(costs) / scales[0], np.diff(returns) / scales[1]).tolist()


def _emptiest(ends: tuple[float, float], taken: Sequence[float]) -> float:
    """The place between two ends that is furthest from all that is taken."""
    candidates = np.linspace(*ends, 65)
    return float(candidates[np.argmax(np.abs(candidates[:, None] - np.asarray(taken)).min(axis=1))])

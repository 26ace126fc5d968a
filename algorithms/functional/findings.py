"""Why a multiplier did not do its work: causes that a glance at λ and the cost of one seed can tell.

The thresholds are ours. The policy weighs cost with λ / (1 + λ).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from algorithms.functional.diagnostics import saturation

SHORTEST = 10  # iterations below which nothing can be said
WEAK = 0.5  # a λ below this leaves the cost at most a third of the policy's weight
MODERATE = 4.0  # a λ that has come no further than this may rise as steadily as on the first day
STRONG = 10.0  # a λ above this gives the cost more than nine tenths of it


class Finding(NamedTuple):
    """One cause.

    Attributes:
        code: limit_never_reached, gains_too_small, infeasible_limit, at_cap, stuck_at_zero or slack_limit.
        message: What was seen, and the next step.
    """

    code: str
    message: str


def findings(
    multiplier: ArrayLike,
    cost: ArrayLike,
    limit: ArrayLike,
    *,
    multiplier_max: float | None = None,
    remedy: str = "raise multiplier_max",
    iterations: int | None = None,
) -> list[Finding]:
    """Names what kept λ from holding the cost at its limit.

    The iterations before the cost first exceeds its limit do not count as reaching it: an untrained policy is often
    within it because it does nothing.

    Args:
        multiplier: `[K]`; λ after each iteration.
        cost: `[K]`; J.
        limit: d; a number or `[K]`.
        multiplier_max: λ's cap, or None.
        remedy: How to lift that.
        iterations: Iterations of the whole budget; None is K.

    Returns:
        The causes, none where nothing stands out or K < 10.

    Raises:
        ValueError: If λ is no finite `[K]`, or the cost has another length.
    """
    values, costs = np.asarray(multiplier, dtype=np.float64), np.asarray(cost, dtype=np.float64)
    at_zero, at_cap = saturation(values, multiplier_max)
    if values.shape != costs.shape:
        raise ValueError(f"λ and cost must have one length, but got {len(values)} and {len(costs)}.")
    if len(values) < SHORTEST:
        return []
    over = costs > np.asarray(limit, dtype=np.float64)
    first = int(over.argmax())  # 0 where none is over
    if over[first:].all() and len(values) - first >= SHORTEST:
        _, at_cap = saturation(values[first:], multiplier_max)
        left = max(iterations or 0, len(values)) - first
        return [_never_reached(values[first:], costs[first:], at_cap, remedy, left)]
    found: list[Finding] = []
    if at_cap > 0.2:
        found.append(Finding("at_cap", f"λ stood at its cap in {at_cap:.0%} of the iterations: {remedy}."))
    if at_zero > 0.95:
        found.append(_at_zero(float(over.mean())))
    return found


def _never_reached(values: np.ndarray, costs: np.ndarray, at_cap: float, remedy: str, iterations: int) -> Finding:
    half, quarter = len(values) // 2, len(values) // 4
    if at_cap > 0.2:
        seen = f"the cost never reached its limit, and λ stood at its cap in {at_cap:.0%} of the iterations"
        return Finding("at_cap", f"{seen}: {remedy}, or the limit is infeasible.")
    rise = float(values[-1] - values[half]) / (len(values) - 1 - half)
    at_end = float(values[-1]) + max(rise, 0.0) * (iterations - len(values))
    if at_end < WEAK:
        seen = f"the cost never reached its limit, and at its rate λ ends the budget at {at_end:.3g}"
        return Finding("gains_too_small", f"{seen}: raise the gains, or start λ higher.")
    if len(values) >= iterations and values[-1] < MODERATE and values[-1] - values[half] > 0.4 * values[-1]:
        seen = f"the cost never reached its limit, and λ, {values[-1]:.3g} at the end, was still rising"
        return Finding("gains_too_small", f"{seen}: raise the gains, or start λ higher.")
    recent, former = costs[-quarter:], costs[-2 * quarter : -quarter]
    if values[-quarter:].min() > STRONG and recent.mean() > 0.98 * former.mean():
        seen = f"λ is {values[-1]:.3g}, so that the policy sees little but cost, and that no longer falls"
        return Finding("infeasible_limit", f"{seen} (lowest {costs.min():.3g}): the limit looks infeasible.")
    seen = f"the cost never reached its limit; λ is {values[-1]:.3g} and the lowest cost {costs.min():.3g}"
    return Finding("limit_never_reached", f"{seen}: train longer, or raise the gains.")


def _at_zero(violations: float) -> Finding:
    if violations > 0.2:
        seen = f"λ stood at 0 although {violations:.0%} of the iterations were over the limit"
        return Finding("stuck_at_zero", f"{seen}: shorten the warm-up, or raise the gains.")
    return Finding("slack_limit", "λ stood at 0 and the cost within its limit: the limit does not bind.")

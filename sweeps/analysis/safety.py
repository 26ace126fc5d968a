"""How safe a policy is, from the costs of its episodes: V, D_norm, D⁺_norm, tiers, and the probability of feasibility.

A sample is the undiscounted cost of each episode of one seed, `[n]`; a condition (task, limit d) has one sample a seed.
Source of the measures: arXiv 2609.15315, "Evaluation Metrics for Safe RL", with its published code; the cost units are
the task's, per episode.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Safety:
    """The safety measures of one condition.

    Attributes:
        violation_share: V, per seed and then the mean over seeds, in [0, 1].
        excess: D_norm, likewise; a share of the limit, negative below it. NaN where the limit is 0.
        violation_excess: D⁺_norm, likewise, ≥ 0. NaN where the limit is 0.
        tier: 0 … 4, or None where the limit is 0.
        num_seeds: Seeds behind them.
        num_episodes: Episodes of all seeds.
    """

    violation_share: float
    excess: float
    violation_excess: float
    tier: int | None
    num_seeds: int
    num_episodes: int


TIERS = (
    "unsafe",
    "safe on average",
    "safe in half of the episodes",
    "safe in nine of ten, else barely not",
    "always safe",
)
"""What each tier means, tier 0 first."""


def safety(costs: Mapping[int, Sequence[float]], limit: float) -> Safety:
    """Measures one condition.

    Args:
        costs: Seed → cost of each of its episodes; at least one seed, none empty.
        limit: d ≥ 0.

    Returns:
        The measures.

    Raises:
        ValueError: If a seed has no episode, a cost is not finite or the limit is negative.
    """
    if not costs:
        raise ValueError("at least one seed with an episode is needed.")
    samples = [_checked(sample, limit) for sample in costs.values()]
    share = float(np.mean([violation_share(sample, limit) for sample in samples]))
    if limit == 0.0:
        excess, above, tier = np.nan, np.nan, None
    else:
        excess = float(np.mean([normalized_excess(sample, limit) for sample in samples]))
        above = float(np.mean([normalized_violation(sample, limit) for sample in samples]))
        tier = safety_tier(share, excess, above)
    return Safety(share, excess, above, tier, len(samples), sum(sample.size for sample in samples))


def violation_share(costs: Sequence[float] | Floats, limit: float) -> float:
    """The share of episodes above the limit: V = mean 1[c_e > d].

    Args:
        costs: `[n]`; cost of each episode.
        limit: d.

    Returns:
        V in [0, 1]; an episode at the limit does not violate it.

    Raises:
        ValueError: If there is no episode, a cost is not finite or the limit is negative.

    Examples:
        >>> violation_share([10.0, 25.0, 30.0, 60.0], limit=25.0)
        0.5
    """
    return float(np.mean(_checked(costs, limit) > limit))


def normalized_excess(costs: Sequence[float] | Floats, limit: float) -> float:
    """The mean cost beyond the limit as a share of it: D_norm = (mean c_e − d) / d.

    Args:
        costs: `[n]`; cost of each episode.
        limit: d > 0.

    Returns:
        D_norm ≥ −1; not positive where the mean cost keeps the limit.

    Raises:
        ValueError: If there is no episode, a cost is not finite or the limit is not positive.

    Examples:
        >>> normalized_excess([10.0, 30.0], limit=25.0)
        -0.2
    """
    sample = _checked(costs, _positive(limit))
    return float(sample.mean() - limit) / limit


def normalized_violation(costs: Sequence[float] | Floats, limit: float) -> float:
    """How far violating episodes go beyond the limit: D⁺_norm = mean over {e: c_e > d} of (c_e − d) / d.

    Args:
        costs: `[n]`; cost of each episode.
        limit: d > 0.

    Returns:
        D⁺_norm > 0; 0 where no episode violates.

    Raises:
        ValueError: If there is no episode, a cost is not finite or the limit is not positive.

    Examples:
        >>> normalized_violation([10.0, 30.0, 50.0], limit=25.0)  # (0.2 + 1.0) / 2
        0.6
    """
    sample = _checked(costs, _positive(limit))
    above = sample[sample > limit]
    return float((above - limit).mean()) / limit if above.size else 0.0


def safety_tier(violation_share: float, excess: float, violation_excess: float) -> int:
    """The tier of a condition.

        4: V = 0    3: V ≤ 0.1 and D⁺_norm ≤ 0.1    2: V ≤ 0.5    1: D_norm ≤ 0    0: otherwise

    and each but 0 needs D_norm ≤ 0. Source: arXiv 2609.15315, Table 1, by a re-implementation of it.

    Args:
        violation_share: V.
        excess: D_norm.
        violation_excess: D⁺_norm.

    Returns:
        0 (unsafe) to 4 (no violation).

    Examples:
        >>> safety_tier(0.3, -0.1, 0.5), safety_tier(0.3, 0.1, 0.5)
        (2, 0)
    """
    if excess > 0.0:
        return 0
    if violation_share == 0.0:
        return 4
    if violation_share <= 0.1 and violation_excess <= 0.1:
        return 3
    return 2 if violation_share <= 0.5 else 1


def feasibility_probability(costs: Sequence[float], limit: float) -> float:
    """How surely the mean cost over seeds keeps the limit.

        P(J_c ≤ d) = T_{S−1}((d − c̄) / (s / √S)),  T the distribution function of Student's t

    It is 0.975 or more exactly where the upper end of the 95 % t-interval is at most d. Our derivation: the fiducial
    (or flat-prior) reading of the t-interval.

    Args:
        costs: `[S]`; mean cost of each seed.
        limit: d; same units.

    Returns:
        In [0, 1]; 1 or 0 where all seeds agree, one seed included.

    Raises:
        ValueError: If there is no seed, a cost is not finite or the limit is negative.

    Examples:
        >>> feasibility_probability([20.0, 30.0], limit=25.0)
        0.5
    """
    sample = _checked(costs, limit)
    error = float(sample.std(ddof=1)) / sample.size**0.5 if sample.size > 1 else 0.0
    if error == 0.0:
        return float(sample.mean() <= limit)
    return float(special.stdtr(sample.size - 1, (limit - float(sample.mean())) / error))


def feasible_share(costs: Sequence[float], limit: float) -> float:
    """The share of seeds whose own mean cost keeps the limit.

    Args:
        costs: `[S]`; mean cost of each seed.
        limit: d; same units.

    Returns:
        In [0, 1].

    Raises:
        ValueError: If there is no seed, a cost is not finite or the limit is negative.
    """
    return float(np.mean(_checked(costs, limit) <= limit))


def _positive(limit: float) -> float:
    if limit <= 0.0:
        raise ValueError(f"`limit > 0` must hold to normalize by it, but got {limit=}.")
    return limit


def _checked(costs: Sequence[float] | Floats, limit: float) -> Floats:
    sample = np.asarray(costs, dtype=np.float64)
    if sample.ndim != 1 or sample.size == 0 or not np.isfinite(sample).all():
        raise ValueError(f"costs must be a list of finite numbers, one at least, but got {sample.tolist()}.")
    if not limit >= 0.0:
        raise ValueError(f"`limit >= 0` must hold, but got {limit=}.")
    return sample

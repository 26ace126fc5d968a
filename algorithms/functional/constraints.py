"""State-wise constraints g(s, π) ≤ 0 in three forms: which value a critic learns, and what it may not exceed.

Axes: any leading axes `[*B]`. c ≥ 0 is the cost of a step, γ the discount of costs, c' and s' what comes next. Twin
critics are combined by their maximum before they enter (the pessimistic choice of Ma et al. 2021 and of feasible policy
iteration), which is the caller's.

    form           the critic's target                       g(s, π)
    cost_value     c + γ Q_c(s', a'), as in SAC-Lagrangian   E_a[Q_c(s, a)] − d_s
    feasibility    c̄ + (1 − c̄) γ G(s', a'),  c̄ = min(c, 1)   E_a[G(s, a)] − p
    reachability   (1 − γ) h + γ max(h, Q_h(s', a'))         E_a[Q_h(s, a)]

Nothing follows a terminal state: its γ … is 0, and the reachability target is h.
"""

from typing import Literal

import torch
from torch import Tensor

from algorithms.functional.multipliers.state import Hyperparameter

Form = Literal["cost_value", "feasibility", "reachability"]


def statewise_limit(cost_limit: float, horizon: int, discount: float) -> float:
    """Derives a limit of the discounted cost of every state from a limit of an episode's cost.

        d_s = (d / T) / (1 − γ)

    Cost at the constant rate d / T per step has this discounted sum over an endless future; truncated episodes are
    bootstrapped, so that critics estimate such sums. 25 per 1000 steps and γ = 0.99 give 2.5.

    Source: our derivation; state-wise papers set d_s itself.

    Args:
        cost_limit: d ≥ 0; undiscounted cost per episode.
        horizon: T ≥ 1; steps of an episode.
        discount: γ in [0, 1).

    Returns:
        d_s; discounted cost.

    Raises:
        ValueError: If the horizon or the discount is out of range.
    """
    if horizon < 1 or not 0.0 <= discount < 1.0:
        raise ValueError(f"`horizon >= 1` and `0 <= discount < 1` must hold, but got {horizon} and {discount}.")
    return cost_limit / horizon / (1.0 - discount)


def feasibility_target(cost: Tensor, next_value: Tensor, terminated: Tensor, *, discount: Hyperparameter) -> Tensor:
    """Computes the target of the constraint-decay function: γ to the number of steps until the first violation.

        c̄ + (1 − c̄) γ G(s', a'),  c̄ = min(c, 1), clipped to [0, 1]

    G = 1 violates now, G = γ^k in k steps, G = 0 never; a state is taken as feasible below a threshold p.

    Source: the published code of Feasible Dual Policy Iteration (Yang et al.), whose cost is binary; c̄ for larger costs
    is ours.

    Args:
        cost: `[*B]` float ≥ 0; c.
        next_value: `[*B]` float; G(s', a').
        terminated: `[*B]` bool.
        discount: γ in [0, 1).

    Returns:
        `[*B]` in [0, 1]; the target.
    """
    violated = cost.clamp(max=1.0)
    later = discount * torch.where(terminated, 0.0, next_value)
    return (violated + (1.0 - violated) * later).clamp(0.0, 1.0)


def reachability_target(
    cost: Tensor, next_value: Tensor, terminated: Tensor, *, discount: Hyperparameter, cost_threshold: float
) -> Tensor:
    """Computes the target of the reachability value: the discounted worst signal that lies ahead.

        (1 − γ) h + γ max(h, Q_h(s', a')),  h = c − c_h

    h must be signed: > 0 where the constraint is violated. Environments here report only costs c ≥ 0, of which the
    threshold c_h makes a signal; it tells a violation from none, not how near one is.

    Source: Yu, Ma, Li, Chen (2022), "Reachability Constrained Reinforcement Learning",
    https://arxiv.org/abs/2205.07536, after Fisac et al. (2019); h from a cost is ours.

    Args:
        cost: `[*B]` float ≥ 0; c.
        next_value: `[*B]` float; Q_h(s', a').
        terminated: `[*B]` bool.
        discount: γ in [0, 1).
        cost_threshold: c_h > 0.

    Returns:
        `[*B]`; the target.
    """
    signal = cost - cost_threshold
    worst = torch.where(terminated, signal, torch.maximum(signal, next_value))
    return (1.0 - discount) * signal + discount * worst

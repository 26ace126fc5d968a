"""Targets and losses of soft actor-critic under cost limits.

Source: Haarnoja et al. (2018), "Soft Actor-Critic Algorithms and Applications", https://arxiv.org/abs/1812.05905,
equations 3, 7 and 18; the division by 1 + λ and the cost critic without entropy are OmniSafe's SACLag. Axes: S seeds, N
rows, m costs.
"""

import torch
from torch import Tensor


def reward_targets(
    rewards: Tensor, terminated: Tensor, next_values: Tensor, next_log_probs: Tensor, alpha: Tensor, *, gamma: float
) -> Tensor:
    """What the reward critics should predict: r + γ (1 − terminated) (min Q' − α log π').

    Args:
        rewards: `[S, N]` float.
        terminated: `[S, N]` bool; beyond a terminal state nothing is earned. A truncated episode goes on.
        next_values: `[S, N]` float; the smaller target critic's value of the next action.
        next_log_probs: `[S, N]` float; log-density of the next action, in nats.
        alpha: `[S]` float; α, reward units per nat.
        gamma: γ in [0, 1].

    Returns:
        `[S, N]` float.
    """
    soft = next_values - alpha.unsqueeze(-1) * next_log_probs
    return torch.where(terminated, rewards, rewards + gamma * soft)


def cost_targets(costs: Tensor, terminated: Tensor, next_values: Tensor, *, cost_gamma: float) -> Tensor:
    """What the cost critics should predict: c + γ_c (1 − terminated) Q_c'; no entropy, since λ prices costs alone.

    Args:
        costs: `[S, N, m]` float.
        terminated: `[S, N]` bool.
        next_values: `[S, N, m]` float; the target critics' value of the next action, the larger one of two.
        cost_gamma: γ_c in [0, 1].

    Returns:
        `[S, N, m]` float.
    """
    return torch.where(terminated.unsqueeze(-1), costs, costs + cost_gamma * next_values)


def policy_loss(
    log_probs: Tensor,
    reward_values: Tensor,
    cost_values: Tensor,
    alpha: Tensor,
    multiplier: Tensor,
    *,
    cost_scale: Tensor | float = 1.0,
) -> Tensor:
    """What the policy descends: (α log π − min Q_r + Σ_i λ_i β_i Q_c,i) / (1 + Σ_i λ_i), averaged over the rows.

    Args:
        log_probs: `[S, N]` float; log-density of the policy's action, in nats.
        reward_values: `[S, N]` float; min Q_r of that action.
        cost_values: `[S, N, m]` float; Q_c of that action.
        alpha: `[S]` float; α.
        multiplier: `[S, 1, m]` float, or `[S, N, m]` where each state has its own; λ ≥ 0.
        cost_scale: `[S, 1, m]` float or a number; β of the reward-scale invariance.

    Returns:
        `[S]` float, one loss a seed.
    """
    soft_cost = alpha.unsqueeze(-1) * log_probs - reward_values
    penalty = (multiplier * cost_scale * cost_values).sum(-1)
    return ((soft_cost + penalty) / (1.0 + multiplier.sum(-1))).mean(-1)


def temperature_loss(log_alpha: Tensor, log_probs: Tensor, target_entropy: float) -> Tensor:
    """What log α descends: −log α · mean(log π + H), so that α falls while the entropy is above the target H.

    Differs from equation 18: log α instead of α in front, as in the authors' code.

    Args:
        log_alpha: `[S]` float.
        log_probs: `[S, N]` float, without gradient; nats.
        target_entropy: H, nats.

    Returns:
        `[S]` float, one loss a seed.
    """
    return -log_alpha * (log_probs + target_entropy).mean(-1)

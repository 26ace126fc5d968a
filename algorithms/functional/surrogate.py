"""What the policy's gradient step maximizes: advantages with their penalty, and PPO's clipped surrogate, per seed.

Axes: S seeds, N rows of a seed's batch or minibatch, m costs, A action entries.
"""

import math

import torch
from torch import Tensor

_LOG_2PI = math.log(2.0 * math.pi)


def center(advantages: Tensor, *, axis: int = 1) -> Tensor:
    """Subtracts the mean along `axis`: what OmniSafe does to cost advantages, whose scale then still counts.

    Args:
        advantages: `[S, N]` or `[S, N, m]` float.
        axis: The axis of one seed's rows.

    Returns:
        The shape of `advantages`; mean 0 along `axis`.
    """
    return advantages - advantages.mean(dim=axis, keepdim=True)


def standardize(advantages: Tensor, *, axis: int = 1, epsilon: float = 1e-8) -> Tensor:
    """Subtracts the mean and divides by the population standard deviation along `axis`.

    Args:
        advantages: `[S, N]` or `[S, N, m]` float.
        axis: The axis of one seed's rows.
        epsilon: Added to the standard deviation, so that equal advantages become 0.

    Returns:
        The shape of `advantages`; mean 0 and standard deviation 1 along `axis`.
    """
    centered = center(advantages, axis=axis)
    return centered / (centered.square().mean(dim=axis, keepdim=True).sqrt() + epsilon)


def penalized_advantages(
    reward_advantages: Tensor, cost_advantages: Tensor, multiplier: Tensor, *, cost_scale: Tensor | None = None
) -> Tensor:
    """Mixes reward and cost advantages into the one that the policy ascends.

        A = (A_r − Σ_i λ_i β_i A_c,i) / (1 + Σ_i λ_i)

    Source: Stooke, Achiam, Abbeel (2020), "Responsive Safety in Reinforcement Learning by PID Lagrangian Methods",
    https://arxiv.org/abs/2007.03964: the objective's division by 1 + λ, and β of its section 7; as OmniSafe does it
    for one cost. The sum over several costs is ours.

    Args:
        reward_advantages: `[S, N]` float; A_r.
        cost_advantages: `[S, N, m]` float; A_c.
        multiplier: `[S, m]` float; λ ≥ 0.
        cost_scale: `[S, m]` float; β > 0 of the reward-scale invariance; None is 1.

    Returns:
        `[S, N]`; A. With λ = 0 it is A_r, and with λ → ∞ the negative cost advantage.

    Examples:
        >>> penalized_advantages(torch.tensor([[3.0]]), torch.tensor([[[1.0]]]), torch.tensor([[0.5]])).item()
        1.6666666269302368
    """
    weights = multiplier if cost_scale is None else multiplier * cost_scale
    return (reward_advantages - _weighted(cost_advantages, weights)) / (1.0 + multiplier.sum(dim=-1, keepdim=True))


def difference_advantages(reward_advantages: Tensor, cost_advantages: Tensor, multiplier: Tensor) -> Tensor:
    """Mixes reward and cost advantages with the weights 1 − λ and λ, for multipliers that are capped at 1.

        A = max(0, 1 − Σ_i λ_i) A_r − Σ_i λ_i A_c,i

    Source: the `diff_norm` of Stooke's published code. OmniSafe takes over its caps but not this loss. The sum over
    several costs, and that the reward's weight never turns negative, are ours.

    Args:
        reward_advantages: `[S, N]` float; A_r.
        cost_advantages: `[S, N, m]` float; A_c.
        multiplier: `[S, m]` float; λ in [0, 1].

    Returns:
        `[S, N]`; A. With λ = 0 it is A_r, and with λ = 1 the negative cost advantage.
    """
    reward_weight = (1.0 - multiplier.sum(dim=-1, keepdim=True)).clamp(min=0.0)
    return reward_weight * reward_advantages - _weighted(cost_advantages, multiplier)


def penalized_rewards(rewards: Tensor, costs: Tensor, multiplier: Tensor) -> Tensor:
    """Subtracts the weighted costs from the reward itself, so that one critic learns the penalized value.

        r̂_t = r_t − Σ_i λ_i c_t,i

    Source: Tessler, Mankowitz, Mannor (2019), "Reward Constrained Policy Optimization",
    https://arxiv.org/abs/1805.11074. (OmniSafe's RCPO instead keeps two critics and divides by 1 + λ.)

    Args:
        rewards: `[T, S, E]` float; r.
        costs: `[T, S, E, m]` float; c ≥ 0.
        multiplier: `[S, m]` float; λ ≥ 0, reward units per cost unit.

    Returns:
        `[T, S, E]`; r̂.
    """
    return rewards - (costs * multiplier[:, None, :]).sum(dim=-1)


def clipped_surrogate(log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor, *, clip: float | Tensor) -> Tensor:
    """Computes PPO's clipped surrogate of each seed; its negative is the policy's loss.

        ρ = π(a|s) / π_old(a|s),  L = mean min(ρ A, clip(ρ, 1 − ε, 1 + ε) A)

    Source: Schulman et al. (2017), "Proximal Policy Optimization Algorithms", https://arxiv.org/abs/1707.06347.

    Args:
        log_probs: `[S, N]` float; log π(a|s) of the policy in training.
        old_log_probs: `[S, N]` float; the same of the policy that acted.
        advantages: `[S, N]` float; A, carries no gradient.
        clip: ε > 0; a number or `[S, 1]`.

    Returns:
        `[S]`; L, to be maximized.
    """
    ratio = (log_probs - old_log_probs).exp()
    reach = torch.as_tensor(clip).to(ratio)
    clipped = ratio.clamp(1.0 - reach, 1.0 + reach)
    return torch.minimum(ratio * advantages, clipped * advantages).mean(dim=1)


def gaussian_log_prob(actions: Tensor, mean: Tensor, log_std: Tensor) -> Tensor:
    """Computes the log density of actions under a diagonal Gaussian, summed over the action entries.

        log π(a) = Σ_j [ −½ ((a_j − μ_j)/σ_j)² − log σ_j − ½ log 2π ]

    Args:
        actions: `[..., A]` float; a.
        mean: `[..., A]` float; μ.
        log_std: Broadcasts with `[..., A]`; log σ.

    Returns:
        `[...]`; the log density.
    """
    scaled = (actions - mean) * (-log_std).exp()
    return (-0.5 * scaled.square() - log_std - 0.5 * _LOG_2PI).sum(dim=-1)


def gaussian_entropy(log_std: Tensor) -> Tensor:
    """Computes the entropy of a diagonal Gaussian: Σ_j [ log σ_j + ½ log 2πe ].

    Args:
        log_std: `[..., A]` float; log σ.

    Returns:
        `[...]`; the entropy, nats.
    """
    return (log_std + 0.5 * (1.0 + _LOG_2PI)).sum(dim=-1)


def gaussian_kl(old_mean: Tensor, old_log_std: Tensor, mean: Tensor, log_std: Tensor) -> Tensor:
    """Computes KL(old ‖ new) of two diagonal Gaussians, summed over the action entries.

        KL = Σ_j [ log σ_j − log σ_old,j + (σ_old,j² + (μ_old,j − μ_j)²) / (2 σ_j²) − ½ ]

    Args:
        old_mean: `[..., A]` float; μ_old.
        old_log_std: Broadcasts with `[..., A]`; log σ_old.
        mean: `[..., A]` float; μ.
        log_std: Broadcasts with `[..., A]`; log σ.

    Returns:
        `[...]`; the divergence, nats, ≥ 0.
    """
    numerator = (2.0 * old_log_std).exp() + (old_mean - mean).square()
    return (log_std - old_log_std + 0.5 * numerator * (-2.0 * log_std).exp() - 0.5).sum(dim=-1)


def _weighted(cost_advantages: Tensor, weights: Tensor) -> Tensor:
    """Σ_i w_i A_c,i of `[S, N, m]` and `[S, m]`."""
    return (cost_advantages * weights[:, None, :]).sum(dim=-1)

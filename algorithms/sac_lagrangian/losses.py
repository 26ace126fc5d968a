"""Losses of SAC-Lagrangian for S seeds at once; torch differentiates them.

Only the perceptrons, where nearly all of the time goes, have their gradient written out
(`algorithms.sac_lagrangian.networks`).

Axes: S seeds, K critics a seed, N rows, A action entries, m costs.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from algorithms.functional.soft_actor_critic import policy_loss, reward_targets
from algorithms.functional.squashed_gaussian import split_outputs, squashed_sample
from algorithms.sac_lagrangian.networks import StackedSoftActorCritic
from algorithms.sac_lagrangian.replay import Batch

CostTargets = Callable[[Batch, Tensor], Tensor]


class PolicyTerms(NamedTuple):
    """What the policy's loss is made of, for actions that the policy would take now.

    Attributes:
        log_probs: `[S, N]`; nats.
        reward_values: `[S, N]`; the smaller of the two reward critics.
        cost_values: `[S, N, m]`.
    """

    log_probs: Tensor
    reward_values: Tensor
    cost_values: Tensor


@torch.no_grad()
def critic_targets(
    networks: StackedSoftActorCritic, batch: Batch, noise: Tensor, gamma: float, cost_targets: CostTargets
) -> Tensor:
    """What each critic should predict.

    Args:
        networks: The networks.
        batch: The rows.
        noise: `[S, N, A]`; standard normal, for the next actions.
        gamma: γ of rewards.
        cost_targets: From the batch and `[S, N, m]` values of the next actions to the cost critics' targets.

    Returns:
        `[S, K, N]` float32.
    """
    outputs = networks.policy_outputs(batch.next_observations)
    actions, log_probs = squashed_sample(*split_outputs(outputs), noise)
    values = networks.values(networks.targets, batch.next_observations, actions)
    smallest, alpha = networks.smallest_reward_value(values), networks.log_alpha.exp()
    reward = reward_targets(batch.rewards, batch.terminated, smallest, log_probs, alpha, gamma=gamma)
    costs = cost_targets(batch, networks.largest_cost_values(values))
    return networks.spread_targets(reward, costs)


def critic_losses(networks: StackedSoftActorCritic, batch: Batch, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Mean squared errors of the critics.

    Args:
        networks: The networks.
        batch: The rows.
        targets: `[S, K, N]`.

    Returns:
        `[S, K]` losses and `[S, K, N]` predictions.
    """
    values = networks.values(networks.critics, batch.observations, batch.actions)
    return (values - targets).square().mean(-1), values


def policy_terms(networks: StackedSoftActorCritic, observations: Tensor, noise: Tensor) -> PolicyTerms:
    """Samples the policy's actions and asks the critics, whose parameters get no gradient.

    Args:
        networks: The networks.
        observations: `[S, N, O]` float32.
        noise: `[S, N, A]`; standard normal.

    Returns:
        The terms, differentiable in the policies.
    """
    actions, log_probs = squashed_sample(*split_outputs(networks.policy_outputs(observations)), noise)
    values = networks.values(networks.critics.detach(), observations, actions)
    return PolicyTerms(log_probs, networks.smallest_reward_value(values), networks.largest_cost_values(values))


def policy_losses(terms: PolicyTerms, alpha: Tensor, multiplier: Tensor, cost_scale: Tensor) -> Tensor:
    """`[S]`; what each seed's policy descends (`algorithms.functional.soft_actor_critic.policy_loss`).

    Args:
        terms: Of the policy's actions.
        alpha: `[S]`; α.
        multiplier: `[S, 1, m]`, or `[S, N, m]` where each state has its own; λ.
        cost_scale: `[S, m]`; β.
    """
    return policy_loss(*terms, alpha, multiplier, cost_scale=cost_scale.unsqueeze(1))


def signal_norms(networks: StackedSoftActorCritic, terms: PolicyTerms, alpha: Tensor) -> Tensor:
    """Norms of the policy's gradients for the reward and for each cost alone.

    The reward's is that of mean(α log π − min Q_r), a cost's that of mean Q_c, as in the published code of Spoor et
    al. (2025).

    Args:
        networks: The networks.
        terms: Of the policy's actions; their graph is kept.
        alpha: `[S]`; α.

    Returns:
        `[S, 1 + m]` float32.
    """
    reward = (alpha.unsqueeze(-1) * terms.log_probs - terms.reward_values).mean(-1).sum()
    signals = [reward, *terms.cost_values.mean(1).sum(0)]
    gradients = [torch.autograd.grad(signal, networks.policies, retain_graph=True)[0] for signal in signals]
    return torch.stack([gradient.norm(dim=1) for gradient in gradients], dim=1)

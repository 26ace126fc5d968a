"""From a rollout to what the gradient steps are made of: values, advantages, targets.

Axes: T steps, S seeds, E environments a seed, N = T · E rows of a seed, K = 2 + m networks a seed.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from algorithms.functional.advantages import generalized_advantages
from algorithms.functional.surrogate import center, penalized_rewards, standardize
from algorithms.networks import StackedActorCritic
from algorithms.parameters import PPOParameters
from algorithms.ppo_lagrangian.gradients import Minibatch
from algorithms.rollout import Rollout

_CHUNK_ROWS = 2048  # rows per forward pass over a whole batch: bounds memory, not results


class TrainBatch(NamedTuple):
    """All rows of an iteration.

    Attributes:
        rows: The N rows of each seed; their advantages are those of the reward, to be mixed (`Objective`).
        signals: `[S, N, 1 + m]` float32; standardized reward advantages and centered cost advantages.
        old_means: `[S, N, A]` float32; means of the policy that acted.
        reward_std: `[S]` float32; σ(A_r), by which λ is turned into reward units per cost unit.
    """

    rows: Minibatch
    signals: Tensor
    old_means: Tensor
    reward_std: Tensor


def chunked_outputs(module: StackedActorCritic, observations: Tensor) -> Tensor:
    """Outputs of every network for many rows, in bounded memory.

    Args:
        module: The networks.
        observations: `[S, N, O]` float32.

    Returns:
        `[S, K, N, A]` float32.
    """
    return torch.cat([module.outputs(part) for part in observations.split(_CHUNK_ROWS, dim=1)], dim=2)


def by_seed(values: Tensor) -> Tensor:
    """`[T, S, E, …]` → `[S, T · E, …]`."""
    return values.transpose(0, 1).flatten(1, 2)


@torch.no_grad()
def train_batch(
    module: StackedActorCritic, rollout: Rollout, parameters: PPOParameters, multiplier: Tensor
) -> TrainBatch:
    """Estimates values, advantages and targets.

    Reward advantages are standardized over a seed's batch, cost advantages only centered: λ is in units of
    σ(A_r) per unit of cost advantage (OmniSafe's convention, `penalized_advantages`).

    Args:
        module: The networks before the update.
        rollout: The rollout, on the networks' device.
        parameters: PPO's hyperparameters.
        multiplier: `[S, m]` float32; λ, which only a penalized reward needs here.

    Returns:
        The batch.
    """
    steps, _, num_envs = rollout.rewards.shape
    outputs = chunked_outputs(module, by_seed(rollout.observations))
    critics = outputs[:, 1:, :, 0].unflatten(2, (steps + 1, num_envs)).permute(2, 0, 3, 1)  # [T + 1, S, E, 1 + m]
    values, next_values = critics[:-1], critics[1:].clone()
    _bootstrap(module, rollout, next_values)
    rewards = rollout.rewards
    if parameters.objective == "penalized_reward":
        rewards = penalized_rewards(rewards, rollout.costs, multiplier)
    per_step = torch.cat([rewards.unsqueeze(-1), rollout.costs], dim=-1)
    num_costs = rollout.costs.shape[-1]
    discount = per_step.new_tensor([parameters.gamma] + [parameters.cost_gamma] * num_costs)
    lambda_ = per_step.new_tensor([parameters.lambda_] + [parameters.cost_lambda] * num_costs)
    ended = rollout.terminated | rollout.truncated
    advantages = generalized_advantages(
        per_step, values, next_values, rollout.terminated, ended, discount=discount, lambda_=lambda_
    )
    targets, flat = by_seed(advantages + values).transpose(1, 2).contiguous(), by_seed(advantages)
    signals = torch.cat([standardize(flat[..., :1]), center(flat[..., 1:])], dim=-1)
    rows = Minibatch(
        observations=by_seed(rollout.observations[:-1]).contiguous(),
        actions=by_seed(rollout.actions).contiguous(),
        log_probs=by_seed(rollout.log_probs).contiguous(),
        advantages=signals[..., 0].contiguous(),
        targets=targets,
    )
    old_means = outputs[:, 0].unflatten(1, (steps + 1, num_envs))[:, :-1].flatten(1, 2).contiguous()
    return TrainBatch(rows, signals, old_means, flat[..., 0].std(dim=1, correction=0))


def _bootstrap(module: StackedActorCritic, rollout: Rollout, next_values: Tensor) -> None:
    """Puts the value of a truncated episode's last observation where the next episode's first one stands."""
    if rollout.cut_at.shape[1] == 0:
        return
    # Each seed has its own networks: its last observations fill a row of a padded array.
    of_seed = rollout.cut_at[1]
    counts = np.bincount(of_seed, minlength=module.num_seeds)
    places = np.empty_like(of_seed)
    places[np.argsort(of_seed, kind="stable")] = np.concatenate([np.arange(count) for count in counts])
    padded = np.zeros((module.num_seeds, counts.max(), rollout.cut_observations.shape[1]), np.float32)
    padded[of_seed, places] = rollout.cut_observations
    critics = chunked_outputs(module, torch.from_numpy(padded).to(next_values.device))[:, 1:, :, 0]
    device = next_values.device
    steps, seeds, environments, position = (torch.from_numpy(axis).to(device) for axis in (*rollout.cut_at, places))
    next_values[steps, seeds, environments] = critics[seeds, :, position]

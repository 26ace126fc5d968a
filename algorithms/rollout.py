"""What a rollout is: the flat arrays of T steps, and the episodes that finished on the way.

Axes: T steps, S seeds, E environments a seed, O and A entries of an observation and an action, m costs.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from algorithms.normalizer import Moments
from environments.batch import BatchStep

Floats = NDArray[np.float64]
_TENSORS = ("observations", "actions", "log_probs", "rewards", "costs", "terminated", "truncated")


@dataclass(frozen=True)
class Episodes:
    """The episodes that finished during a rollout, in the order in which they ended.

    Attributes:
        seed_index: `[n]` int64 in [0, S).
        returns: `[n]` float64; undiscounted return of the whole episode, also where it began in an earlier rollout.
        costs: `[n, m]` float64; undiscounted costs of the whole episode.
    """

    seed_index: NDArray[np.int64]
    returns: Floats
    costs: Floats

    @classmethod
    def none(cls, num_costs: int) -> "Episodes":
        """No episode of a task with m costs."""
        return cls(np.empty(0, np.int64), np.empty(0), np.empty((0, num_costs)))

    def of_seed(self, index: int) -> tuple[Floats, Floats]:
        """Returns `[n]` and costs `[n, m]` of one seed's episodes."""
        chosen = self.seed_index == index
        return self.returns[chosen], self.costs[chosen]

    def between(self, first: int, end: int) -> "Episodes":
        """The episodes of seeds `first` to `end` - 1, which count from 0 there."""
        chosen = (self.seed_index >= first) & (self.seed_index < end)
        return Episodes(self.seed_index[chosen] - first, self.returns[chosen], self.costs[chosen])


@dataclass(frozen=True)
class Rollout:
    """T steps of S · E environments.

    Attributes:
        observations: `[T + 1, S, E, O]` float32, normalized; row T is where the rollout stopped.
        actions: `[T, S, E, A]` float32, as sampled.
        log_probs: `[T, S, E]` float32; log-density of the actions.
        rewards: `[T, S, E]` float32.
        costs: `[T, S, E, m]` float32.
        terminated: `[T, S, E]` bool.
        truncated: `[T, S, E]` bool, never where terminated.
        cut_at: `[3, c]` int64; step, seed and environment of every truncation.
        cut_observations: `[c, O]` float32, normalized; the last observation of those episodes.
        episodes: The episodes that finished.
        moments: Statistics of this rollout's observations.
    """

    observations: torch.Tensor
    actions: torch.Tensor
    log_probs: torch.Tensor
    rewards: torch.Tensor
    costs: torch.Tensor
    terminated: torch.Tensor
    truncated: torch.Tensor
    cut_at: NDArray[np.int64]
    cut_observations: NDArray[np.float32]
    episodes: Episodes
    moments: Moments

    def __len__(self) -> int:
        """Env steps of all seeds."""
        return self.rewards.numel()

    def to(self, device: torch.device | str) -> "Rollout":
        """The same rollout with its tensors on a device."""
        return replace(self, **{name: getattr(self, name).to(device) for name in _TENSORS})


def join_episodes(parts: list[Episodes]) -> Episodes:
    """Joins lists of episodes, in their order."""
    return Episodes(
        np.concatenate([part.seed_index for part in parts]),
        np.concatenate([part.returns for part in parts]),
        np.concatenate([part.costs for part in parts]),
    )


def join(rollouts: list[Rollout], moments: Moments) -> Rollout:
    """Joins rollouts of the same seeds in different environments, side by side.

    Args:
        rollouts: Equally long ones.
        moments: Statistics of all their observations.

    Returns:
        One rollout with the environments of all.
    """
    widths = np.cumsum([0] + [rollout.rewards.shape[2] for rollout in rollouts[:-1]])
    shift = [r.cut_at + np.array([[0], [0], [width]]) for r, width in zip(rollouts, widths, strict=True)]
    return Rollout(
        **{name: torch.cat([getattr(rollout, name) for rollout in rollouts], dim=2) for name in _TENSORS},
        cut_at=np.concatenate(shift, axis=1),
        cut_observations=np.concatenate([rollout.cut_observations for rollout in rollouts]),
        episodes=join_episodes([rollout.episodes for rollout in rollouts]),
        moments=moments,
    )


class EpisodeSums:
    """Sums rewards and costs over whole episodes, also across rollouts.

    Attributes:
        returns: `[S, E]` float64; return so far of the running episodes.
        costs: `[S, E, m]` float64.
    """

    def __init__(self, num_seeds: int, num_envs: int, num_costs: int):
        self.returns, self.costs = np.zeros((num_seeds, num_envs)), np.zeros((num_seeds, num_envs, num_costs))

    def add(self, rewards: Floats, costs: Floats, ended: NDArray[np.bool_]) -> Episodes | None:
        """Takes one step.

        Args:
            rewards: `[S, E]`.
            costs: `[S, E, m]`.
            ended: `[S, E]`; where the episode ends with this step.

        Returns:
            The episodes that ended, or None.
        """
        self.returns += rewards
        self.costs += costs
        if not ended.any():
            return None
        finished = Episodes(np.nonzero(ended)[0], self.returns[ended], self.costs[ended])
        self.returns[ended] = 0.0
        self.costs[ended] = 0.0
        return finished


class RolloutBuilder:
    """Collects a rollout step by step, in arrays made once."""

    def __init__(self, shape: tuple[int, int, int], observation_size: int, action_size: int, num_costs: int):
        steps, *batch = shape
        self.observations = np.empty((steps + 1, *batch, observation_size), np.float32)
        self.actions = torch.empty(*shape, action_size)
        self._rewards, self._costs = np.empty(shape, np.float32), np.empty((*shape, num_costs), np.float32)
        self._terminated, self._truncated = np.empty(shape, bool), np.empty(shape, bool)
        self._cut_at: list[NDArray[np.int64]] = [np.empty((3, 0), np.int64)]
        self._cut_observations = [np.empty((0, observation_size), np.float32)]
        self._episodes = [Episodes.none(num_costs)]

    def record(self, t: int, step: BatchStep, sums: EpisodeSums) -> NDArray[np.bool_]:
        """Takes the result of step t.

        Args:
            t: The step.
            step: What the environments gave.
            sums: The running episodes, updated.

        Returns:
            `[S, E]` bool; where the episode was truncated.
        """
        batch = self._rewards.shape[1:]
        rewards, costs = step.rewards.reshape(batch), step.costs.reshape(*batch, -1)
        self._rewards[t], self._costs[t] = rewards, costs
        self._terminated[t] = step.terminated.reshape(batch)
        self._truncated[t] = step.truncated.reshape(batch) & ~self._terminated[t]
        finished = sums.add(rewards, costs, self._terminated[t] | self._truncated[t])
        if finished is not None:
            self._episodes.append(finished)
        return self._truncated[t]

    def cut(self, t: int, where: NDArray[np.bool_], last_observations: NDArray[np.float32]) -> None:
        """Keeps the last observations of the episodes truncated at step t.

        Args:
            t: The step.
            where: `[S, E]` bool.
            last_observations: `[S, E, O]` float32, normalized.
        """
        seeds, environments = np.nonzero(where)
        self._cut_at.append(np.stack([np.full_like(seeds, t), seeds, environments]))
        self._cut_observations.append(last_observations[where])

    def build(self, log_probs: torch.Tensor, moments: Moments) -> Rollout:
        """The rollout; the builder must not be used again.

        Args:
            log_probs: `[T, S, E]` float32.
            moments: Statistics of its observations.
        """
        return Rollout(
            observations=torch.from_numpy(self.observations),
            actions=self.actions,
            log_probs=log_probs,
            rewards=torch.from_numpy(self._rewards),
            costs=torch.from_numpy(self._costs),
            terminated=torch.from_numpy(self._terminated),
            truncated=torch.from_numpy(self._truncated),
            cut_at=np.concatenate(self._cut_at, axis=1),
            cut_observations=np.concatenate(self._cut_observations),
            episodes=join_episodes(self._episodes),
            moments=moments,
        )

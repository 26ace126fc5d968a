"""Sampling for SAC: a few steps of every environment at a time, with the policy that is being trained.

Axes: T steps, S seeds, E environments a seed, O and A entries of an observation and an action.
"""

from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from ray.rllib.core import DEFAULT_MODULE_ID
from ray.rllib.env.env_runner import EnvRunner
from ray.rllib.utils.annotations import override
from ray.rllib.utils.checkpoints import Checkpointable
from torch import Tensor

from algorithms.errors import NonFiniteError
from algorithms.functional.squashed_gaussian import split_outputs
from algorithms.rollout import Episodes, EpisodeSums, join_episodes
from algorithms.sac_lagrangian.networks import StackedSoftActorCritic
from algorithms.sac_lagrangian.replay import Transitions
from algorithms.seed_env_runner import SeedEnvRunner
from environments.batch import BatchStep


class ReplayEnvRunner(SeedEnvRunner):
    """Steps the environments of every seed and returns transitions for their replay buffers.

    Attributes:
        env_steps: Env steps of each seed so far.
    """

    def __init__(self, *, config: Any, **kwargs: Any):
        super().__init__(config=config, **kwargs)
        self.env_steps = 0

    @override(EnvRunner)
    @torch.no_grad()
    def sample(self, **kwargs: Any) -> Transitions:
        """Steps every environment `train_every / num_envs` times, at random before `learning_starts`.

        Returns:
            The transitions; unfinished episodes go on in the next ones.

        Raises:
            NonFiniteError: If an action of a seed's policy is not finite.
        """
        parameters, size = self._settings.parameters, self.env.action_size
        steps: int = parameters.train_every // parameters.num_envs
        if self._observations is None:
            self._observations = self.env.reset()
        collected = _Collection((steps, len(self._seeds), self._num_envs), self._by_seed(self._observations))
        for t in range(steps):
            explores = self.env_steps < parameters.learning_starts
            actions = self._random_actions(size) if explores else self._policy_actions(collected.observations[t], size)
            step = self.env.step(self._to_environment(actions.numpy()))
            collected.record(t, actions, step, self._sums)
            self._observations = step.observations
            self.env_steps += self._num_envs
        return collected.build()

    def _random_actions(self, size: int) -> Tensor:
        drawn = [torch.rand(self._num_envs, size, generator=generator) for generator in self._generators]
        return torch.stack(drawn).mul_(2.0).sub_(1.0)

    def _policy_actions(self, observations: Tensor, size: int) -> Tensor:
        module: StackedSoftActorCritic = cast(Any, self.module)[DEFAULT_MODULE_ID]
        outputs = module.policy_outputs(observations.to(module.policies.device)).cpu()
        mean, log_std = split_outputs(outputs)
        noise = torch.stack([torch.randn(self._num_envs, size, generator=g) for g in self._generators])
        actions = torch.tanh(torch.addcmul(mean, noise, log_std.exp()))
        finite = torch.isfinite(actions).flatten(1).all(1)
        if not finite.all():
            seeds = [self._seeds[int(index)] for index in (~finite).nonzero()]
            raise NonFiniteError(
                f"the policies of seeds {seeds} gave actions that are not finite after {self.env_steps} env steps; "
                "lower actor_lr, critic_lr or grad_clip, or check the task's rewards and costs"
            )
        return actions

    def follow(self, networks: StackedSoftActorCritic) -> None:
        """Acts with these networks' policies from now on, sharing their memory.

        Args:
            networks: The learner's networks.
        """
        module: StackedSoftActorCritic = cast(Any, self.module)[DEFAULT_MODULE_ID]
        module.policies.data = networks.policies.data

    @override(Checkpointable)
    def get_state(self, components: Any = None, *, not_components: Any = None, **kwargs: Any) -> dict[str, Any]:
        state = super().get_state(components, not_components=not_components, **kwargs)
        return state | {"env_steps": self.env_steps}

    @override(Checkpointable)
    def set_state(self, state: dict[str, Any]) -> None:
        super().set_state(state)
        self.env_steps = state.get("env_steps", self.env_steps)


class _Collection:
    """Collects transitions step by step."""

    def __init__(self, shape: tuple[int, int, int], first: NDArray[np.float64]):
        steps, *batch = shape
        self._batch = tuple(batch)
        self.observations = torch.empty(steps + 1, *batch, first.shape[-1])
        self.observations[0] = torch.from_numpy(first)
        self._steps: list[tuple[Tensor, BatchStep]] = []
        self._ended_at: list[NDArray[np.int64]] = [np.empty((3, 0), np.int64)]
        self._last = [np.empty((0, first.shape[-1]), np.float32)]
        self._episodes: list[Episodes] = []

    def record(self, t: int, actions: Tensor, step: BatchStep, sums: EpisodeSums) -> None:
        """Takes step t, and adds it to the sums of the running episodes."""
        self._steps.append((actions, step))
        self.observations[t + 1] = torch.from_numpy(step.observations).view(*self._batch, -1)
        ended = (step.terminated | step.truncated).reshape(self._batch)
        costs = step.costs.reshape(*self._batch, -1)
        finished = sums.add(step.rewards.reshape(self._batch), costs, ended)
        if finished is None:
            return
        self._episodes.append(finished)
        seeds, environments = np.nonzero(ended)
        self._ended_at.append(np.stack([np.full_like(seeds, t), seeds, environments]))
        self._last.append(step.final_observations[ended.ravel()].astype(np.float32))

    def build(self) -> Transitions:
        """The transitions; the collection must not be used again."""
        actions, steps = zip(*self._steps, strict=True)
        shape, num_costs = (len(steps), *self._batch), steps[0].costs.shape[1]
        terminated = torch.from_numpy(np.stack([step.terminated for step in steps])).view(shape)
        truncated = torch.from_numpy(np.stack([step.truncated for step in steps])).view(shape)
        return Transitions(
            observations=self.observations,
            actions=torch.stack(actions),
            rewards=torch.from_numpy(np.stack([step.rewards for step in steps])).float().view(shape),
            costs=torch.from_numpy(np.stack([step.costs for step in steps])).float().view(*shape, num_costs),
            terminated=terminated,
            truncated=truncated & ~terminated,
            ended_at=np.concatenate(self._ended_at, axis=1),
            last_observations=np.concatenate(self._last),
            episodes=join_episodes([Episodes.none(num_costs), *self._episodes]),
        )

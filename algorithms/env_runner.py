"""Sampling for PPO: every seed's policy acts for a fixed number of steps, and the rollout comes as flat arrays.

Axes: T steps, S seeds, E environments a seed, O and A entries of an observation and an action.
"""

from typing import Any, cast

import numpy as np
import torch
from ray.rllib.core import DEFAULT_MODULE_ID
from ray.rllib.env.env_runner import EnvRunner
from ray.rllib.utils.annotations import override
from ray.rllib.utils.checkpoints import Checkpointable

from algorithms.networks import StackedActorCritic
from algorithms.normalizer import Moments, Normalizer
from algorithms.rollout import Rollout, RolloutBuilder
from algorithms.seed_env_runner import SeedEnvRunner


class StackedEnvRunner(SeedEnvRunner):
    """Samples rollouts for every seed of a trial; beside remote runners the local one keeps the statistics of all.

    Attributes:
        normalizer: Running statistics of the observations, one a seed.
    """

    def __init__(self, *, config: Any, **kwargs: Any):
        super().__init__(config=config, **kwargs)
        enabled = self._settings.parameters.normalize_observations
        self.normalizer = Normalizer(len(self._seeds), self.env.observation_size, enabled=enabled)

    @override(EnvRunner)
    @torch.no_grad()
    def sample(self, **kwargs: Any) -> Rollout:
        """Steps every environment `steps_per_iteration / num_envs` times.

        Returns:
            The rollout; its unfinished episodes go on in the next one.
        """
        module: StackedActorCritic = cast(Any, self.module)[DEFAULT_MODULE_ID]
        parameters, size = self._settings.parameters, self.env.action_size
        steps = parameters.steps_per_iteration // parameters.num_envs
        shape = (steps, len(self._seeds), self._num_envs)
        builder = RolloutBuilder(shape, self.env.observation_size, size, len(self.env.cost_names))
        noise = torch.stack([torch.randn(steps, self._num_envs, size, generator=g) for g in self._generators], 1)
        std = torch.exp(module.log_std()).unsqueeze(1)
        current = self._by_seed(self.env.reset() if self._observations is None else self._observations)
        self.normalizer.begin_batch()
        for t in range(steps):
            self.normalizer.observe(current)
            builder.observations[t] = self.normalizer.normalize(current)
            means = module.policy_means(torch.from_numpy(builder.observations[t]))
            torch.addcmul(means, noise[t], std, out=builder.actions[t])
            step = self.env.step(self._to_environment(builder.actions[t].numpy()))
            truncated = builder.record(t, step, self._sums)
            if truncated.any():
                builder.cut(t, truncated, self.normalizer.normalize(self._by_seed(step.final_observations)))
            current = self._by_seed(step.observations)
        self._observations = current.reshape(self.env.num_envs, -1)
        builder.observations[steps] = self.normalizer.normalize(current)
        constant = (module.log_std().sum(-1) + 0.5 * size * np.log(2.0 * np.pi)).unsqueeze(1)
        return builder.build(noise.square().sum(-1).mul_(-0.5) - constant, self.normalizer.recent)

    def sample_from(self, moments: Moments) -> Rollout:
        """Samples as `sample` does, beginning with the observation statistics of all runners together.

        Args:
            moments: The statistics.
        """
        self.normalizer.set_moments(moments)
        return self.sample()

    @override(Checkpointable)
    def get_state(self, components: Any = None, *, not_components: Any = None, **kwargs: Any) -> dict[str, Any]:
        state = super().get_state(components, not_components=not_components, **kwargs)
        return state | {"normalizer": tuple(self.normalizer.moments)}

    @override(Checkpointable)
    def set_state(self, state: dict[str, Any]) -> None:
        super().set_state(state)
        if "normalizer" in state:
            self.normalizer.set_moments(Moments(*state["normalizer"]))

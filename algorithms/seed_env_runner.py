"""What samplers of every algorithm share: an RLlib EnvRunner around the environments of S seeds.

Axes: S seeds, E environments a seed, O and A entries of an observation and an action.
"""

from abc import abstractmethod
from typing import Any, cast

import gymnasium
import numpy as np
import ray
import torch
from numpy.typing import NDArray
from ray.rllib.core import COMPONENT_RL_MODULE, DEFAULT_MODULE_ID
from ray.rllib.env.env_runner import EnvRunner
from ray.rllib.utils.annotations import override
from ray.rllib.utils.checkpoints import Checkpointable

from algorithms.rollout import EpisodeSums
from environments.make import make_batch

_NOISE_STREAM = 1  # apart from the environments' seeds, which are derived from (seed, index)


class SeedEnvRunner(EnvRunner, Checkpointable):
    """Steps the environments of every seed of a trial together.

    The local runner holds all E environments of a seed, or each of W remote runners E / W of them; the local one
    beside remote ones samples nothing: it lends its spaces, on one environment.
    """

    def __init__(self, *, config: Any, **kwargs: Any):
        super().__init__(config=config, **kwargs)
        # Of the algorithm's config: run_seeds, parameters, cost_limits, env_path, env_workers.
        self._settings = cast(Any, self.config)
        self._seeds: list[int] = list(self._settings.run_seeds)
        workers, index = cast(int, self.config.num_env_runners), self.worker_index or 0
        samples = not workers or index > 0
        self._num_envs: int = self._settings.parameters.num_envs // max(workers, 1) if samples else 1
        self._num_processes: int = self._settings.env_workers if samples else 0
        self._first_env = max(index - 1, 0) * self._num_envs
        # A stream of noise for each (seed, runner): no seed's noise depends on another seed.
        entropy = [np.random.SeedSequence((seed, index), spawn_key=(_NOISE_STREAM,)) for seed in self._seeds]
        self._generators = [torch.Generator().manual_seed(int(e.generate_state(1, np.uint64)[0])) for e in entropy]
        self.make_env()
        self.make_module()
        self._sums = EpisodeSums(len(self._seeds), self._num_envs, len(self.env.cost_names))
        self._observations: NDArray[np.float64] | None = None

    @override(EnvRunner)
    def make_env(self) -> None:
        self.env = make_batch(
            self._settings.env,
            num_envs=self._num_envs,
            seeds=self._seeds,
            first_env=self._first_env,
            cost_names=tuple(self._settings.cost_limits),
            path=self._settings.env_path,
            num_workers=self._num_processes,
        )
        low, high = self.env.action_low, self.env.action_high
        bounded = np.isfinite(low) & np.isfinite(high)
        # Policies act in [−1, 1]; bounded entries are scaled to the environment's range, others pass unchanged.
        self._scale = np.where(bounded, (high - np.where(bounded, low, 0.0)) / 2.0, 1.0)
        self._shift = np.where(bounded, (high + np.where(bounded, low, 0.0)) / 2.0, 0.0)
        self._least, self._most = np.where(bounded, -1.0, -np.inf), np.where(bounded, 1.0, np.inf)

    @override(EnvRunner)
    def make_module(self) -> None:
        spec = self.config.get_multi_rl_module_spec(spaces=self.get_spaces(), inference_only=True)
        self.module = spec.build()

    @override(EnvRunner)
    def get_spaces(self) -> dict[str, tuple[gymnasium.Space[Any], gymnasium.Space[Any]]]:
        observation = gymnasium.spaces.Box(-np.inf, np.inf, (self.env.observation_size,), np.float32)
        action = gymnasium.spaces.Box(-1.0, 1.0, (self.env.action_size,), np.float32)
        return dict.fromkeys(("__env__", "__env_single__", DEFAULT_MODULE_ID), (observation, action))

    @override(EnvRunner)
    def assert_healthy(self) -> None:
        assert self.env is not None
        assert self.module is not None

    @override(EnvRunner)
    @abstractmethod
    def sample(self, **kwargs: Any) -> Any: ...

    def _by_seed(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        return rows.reshape(len(self._seeds), self._num_envs, -1)

    def _to_environment(self, actions: NDArray[np.float32]) -> NDArray[np.float64]:
        flat = actions.reshape(self.env.num_envs, -1).astype(np.float64)
        return np.clip(flat, self._least, self._most) * self._scale + self._shift

    @override(Checkpointable)
    def get_state(self, components: Any = None, *, not_components: Any = None, **kwargs: Any) -> dict[str, Any]:
        state: dict[str, Any] = {}
        if self._check_component(COMPONENT_RL_MODULE, components, not_components):
            state[COMPONENT_RL_MODULE] = self.module.get_state(**kwargs)
        state["generators"] = [generator.get_state().numpy() for generator in self._generators]
        if self.env.saves_state and self._observations is not None:
            state["episodes"] = {
                "env": self.env.get_state(),
                "observations": self._observations.copy(),
                "returns": self._sums.returns.copy(),
                "costs": self._sums.costs.copy(),
            }
        return state

    @override(Checkpointable)
    def set_state(self, state: dict[str, Any]) -> None:
        if COMPONENT_RL_MODULE in state:
            weights = state[COMPONENT_RL_MODULE]
            self.module.set_state(ray.get(weights) if isinstance(weights, ray.ObjectRef) else weights)
        if "generators" in state:
            for generator, saved in zip(self._generators, state["generators"], strict=True):
                generator.set_state(torch.from_numpy(np.array(saved)))
        if "episodes" in state and self.env.saves_state:  # else another path saved it: episodes begin anew
            episodes = state["episodes"]
            self.env.set_state(episodes["env"])
            self._observations = episodes["observations"].copy()
            self._sums.returns[:], self._sums.costs[:] = episodes["returns"], episodes["costs"]

    @override(Checkpointable)
    def get_ctor_args_and_kwargs(self) -> tuple[tuple[()], dict[str, Any]]:
        return (), {"config": self.config}

    @override(Checkpointable)
    def get_checkpointable_components(self) -> list[tuple[str, Any]]:
        return []

    @override(EnvRunner)
    def stop(self) -> None:
        self.env.close()

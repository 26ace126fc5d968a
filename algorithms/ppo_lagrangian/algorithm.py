"""PPO-Lagrangian for S seeds: sample, update multipliers and networks, report a row a seed."""

import time
from typing import Any, cast

import numpy as np
from ray.exceptions import RayActorError
from ray.rllib.algorithms.algorithm import Algorithm
from ray.rllib.core.learner.learner_group import LearnerGroup
from ray.rllib.env.env_runner_group import EnvRunnerGroup
from ray.rllib.utils.annotations import override
from ray.rllib.utils.metrics import (
    ENV_RUNNER_RESULTS,
    ENV_RUNNER_SAMPLING_TIMER,
    LEARNER_RESULTS,
    LEARNER_UPDATE_TIMER,
    NUM_ENV_STEPS_SAMPLED_LIFETIME,
    TIMERS,
)

from algorithms.env_runner import StackedEnvRunner
from algorithms.errors import LostEnvRunnerError
from algorithms.normalizer import merge
from algorithms.ppo_lagrangian.config import PPOLagrangianConfig
from algorithms.ppo_lagrangian.learner import cost_key
from algorithms.rollout import Rollout, join


class PPOLagrangian(Algorithm):
    """PPO under cost limits.

    Every result carries `seed_rows`: for each seed, in the order of the config, a dict of `seed`, `iteration`,
    `env_steps` (of that seed), `metrics` (docs/metrics.md), `episode_returns` and `episode_costs` of the episodes that
    finished in the iteration.
    """

    @classmethod
    @override(Algorithm)
    def get_default_config(cls) -> PPOLagrangianConfig:
        return PPOLagrangianConfig()

    @override(Algorithm)
    def setup(self, config: Any) -> None:
        super().setup(config)
        if self._settings.resume_from is not None:
            self.restore_from_path(self._settings.resume_from)

    @property
    def _settings(self) -> PPOLagrangianConfig:
        return cast(PPOLagrangianConfig, self.config)

    @property
    def _learners(self) -> LearnerGroup:
        return cast(LearnerGroup, self.learner_group)

    @override(Algorithm)
    def get_ctor_args_and_kwargs(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        # A checkpoint stands alone: the one that this run came from may be gone by the time it is loaded.
        return (self._settings.copy(copy_frozen=False).resume(None).get_state(),), {}

    @override(Algorithm)
    def training_step(self) -> None:
        started = time.perf_counter()
        with self.metrics.log_time((TIMERS, ENV_RUNNER_SAMPLING_TIMER)):
            rollout = self._sample()
        sampled = time.perf_counter()
        with self.metrics.log_time((TIMERS, LEARNER_UPDATE_TIMER)):
            results = self._learners.update(batch=cast(Any, rollout))
        self.metrics.aggregate(results, key=LEARNER_RESULTS)
        self.metrics.log_value(
            (ENV_RUNNER_RESULTS, NUM_ENV_STEPS_SAMPLED_LIFETIME), len(rollout), reduce="lifetime_sum"
        )
        self._seed_rows = self._rows(rollout, sampled - started, time.perf_counter() - sampled)

    @override(Algorithm)
    def step(self) -> dict[str, Any]:
        return {**super().step(), "seed_rows": self._seed_rows}

    def _sample(self) -> Rollout:
        group, runners = cast(EnvRunnerGroup, self.env_runner_group), self._settings.num_env_runners or 0
        local = cast(StackedEnvRunner, group.local_env_runner)
        group.sync_weights(from_worker_or_learner_group=self._learners, inference_only=True, timeout_seconds=None)
        if group.num_remote_workers() == 0:
            return local.sample()
        statistics = local.normalizer
        moments = statistics.moments
        try:
            rollouts = group.foreach_env_runner(
                lambda runner: cast(StackedEnvRunner, runner).sample_from(moments), local_env_runner=False
            )
        except RayActorError as error:
            raise LostEnvRunnerError(
                f"one of {runners} environment runners died; continue from the last checkpoint"
            ) from error
        for rollout in rollouts:
            statistics.set_moments(merge(statistics.moments, rollout.moments))
        return join(rollouts, statistics.moments)

    def _rows(self, rollout: Rollout, rollout_s: float, update_s: float) -> list[dict[str, Any]]:
        config = self._settings
        (learned,) = self._learners.foreach_learner(lambda learner, _=None: cast(Any, learner).seed_metrics)
        by_key: dict[str, np.ndarray] = cast(Any, learned).get()
        times = {
            "time/env_steps_per_s": len(rollout) / (rollout_s + update_s),
            "time/rollout_s": rollout_s,
            "time/update_s": update_s,
        }
        iteration, rows = self.iteration + 1, []
        for index, seed in enumerate(config.seed_list):
            returns, costs = rollout.episodes.of_seed(index)
            of_seed = {key: float(values[index]) for key, values in by_key.items() if np.isfinite(values[index])}
            rows.append(
                {
                    "seed": seed,
                    "iteration": iteration,
                    "env_steps": iteration * config.parameters.steps_per_iteration,
                    "metrics": {**_episode_metrics(returns, costs, config.cost_limits), **of_seed, **times},
                    "episode_returns": returns.tolist(),
                    "episode_costs": {name: costs[:, i].tolist() for i, name in enumerate(config.cost_limits)},
                }
            )
        return rows


def _episode_metrics(returns: np.ndarray, costs: np.ndarray, limits: dict[str, float]) -> dict[str, float]:
    """Means over the episodes that finished in the iteration; only their number where none did."""
    metrics = {"train/episodes": float(len(returns))}
    if len(returns) == 0:
        return metrics
    names = list(limits)
    over = (costs > np.array(list(limits.values()))).any(axis=1)
    metrics |= {"train/return": float(returns.mean()), "train/violation_rate": float(over.mean())}
    return metrics | {cost_key("train/cost", n, names): float(costs[:, i].mean()) for i, n in enumerate(names)}

"""PPO-Lagrangian for S seeds: sample, update multipliers and networks, report a row a seed."""

import functools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from ray.exceptions import RayActorError
from ray.rllib.algorithms.algorithm import Algorithm
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
from algorithms.lagrangian_algorithm import IterationTimes, LagrangianAlgorithm
from algorithms.normalizer import merge
from algorithms.ppo_lagrangian.config import PPOLagrangianConfig
from algorithms.ppo_lagrangian.members import member_config, member_state, packed_state, saved_state
from algorithms.rollout import Rollout, join


class PPOLagrangian(LagrangianAlgorithm):
    """PPO under cost limits."""

    _saved_member: int | None = None

    @override(Algorithm)
    def setup(self, config: Any) -> None:
        super().setup(config)
        if self._settings.resume_packed:
            self.set_state(packed_state([saved_state(path) for path in self._settings.resume_packed]))

    @classmethod
    @override(Algorithm)
    def get_default_config(cls) -> PPOLagrangianConfig:
        return PPOLagrangianConfig()

    @property
    def _settings(self) -> PPOLagrangianConfig:
        return cast(PPOLagrangianConfig, self.config)

    def member_savers(self) -> list[Callable[[Path], None]]:
        """What writes a checkpoint of each configuration of a pack into a folder: as it alone would have written it.

        All are of this moment, whenever they are called before the next iteration.
        """
        state = self.get_state()
        return [functools.partial(self._save_member, state, member) for member in range(len(self._settings.members))]

    def _save_member(self, state: dict[str, Any], member: int, folder: Path) -> None:
        self._saved_member = member
        self.save_to_path(str(folder), state=member_state(state, member, len(self._settings.members)))
        self._saved_member = None

    @override(LagrangianAlgorithm)
    def _saved_config(self) -> PPOLagrangianConfig:
        if self._saved_member is None:
            return self._settings
        return member_config(self._settings, self._saved_member)

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
        times = IterationTimes(len(rollout), sampled - started, time.perf_counter() - sampled)
        self._seed_rows = self._rows(rollout.episodes, times)

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

"""SAC-Lagrangian for S seeds: rounds of sampling and gradient steps, and one row a seed for each iteration."""

import time
from pathlib import Path
from typing import Any, cast

from ray.rllib.algorithms.algorithm import Algorithm
from ray.rllib.env.env_runner_group import EnvRunnerGroup
from ray.rllib.utils.annotations import override
from ray.rllib.utils.metrics import ENV_RUNNER_RESULTS, NUM_ENV_STEPS_SAMPLED_LIFETIME

from algorithms.lagrangian_algorithm import IterationTimes, LagrangianAlgorithm
from algorithms.rollout import join_episodes
from algorithms.sac_lagrangian.calibration import record_states
from algorithms.sac_lagrangian.config import SACLagrangianConfig
from algorithms.sac_lagrangian.env_runner import ReplayEnvRunner
from algorithms.sac_lagrangian.learner import SACLagrangianLearner
from algorithms.sac_lagrangian.replay_files import ReplayFiles
from algorithms.sac_lagrangian.statewise_penalty import StatewisePenalty

_REPLAY = "replay"


class SACLagrangian(LagrangianAlgorithm):
    """SAC under cost limits.

    A checkpoint is RLlib's folder with the replay buffers beside it, in `replay/`: `save_to_path` writes only what is
    new of them and links the rest. `get_state` leaves them out.
    """

    @classmethod
    @override(Algorithm)
    def get_default_config(cls) -> SACLagrangianConfig:
        return SACLagrangianConfig()

    @override(LagrangianAlgorithm)
    def setup(self, config: Any) -> None:
        self._replay_files = ReplayFiles(Path(cast(str, self.logdir)) / _REPLAY)
        super().setup(config)
        self._runner.follow(self._learner.networks)

    @property
    def _runner(self) -> ReplayEnvRunner:
        return cast(ReplayEnvRunner, cast(EnvRunnerGroup, self.env_runner_group).local_env_runner)

    @property
    def _learner(self) -> SACLagrangianLearner:
        """The one learner, which lives in this process (`num_learners` is 0)."""
        return cast(SACLagrangianLearner, self._learners._learner)

    @override(Algorithm)
    def training_step(self) -> None:
        parameters = cast(SACLagrangianConfig, self.config).parameters
        rounds, rollout_s, started = [], 0.0, time.perf_counter()
        for _ in range(parameters.steps_per_iteration // parameters.train_every):
            began = time.perf_counter()
            transitions = self._runner.sample()
            rollout_s += time.perf_counter() - began
            self._learners.update(batch=cast(Any, transitions))
            rounds.append(transitions.episodes)
        self._learner.end_iteration()
        update_s = time.perf_counter() - started - rollout_s
        env_steps = parameters.steps_per_iteration * self._learner.networks.num_seeds
        self.metrics.log_value((ENV_RUNNER_RESULTS, NUM_ENV_STEPS_SAMPLED_LIFETIME), env_steps, reduce="lifetime_sum")
        self._seed_rows = self._rows(join_episodes(rounds), IterationTimes(env_steps, rollout_s, update_s))

    @override(LagrangianAlgorithm)
    def calibration(self) -> dict[str, Any] | None:
        """See `LagrangianAlgorithm.calibration`; fresh environments are stepped, and the training is left as it is."""
        penalty, config = self._learner.penalty, cast(SACLagrangianConfig, self.config)
        if not isinstance(penalty, StatewisePenalty):
            return None
        return record_states(config, self._learner.networks, penalty)

    @override(Algorithm)
    def save_to_path(self, path: Any = None, **kwargs: Any) -> str:
        written = super().save_to_path(path, **kwargs)
        self._replay_files.save(self._learner.buffer, Path(written) / _REPLAY)
        return written

    @override(Algorithm)
    def restore_from_path(self, path: Any, *args: Any, **kwargs: Any) -> None:
        super().restore_from_path(path, *args, **kwargs)
        folder = Path(path) / _REPLAY
        if folder.is_dir():  # only the algorithm's own folder has it, not those of its components
            self._replay_files.load(self._learner.buffer, folder)

    @override(Algorithm)
    def cleanup(self) -> None:
        self._replay_files.clear()
        super().cleanup()

"""A sampler and a learner as `SACLagrangian` drives them, without the Ray that an algorithm starts."""

from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from ray.rllib.core.learner.training_data import TrainingData

from algorithms.rollout import Episodes, join_episodes
from algorithms.sac_lagrangian.config import SACLagrangianConfig
from algorithms.sac_lagrangian.env_runner import ReplayEnvRunner
from algorithms.sac_lagrangian.learner import SACLagrangianLearner
from algorithms.sac_lagrangian.replay_files import ReplayFiles


class Trial:
    """What an algorithm of a config trains."""

    def __init__(self, config: SACLagrangianConfig):
        self.config = config
        self.runner = ReplayEnvRunner(config=config)
        self.learner = cast(SACLagrangianLearner, config.build_learner(spaces=self.runner.get_spaces()))
        self.learner.build()
        self.runner.follow(self.learner.networks)

    def iterate(self) -> Episodes:
        """Trains one iteration and gives the episodes that finished in it."""
        parameters, rounds = self.config.parameters, []
        for _ in range(parameters.steps_per_iteration // parameters.train_every):
            transitions = self.runner.sample()
            self.learner.update(TrainingData(batch=cast(Any, transitions)))
            rounds.append(transitions.episodes)
        self.learner.end_iteration()
        return join_episodes(rounds)

    def matrices(self) -> list[torch.Tensor]:
        """Policies, critics, target critics and temperatures, by seed."""
        networks = self.learner.networks
        matrices = (networks.policies, networks.critics, networks.targets, networks.log_alpha)
        return [matrix.detach().clone().view(networks.num_seeds, -1) for matrix in matrices]

    def save(self, folder: Path) -> dict[str, Any]:
        """Writes the buffers and returns the rest."""
        ReplayFiles(folder / "kept").save(self.learner.buffer, folder / "replay")
        return {"runner": self.runner.get_state(), "learner": self.learner.get_state()}

    def load(self, folder: Path, state: dict[str, Any]) -> None:
        """Continues from what `save` wrote and returned."""
        self.learner.set_state(state["learner"])
        self.runner.set_state(state["runner"])
        ReplayFiles(folder / "again").load(self.learner.buffer, folder / "replay")

    def metrics(self, key: str) -> np.ndarray:
        """A metric of the last iteration, `[S]`."""
        return self.learner.seed_metrics[key]

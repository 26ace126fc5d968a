"""RLlib's own PPO (new API stack) as a contestant of the race (`benchmarks.race`).

It learns from the reward alone: no cost critic, one critic less than the others. One environment, one process.
"""

import argparse
import tempfile
from typing import Any

import gymnasium
import ray
import torch
from ray.rllib.algorithms.ppo import PPOConfig
from ray.rllib.core.rl_module.default_model_config import DefaultModelConfig
from ray.tune.registry import register_env

from benchmarks.peers.protocol import Stopwatch, serve
from environments.safety_gymnasium import make
from environments.tasks import find_task


class RewardOnly(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Gymnasium's five values of Safety-Gymnasium's six: the cost is left out."""

    def step(self, action: Any) -> Any:
        """Steps; see `gymnasium.Env.step`."""
        values: Any = self.env.step(action)
        observation, reward, _, terminated, truncated, info = values
        return observation, float(reward), terminated, truncated, info


def configuration(steps: int, epochs: int) -> PPOConfig:
    """Table A.1's sizes and step sizes, as far as RLlib's PPO has them."""
    return (
        PPOConfig()
        .environment("race")
        .env_runners(num_env_runners=0, observation_filter="MeanStdFilter")
        .training(
            train_batch_size=steps,
            minibatch_size=64,
            num_epochs=epochs,
            lr=3e-4,
            gamma=0.99,
            lambda_=0.95,
            clip_param=0.2,
            grad_clip=40.0,
        )
        .rl_module(
            model_config=DefaultModelConfig(
                fcnet_hiddens=[64, 64], fcnet_activation="tanh", vf_share_layers=False, free_log_std=True
            )
        )
    )


def main() -> None:
    """Builds the algorithm and serves iterations."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--task", required=True)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--epochs", type=int, required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    env_id = find_task(arguments.task).env_id
    register_env("race", lambda _: RewardOnly(make(env_id)))
    with tempfile.TemporaryDirectory(prefix="ls-") as folder:
        ray.init(
            address="local",
            num_cpus=1,
            include_dashboard=False,
            object_store_memory=200 * 2**20,
            _temp_dir=folder,
            logging_level="ERROR",
        )
        algorithm = configuration(arguments.steps, arguments.epochs).build_algo()
        runner: Any = algorithm.env_runner
        rollout = Stopwatch(runner.sample)
        runner.sample = rollout

        def train() -> int:
            algorithm.train()
            return arguments.steps

        serve(train, rollout)
        ray.shutdown()


if __name__ == "__main__":
    main()

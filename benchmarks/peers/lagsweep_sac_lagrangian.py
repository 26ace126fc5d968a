"""Lagsweep's SAC-Lagrangian as a contestant of `benchmarks.sac_race`."""

import argparse
import tempfile
from typing import Any

import ray
import torch

from algorithms.sac_lagrangian import SACLagrangian, SACLagrangianConfig
from benchmarks.peers.protocol import Stopwatch, serve
from environments.tasks import find_task


class TotalStopwatch(Stopwatch):
    """A function that knows how long all its calls took since it was last set to zero."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Calls the function."""
        wall_s, cpu_s = self.wall_s, self.cpu_s
        result = super().__call__(*args, **kwargs)
        self.wall_s, self.cpu_s = self.wall_s + wall_s, self.cpu_s + cpu_s
        return result


def build(task: str, num_seeds: int, steps: int) -> SACLagrangian:
    """A trial with the preset `paper`, which is OmniSafe's SACLag; it learns from the first 300 steps on."""
    return (
        SACLagrangianConfig()
        .environment(find_task(task).env_id)
        .training(steps_per_iteration=steps, learning_starts=300, buffer_size=100_000)
        .lagrangian(update="ga", init=0.0, lr=5e-7, warmup_iterations=200_000, cost_limit=25.0)
        .seeds(range(num_seeds))
        .budget(env_steps=1_000_000)
        .build_algo()
    )


def main() -> None:
    """Builds a trial and serves iterations."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--task", required=True)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--seeds", type=int, required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="ls-") as folder:
        ray.init(
            address="local",
            num_cpus=1,
            include_dashboard=False,
            object_store_memory=200 * 2**20,
            _temp_dir=folder,
            logging_level="ERROR",
        )
        algorithm = build(arguments.task, arguments.seeds, arguments.steps)
        runner: Any = algorithm.env_runner
        rollout = TotalStopwatch(runner.sample)
        runner.sample = rollout

        def train() -> int:
            rollout.wall_s = rollout.cpu_s = 0.0
            algorithm.train()
            return arguments.seeds * arguments.steps

        serve(train, rollout)
        ray.shutdown()


if __name__ == "__main__":
    main()

"""Lagsweep's PPO-Lagrangian as a contestant of the race (`benchmarks.race`)."""

import argparse
import tempfile

import ray
import torch

from benchmarks.peers.protocol import Stopwatch, serve
from benchmarks.throughput import build


def main() -> None:
    """Builds a trial and serves iterations."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--task", required=True)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--epochs", type=int, required=True)
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
        algorithm = build(arguments.task, arguments.seeds, arguments.steps, arguments.epochs)
        rollout = Stopwatch(algorithm._sample)
        algorithm._sample = rollout

        def train() -> int:
            algorithm.train()
            return arguments.seeds * arguments.steps

        serve(train, rollout)
        ray.shutdown()


if __name__ == "__main__":
    main()

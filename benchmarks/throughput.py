"""Training speed of PPO-Lagrangian as seeds are stacked: rollout and update apart, and how near the core's limit.

    python -m benchmarks.throughput [--task Circle1] [--seeds 1 2 4 10 20 32] [--steps 2000] [--epochs 10] [--rounds 5]

One process, one thread. The numbers of seeds take turns, so that a slower moment of the machine meets all of them;
medians over the rounds. CPU seconds count this process's work, wall seconds also its waiting. The limit is what the
matrix products of a minibatch take alone, back to back, by the same BLAS.
"""

import argparse
import os
import tempfile
import time
from statistics import median
from typing import Any

import numpy as np
import ray
import torch
from numba import njit
from rich.console import Console
from rich.table import Table

from algorithms.ppo_lagrangian import PPOLagrangian, PPOLagrangianConfig
from algorithms.ppo_lagrangian.compiled import Space, layer, make_space, multiply
from benchmarks.provenance import write_result


def build(task: str, num_seeds: int, steps: int, epochs: int) -> PPOLagrangian:
    """A trial of Table A.1's networks, minibatches and step sizes; no seed stops early."""
    return (
        PPOLagrangianConfig()
        .environment(task)
        .training(steps_per_iteration=steps, num_epochs=epochs, target_kl=1e9)
        .lagrangian(update="ga", cost_limit=25.0)
        .seeds(range(num_seeds))
        .build_algo()
    )


def measure(algorithm: PPOLagrangian, steps: int, epochs: int) -> dict[str, float]:
    """One iteration: seconds of wall time for sampling and learning, and CPU seconds of both."""
    cpu = time.process_time()
    rows = algorithm.train()["seed_rows"]
    cpu = time.process_time() - cpu
    seeds, times = len(rows), rows[0]["metrics"]
    minibatches = epochs * (steps // 64)
    return {
        "rollout_env_steps_per_s": seeds * steps / times["time/rollout_s"],
        "update_env_steps_per_s": seeds * steps / times["time/update_s"],
        "env_steps_per_s": seeds * steps / (times["time/rollout_s"] + times["time/update_s"]),
        "env_steps_per_cpu_s": seeds * steps / cpu,
        "update_us_per_seed_and_minibatch": 1e6 * times["time/update_s"] / (minibatches * seeds),
    }


@njit
def _products(row: Any, space: Space, count: int) -> None:
    """The matrix products of one network's minibatch: forward, by the weights, by what entered."""
    activations, deltas, gradient = space.activations, space.deltas, space.gradient
    for _ in range(count):
        start = 0
        for index in range(len(activations) - 1):
            entering, leaving = activations[index], activations[index + 1]
            weight = layer(row, start, entering.shape[1], leaving.shape[1])[0]
            multiply(entering, False, weight, False, leaving, space)
            by_weight = layer(gradient, start, entering.shape[1], leaving.shape[1])[0]
            multiply(entering, True, deltas[index + 1], False, by_weight, space)
            if index > 0:
                multiply(deltas[index + 1], False, weight, True, deltas[index], space)
            start += (entering.shape[1] + 1) * leaving.shape[1]


def products_us(algorithm: PPOLagrangian, count: int = 2000) -> float:
    """Microseconds of the matrix products of one seed's minibatch of 64 rows, all networks."""
    module: Any = algorithm.env_runner.module["default_policy"]
    layout = module.layout
    space = make_space(layout.sizes, layout.row_size, 64, np.float32)
    row = np.full(layout.row_size, 0.01, np.float32)
    _products(row, space, 1)
    started = time.perf_counter()
    _products(row, space, count)
    return module.num_networks * 1e6 * (time.perf_counter() - started) / count


def main() -> None:
    """Measures, prints a table and writes results/throughput.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", default="Circle1")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 4, 10, 20, 32])
    parser.add_argument("--steps", type=int, default=2_000, help="env steps per seed and iteration")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=5)
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
        algorithms = {n: build(arguments.task, n, arguments.steps, arguments.epochs) for n in arguments.seeds}
        first = next(iter(algorithms.values()))
        rounds, limits = [], []
        for _ in range(arguments.rounds + 1):
            rounds.append({n: measure(a, arguments.steps, arguments.epochs) for n, a in algorithms.items()})
            limits.append(products_us(first))
        kind = first.env_runner.env.kind
        ray.shutdown()
    kept = rounds[1:]  # the first compiles and fills caches
    medians = {n: {key: median(r[n][key] for r in kept) for key in kept[0][n]} for n in algorithms}
    limit = median(limits[1:])
    for row in medians.values():
        row["percent_of_matmul_limit"] = 100.0 * limit / row["update_us_per_seed_and_minibatch"]
    heads = ("seeds", "rollout", "update", "both", "per CPU s", "µs a minibatch", "% of matmul")
    table = Table(*heads, title=f"{arguments.task}, {kind} environments, one thread: env steps/s")
    for n, row in medians.items():
        table.add_row(str(n), *(f"{value:,.0f}" for value in row.values()))
    Console().print(table)
    measured = {"task": arguments.task, "environments": kind, "threads": 1, "rounds": arguments.rounds}
    measured |= {"omp": os.environ.get("OMP_NUM_THREADS"), "matrix_products_us_per_seed_and_minibatch": limit}
    path = write_result("throughput", {**measured, "medians": medians})
    Console().print(f"written to {path.relative_to(path.parents[2])}")


if __name__ == "__main__":
    main()

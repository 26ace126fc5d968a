"""When threads pay: the fast path with one thread and with two, by task and number of environments.

    OMP_WAIT_POLICY=passive python -m benchmarks.environment_threads [--num-envs 2 8 32] [--steps 100] [--rounds 7]

Wall seconds of a step without resets, the two taking turns from the same state; medians over the rounds, and the CPU
seconds that all threads of the process took together. Needs two cores that nothing else uses.
"""

import argparse
import time
from statistics import median
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.provenance import write_result
from environments.navigation import NavigationBatch

TASKS = ["PointCircle1", "PointGoal1", "PointGoal2", "PointPush1", "PointButton1"]


def timed(batch: NavigationBatch, state: dict[str, Any], actions: np.ndarray) -> tuple[float, float]:
    """Wall and CPU microseconds of one environment's step."""
    batch.set_state(state)
    wall, cpu = time.perf_counter(), time.process_time()
    for each in actions:
        batch.step(each)
    count = actions.shape[0] * actions.shape[1]
    return 1e6 * (time.perf_counter() - wall) / count, 1e6 * (time.process_time() - cpu) / count


def measure(task: str, num_envs: int, steps: int, rounds: int) -> dict[str, Any]:
    """Medians over the rounds, after one that compiles and fills caches."""
    env_id, seeds = f"Safety{task}-v0", np.arange(num_envs)
    batches = [NavigationBatch(env_id, num_envs, seeds, num_threads=number) for number in (1, 2)]
    batches[0].reset()
    rng = np.random.default_rng(0)
    played: list[list[tuple[float, float]]] = []
    for _ in range(rounds + 1):
        state, actions = batches[0].get_state(), rng.uniform(-1, 1, (steps, num_envs, 2))
        played.append([timed(batch, state, actions) for batch in batches])
    one, two = (np.array(each) for each in zip(*played[1:], strict=True))
    return {
        "task": task,
        "num_envs": num_envs,
        "one_thread_us": median(one[:, 0]),
        "two_threads_us": median(two[:, 0]),
        "speedup": median(one[:, 0] / two[:, 0]),
        "cpu_ratio": median(two[:, 1] / one[:, 1]),
    }


def main() -> None:
    """Measures, prints a table and writes results/environment_threads.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", nargs="+", default=TASKS)
    parser.add_argument("--num-envs", type=int, nargs="+", default=[2, 8, 32])
    parser.add_argument("--steps", type=int, default=100, help="environment steps in a round")
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    rows = [
        measure(task, num_envs, max(1, arguments.steps * 8 // num_envs), arguments.rounds)
        for task in arguments.tasks
        for num_envs in arguments.num_envs
    ]
    table = Table(*rows[0])
    for row in rows:
        table.add_row(*(f"{value:.2f}" if isinstance(value, float) else str(value) for value in row.values()))
    Console(width=120).print(table)
    write_result("environment_threads", rows)


if __name__ == "__main__":
    main()

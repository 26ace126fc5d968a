"""What stepping velocity tasks through MuJoCo directly, or in worker processes, could gain over the general adapter.

    python -m benchmarks.general_environments [--tasks HalfCheetahVelocity AntVelocity] [--steps 300] [--rounds 7]

Plain: the environment's own `step`. Physics: MuJoCo's calls within it alone, from the same state with the same actions
(checked: both end in the same state). Workers: the adapter with its environments in this process and in others, wall
time. What is compared takes turns; medians over the rounds.
"""

import argparse
import time
from statistics import median
from typing import Any

import mujoco
import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.provenance import write_result
from environments.make import make_batch
from environments.safety_gymnasium import make
from environments.tasks import find_task


def measure_physics(env: Any, data: mujoco.MjData, actions: np.ndarray, seed: int) -> tuple[int, float, float]:
    """Steps until the episode ends: their number, CPU seconds of `step` and of MuJoCo's calls alone."""
    env.reset(seed=seed)
    inner = env.unwrapped
    mujoco.mj_copyData(data, inner.model, inner.data)
    steps, plain = 0, time.process_time()
    for action in actions:
        _, _, _, terminated, truncated, _ = env.step(action)
        steps += 1
        if terminated or truncated:
            break
    plain = time.process_time() - plain
    physics = time.process_time()
    for action in actions[:steps]:
        data.ctrl[:] = action
        mujoco.mj_step(inner.model, data, nstep=inner.frame_skip)
        mujoco.mj_rnePostConstraint(inner.model, data)
    physics = time.process_time() - physics
    np.testing.assert_array_equal(data.qpos, inner.data.qpos)
    return steps, plain, physics


def physics_share(task: str, steps: int, rounds: int) -> dict[str, float]:
    """Microseconds a step, plain and physics alone."""
    env: Any = make(find_task(task).env_id)
    data = mujoco.MjData(env.unwrapped.model)
    rng = np.random.default_rng(0)
    low, high = env.action_space.low, env.action_space.high
    taken: list[tuple[float, float]] = []
    for seed in range(rounds):
        done, plain, physics = 0, 0.0, 0.0
        while done < steps:
            actions = rng.uniform(low, high, (steps - done, len(low))).astype(np.float32)
            number, plain_s, physics_s = measure_physics(env, data, actions, seed + 1000 * done)
            done, plain, physics = done + number, plain + plain_s, physics + physics_s
        taken.append((plain / steps, physics / steps))
    env.close()
    plain_us, physics_us = (1e6 * median(values) for values in zip(*taken, strict=True))
    share = median(physics / plain for plain, physics in taken)
    return {"plain_us": plain_us, "physics_us": physics_us, "physics_share": share, "gain_at_most": 1.0 / share}


def worker_gain(task: str, num_envs: int, num_workers: int, steps: int, rounds: int) -> dict[str, float]:
    """Env steps per second of wall time in this process and in worker processes."""
    batches = [make_batch(task, num_envs=num_envs, seeds=[0], num_workers=number) for number in (0, num_workers)]
    for batch in batches:
        batch.reset()
    rng = np.random.default_rng(0)
    rates: list[list[float]] = []
    for _ in range(rounds + 1):
        actions = rng.uniform(-1.0, 1.0, (steps, num_envs, batches[0].action_size))
        rates.append([])
        for batch in batches:
            started = time.perf_counter()
            for action in actions:
                batch.step(action)
            rates[-1].append(steps * num_envs / (time.perf_counter() - started))
    for batch in batches:
        batch.close()
    here, shared = (median(values) for values in zip(*rates[1:], strict=True))  # the first fills caches
    ratio = median(there / one for one, there in rates[1:])
    return {"steps_per_s": here, "worker_steps_per_s": shared, "worker_gain": ratio}


def main() -> None:
    """Measures, prints a table and writes results/general_environments.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", nargs="+", default=["HalfCheetahVelocity", "AntVelocity"])
    parser.add_argument("--steps", type=int, default=300, help="steps of one environment and round")
    parser.add_argument("--envs", type=int, default=8)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    measured = {
        task: physics_share(task, arguments.steps, arguments.rounds)
        | worker_gain(task, arguments.envs, arguments.workers, arguments.steps // arguments.envs, arguments.rounds)
        for task in arguments.tasks
    }
    table = Table("task", *next(iter(measured.values())))
    for task, row in measured.items():
        table.add_row(task, *(f"{value:,.2f}" if value < 100 else f"{value:,.0f}" for value in row.values()))
    Console(width=140).print(table)
    setting = {name: getattr(arguments, name) for name in ("steps", "envs", "workers", "rounds")}
    path = write_result("general_environments", {**setting, "tasks": measured})
    Console().print(f"written to {path.relative_to(path.parents[2])}")


if __name__ == "__main__":
    main()

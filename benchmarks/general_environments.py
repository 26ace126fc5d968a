"""The general adapter against bare environments and worker processes; what velocity tasks could gain from MuJoCo alone.

    python -m benchmarks.general_environments [--tasks HalfCheetahVelocity …] [--steps 300] [--rounds 7]

Plain: the environment's own `step`. Physics: MuJoCo's calls within it alone, from the same state with the same actions
(checked: both end in the same state); CPU time, velocity tasks only. Then 8 environments in wall time: in a bare loop,
through the adapter, and through the adapter in worker processes. What is compared takes turns; medians over the rounds.
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

TASKS = ["HalfCheetahVelocity", "AntVelocity", "Goal1", "SafetyDoggoGoal1-v0"]


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


class Plain:
    """The same environments in a bare loop: what the adapter is measured against."""

    def __init__(self, task: str, num_envs: int) -> None:
        self.envs: list[Any] = [make(find_task(task).env_id) for _ in range(num_envs)]
        for index, env in enumerate(self.envs):
            env.reset(seed=index)

    def step(self, actions: np.ndarray) -> None:
        """Steps each, and resets it where its episode ended."""
        for env, action in zip(self.envs, actions, strict=True):
            *_, terminated, truncated, _ = env.step(action)
            if terminated or truncated:
                env.reset()


def adapter_rates(task: str, num_envs: int, num_workers: int, steps: int, rounds: int) -> dict[str, float]:
    """Env steps per second of wall time: bare, through the adapter in this process, and in worker processes."""
    batches = [
        make_batch(task, num_envs=num_envs, seeds=[0], path="general", num_workers=number)
        for number in (0, num_workers)
    ]
    for batch in batches:
        batch.reset()
    contenders = [Plain(task, num_envs), *batches]
    rng = np.random.default_rng(0)
    rates: list[list[float]] = []
    for _ in range(rounds + 1):
        actions = rng.uniform(batches[0].action_low, batches[0].action_high, (steps, num_envs, batches[0].action_size))
        actions = actions.astype(np.float32).astype(np.float64)
        rates.append([])
        for contender in contenders:
            started = time.perf_counter()
            for action in actions:
                contender.step(action)
            rates[-1].append(steps * num_envs / (time.perf_counter() - started))
    for batch in batches:
        batch.close()
    plain, here, shared = (median(values) for values in zip(*rates[1:], strict=True))  # the first fills caches
    return {
        "plain_steps_per_s": plain,
        "steps_per_s": here,
        "worker_steps_per_s": shared,
        "adapter_over_plain": median(one / bare for bare, one, _ in rates[1:]),
        "worker_gain": median(there / one for _, one, there in rates[1:]),
    }


def main() -> None:
    """Measures, prints a table and writes results/general_environments.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", nargs="+", default=TASKS)
    parser.add_argument("--steps", type=int, default=300, help="steps of one environment and round")
    parser.add_argument("--envs", type=int, default=8)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    measured: dict[str, dict[str, float]] = {}
    for task in arguments.tasks:
        measured[task] = adapter_rates(
            task, arguments.envs, arguments.workers, arguments.steps // arguments.envs, arguments.rounds
        )
        if "Velocity" in task:
            measured[task] |= physics_share(task, arguments.steps, arguments.rounds)
    columns = list(dict.fromkeys(name for row in measured.values() for name in row))
    table = Table("task", *columns)
    for task, row in measured.items():
        table.add_row(task, *(f"{row[name]:,.2f}" if name in row else "" for name in columns))
    Console(width=170).print(table)
    setting = {name: getattr(arguments, name) for name in ("steps", "envs", "workers", "rounds")}
    path = write_result("general_environments", {**setting, "tasks": measured})
    Console().print(f"written to {path.relative_to(path.parents[2])}")


if __name__ == "__main__":
    main()

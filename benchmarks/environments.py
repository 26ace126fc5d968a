"""Speed of the navigation tasks: the plain environment, the fast path, and MuJoCo alone on the same physics.

    python -m benchmarks.environments [--tasks PointCircle1 …] [--num-envs 16] [--steps 100] [--rounds 7]

One process. The contenders take turns within a round, so that a slower moment of the machine meets all of them; numbers
are medians over the rounds. All but the threads are CPU seconds of this process, which other processes disturb less
than wall seconds. *Raw* is 10 `mj_step` and 1 `mj_forward` in a compiled loop without anything else, from the fast
path's own states, with its actions and gremlins; unlike the fast path it reads sensors at every `mj_step`. Steps and
resets are measured apart and put together as (horizon · step + reset) / horizon. *Plain* is the environment as
`environments` makes it, without textures; *published* steps as fast, but compiles its textures at every reset.
"""

import argparse
import importlib
import time
import warnings
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numba import njit
from rich.console import Console
from rich.table import Table

from benchmarks.provenance import RESULTS, write_result
from environments.navigation import NavigationBatch
from environments.navigation.mujoco_calls import float_pointer, mj_forward, mj_step
from environments.safety_gymnasium import install, make

TASKS = [
    *(f"Point{task}" for task in ("Circle1", "Goal1", "Goal2", "Push1", "Push2", "Button1", "Button2")),
    *(f"Car{task}" for task in ("Circle1", "Goal1", "Push1", "Button1")),
]
COLUMNS = {
    "plain steps/s": "plain_steps_per_s",
    "fast steps/s": "fast_steps_per_s",
    "raw steps/s": "raw_steps_per_s",
    "plain reset ms": "plain_reset_ms",
    "fast reset ms": "fast_reset_ms",
    "plain incl. resets/s": "plain_with_resets_per_s",
    "fast incl. resets/s": "fast_with_resets_per_s",
    "fast : plain": "speedup",
    "fast : published": "speedup_over_published",
    "raw : fast": "raw_over_fast",
    "2 threads : 1": "two_threads_over_one",
}


@njit(nogil=True)
def step_raw(addresses: Any, moments: Any, path: Any, height: float, num_mocaps: int, actions: Any) -> None:
    """Steps the physics of every environment as often as an environment step does, and does nothing else."""
    for row in range(len(addresses)):
        at = addresses[row]
        ctrl, mocap_pos = float_pointer(at.ctrl), float_pointer(at.mocap_pos)
        for index in range(actions.shape[1]):
            ctrl[index] = actions[row, index]
        for substep in range(10):
            for mocap in range(num_mocaps):
                mocap_pos[3 * mocap] = path[moments[row] + substep, 0]
                mocap_pos[3 * mocap + 1] = path[moments[row] + substep, 1]
                mocap_pos[3 * mocap + 2] = height
            mj_step(at.model, at.data)
        mj_forward(at.model, at.data)


def seconds_per(clock: Callable[[], float], count: int, work: Callable[[], Any]) -> float:
    """Seconds of `work`, which does `count` things, for one of them."""
    start = clock()
    work()
    return (clock() - start) / count


def published(env_id: str) -> Any:
    """The environment as Safety-Gymnasium makes it, on this stack."""
    install()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="overflow encountered in cast", category=RuntimeWarning)
        return importlib.import_module("safety_gymnasium").make(env_id, disable_env_checker=True)


class Contest:
    """Plain, fast and raw environments of one task."""

    def __init__(self, task: str, num_envs: int, steps: int) -> None:
        self.env_id, self.num_envs, self.steps = f"Safety{task}-v0", num_envs, steps
        seeds = np.arange(num_envs)
        self.fast, self.raw = (NavigationBatch(self.env_id, num_envs, seeds) for _ in range(2))
        self.shared = NavigationBatch(self.env_id, num_envs, seeds, num_threads=2)
        self.plain: Any = make(self.env_id)
        self.plain.reset(seed=0)
        self.published = published(self.env_id)
        for batch in (self.fast, self.raw, self.shared):
            batch.reset()
        self.rng = np.random.default_rng(0)

    def play(self) -> dict[str, float]:
        """One round: seconds an environment step or reset, by contender; wall seconds for the two with threads."""
        actions = self.rng.uniform(-1, 1, (self.steps, self.num_envs, 2))
        state, count = self.fast.get_state(), self.steps * self.num_envs
        self.raw.set_state(state)
        cpu, wall = time.process_time, time.perf_counter
        took = {
            "fast": seconds_per(cpu, count, lambda: [self.fast.step(each) for each in actions]),
            "raw": seconds_per(cpu, count, lambda: self._step_raw(actions)),
            "plain": seconds_per(cpu, self.steps, lambda: self._step_plain(actions[:, 0])),
        }
        self.fast.set_state(state)
        self.shared.set_state(state)
        took["one_thread"] = seconds_per(wall, count, lambda: [self.fast.step(each) for each in actions])
        took["two_threads"] = seconds_per(wall, count, lambda: [self.shared.step(each) for each in actions])
        took["fast_reset"] = seconds_per(cpu, self.num_envs, lambda: self.fast._begin(np.arange(self.num_envs)))
        took["plain_reset"] = seconds_per(cpu, 1, self.plain.reset)
        took["published_reset"] = seconds_per(cpu, 1, self.published.reset)
        return took

    def _step_raw(self, actions: Any) -> None:
        rules, start = self.raw._rules, self.raw._episodes.progress["steps"]
        for step, each in enumerate(actions):
            moments = (start + step) % rules.horizon * 10
            step_raw(self.raw._addresses, moments, rules.mocap_path, rules.mocap_height, rules.num_mocaps, each)

    def _step_plain(self, actions: Any) -> None:
        for action in actions:
            *_, terminated, truncated, _ = self.plain.step(action)
            if terminated or truncated:
                self.plain.reset()


def measure(task: str, num_envs: int, steps: int, rounds: int) -> dict[str, float]:
    """Medians over the rounds, after one that compiles."""
    contest = Contest(task, num_envs, steps)
    contest.play()
    played: dict[str, list[float]] = defaultdict(list)
    for _ in range(rounds):
        for name, value in contest.play().items():
            played[name].append(value)
    took = {name: median(values) for name, values in played.items()}
    horizon = contest.fast.horizon
    assert horizon is not None
    plain, fast = (took[name] + took[f"{name}_reset"] / horizon for name in ("plain", "fast"))
    pairs = zip(played["two_threads"], played["one_thread"], strict=True)
    return {
        "plain_steps_per_s": 1 / took["plain"],
        "fast_steps_per_s": 1 / took["fast"],
        "raw_steps_per_s": 1 / took["raw"],
        "plain_reset_ms": 1e3 * took["plain_reset"],
        "fast_reset_ms": 1e3 * took["fast_reset"],
        "plain_with_resets_per_s": 1 / plain,
        "fast_with_resets_per_s": 1 / fast,
        "speedup": plain / fast,
        "speedup_over_published": (took["plain"] + took["published_reset"] / horizon) / fast,
        "published_reset_ms": 1e3 * took["published_reset"],
        "raw_over_fast": median(f / r for f, r in zip(played["fast"], played["raw"], strict=True)),
        "two_threads_over_one": 1 / median(two / one for two, one in pairs),
    }


def rows_of(measured: dict[str, dict[str, float]]) -> list[list[str]]:
    """The numbers as text, a task a row."""
    digits = {True: "{:.2f}", False: "{:,.0f}"}
    return [
        [task, *(digits[numbers[key] < 100].format(numbers[key]) for key in COLUMNS.values())]
        for task, numbers in measured.items()
    ]


def main() -> None:
    """Measures, prints a table and writes results/environments.json and .md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", nargs="+", default=TASKS)
    parser.add_argument("--num-envs", type=int, default=16)
    parser.add_argument("--steps", type=int, default=100, help="environment steps in a round")
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    measured = {task: measure(task, arguments.num_envs, arguments.steps, arguments.rounds) for task in arguments.tasks}
    header, rows = ["task", *COLUMNS], rows_of(measured)
    table = Table(*header)
    for row in rows:
        table.add_row(*row)
    Console(width=200).print(table)
    path = write_result("environments", measured)
    lines = [header, ["---", *("--:" for _ in COLUMNS)], *rows]
    text = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    Path(RESULTS / "environments.md").write_text(f"{text}\n\nWhere it was measured, and how: `{path.name}`.\n")


if __name__ == "__main__":
    main()

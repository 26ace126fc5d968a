"""Training speed side by side: OmniSafe as installed and without textures, RLlib's own PPO, and Lagsweep.

    python -m benchmarks.race --omnisafe PYTHON [--task Circle1] [--steps 5000] [--rounds 1] [--append]

PYTHON is the interpreter of OmniSafe's own environment (benchmarks/README.md). Contestants are processes that wait for
their turn; each trains one iteration a round, so that a slower moment of the machine meets all of them. All stay on one
core with one thread. What counts is CPU seconds of the training process; wall seconds are kept too. The settings are
those of Table A.1 (40 passes, minibatches of 64 rows, no early stop) but for shorter iterations, whose cost per step is
the same. `--append` adds rounds to those that the result file already holds.
"""

import argparse
import json
import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.provenance import RESULTS, write_result
from environments.tasks import find_task

Round = dict[str, dict[str, float]]


class Contestant:
    """A training process that waits for its turn."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        )
        self._answer()

    def iterate(self) -> dict[str, float]:
        """Trains one iteration.

        Returns:
            Its env steps, and the seconds of rollout and update.
        """
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return self._answer()

    def close(self) -> None:
        """Ends the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def _answer(self) -> dict[str, float]:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("{"):  # OmniSafe also prints where it writes its logs
                return json.loads(line)
        raise RuntimeError(f"a contestant ended with exit code {self._process.wait()}; run its command by hand.")


def commands(arguments: argparse.Namespace) -> dict[str, list[str]]:
    """Contestant → command."""
    sizes = ["--steps", str(arguments.steps), "--epochs", str(arguments.epochs)]
    env_id = find_task(arguments.task).env_id
    omnisafe = [arguments.omnisafe, str(Path(__file__).parent / "peers" / "omnisafe_ppo_lag.py"), "--task", env_id]
    ours = [sys.executable, "-W", "ignore", "-m"]
    task = ["--task", arguments.task]
    lagsweep = [*ours, "benchmarks.peers.lagsweep_ppo_lagrangian", *task, *sizes, "--seeds"]
    return {
        "OmniSafe": [*omnisafe, *sizes],
        "OmniSafe without textures": [*omnisafe, "--no-textures", *sizes],
        "RLlib PPO": [*ours, "benchmarks.peers.rllib_ppo", *task, *sizes],
        "Lagsweep, 1 seed": [*lagsweep, "1"],
        "Lagsweep, 10 seeds": [*lagsweep, "10"],
    }


def race(arguments: argparse.Namespace) -> list[Round]:
    """Runs the rounds."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive", "MUJOCO_GL": "egl"}
    environment |= {"RAY_USAGE_STATS_ENABLED": "0"}
    with ExitStack() as stack:
        contestants = {}
        for name, command in commands(arguments).items():
            contestants[name] = Contestant(command, environment)
            stack.callback(contestants[name].close)
        for name in ("RLlib PPO", "Lagsweep, 1 seed", "Lagsweep, 10 seeds"):
            contestants[name].iterate()  # compiles and fills caches; OmniSafe has nothing to warm up
        return [{name: each.iterate() for name, each in contestants.items()} for _ in range(arguments.rounds)]


def rates(measured: dict[str, float]) -> dict[str, float]:
    """Env steps per CPU second: in all, of the rollout and of the update."""
    steps, rollout, update = (measured[key] for key in ("env_steps", "rollout_cpu_s", "update_cpu_s"))
    return {
        "env_steps_per_cpu_s": steps / (rollout + update),
        "rollout_env_steps_per_cpu_s": steps / rollout,
        "update_env_steps_per_cpu_s": steps / update,
    }


def summarize(rounds: list[Round]) -> dict[str, dict[str, float]]:
    """Medians over the rounds, and how many times the speed of each OmniSafe a contestant has."""
    medians: dict[str, dict[str, float]] = {}
    for name in rounds[0]:
        of_round = [rates(each[name]) for each in rounds]
        medians[name] = {key: median(values[key] for values in of_round) for key in of_round[0]}
    for key, peer in (("times_omnisafe", "OmniSafe"), ("times_without_textures", "OmniSafe without textures")):
        for row in medians.values():
            row[key] = row["env_steps_per_cpu_s"] / medians[peer]["env_steps_per_cpu_s"]
    return medians


def earlier_rounds(path: Path, settings: dict[str, Any]) -> list[Round]:
    """Rounds of a result file.

    Raises:
        ValueError: If they were run with other settings.
    """
    measured = json.loads(path.read_text())["measured"]
    if measured["settings"] != settings:
        raise ValueError(f"`--append` needs the settings of {path.name}, {measured['settings']}, but got {settings}.")
    return measured["rounds"]


def main() -> None:
    """Races, prints a table and writes results/race_TASK.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--omnisafe", required=True, metavar="PYTHON", help="interpreter of OmniSafe's environment")
    parser.add_argument("--task", default="Circle1")
    parser.add_argument("--steps", type=int, default=5_000, help="env steps per seed and iteration")
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--core", type=int, default=0)
    parser.add_argument("--append", action="store_true")
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {arguments.core})  # inherited by every contestant
    name = f"race_{arguments.task}"
    settings = {"task": arguments.task, "steps": arguments.steps, "epochs": arguments.epochs, "threads": 1}
    before = earlier_rounds(RESULTS / f"{name}.json", settings) if arguments.append else []
    rounds = before + race(arguments)
    medians = summarize(rounds)
    sys.argv[sys.argv.index(arguments.omnisafe)] = "PYTHON"  # no machine's path in the result
    path = write_result(name, {"settings": settings, "medians": medians, "rounds": rounds})
    title = f"{arguments.task}, env steps per CPU second on one core, medians of {len(rounds)} rounds"
    table = Table("", "in all", "rollout", "update", "× OmniSafe", "× without textures", title=title)
    for contestant, row in medians.items():
        *speeds, times, times_without_textures = row.values()
        ratios = (f"{ratio:.1f}" for ratio in (times, times_without_textures))
        table.add_row(contestant, *(f"{speed:,.0f}" for speed in speeds), *ratios)
    Console().print(table)
    Console().print(f"written to {path.relative_to(path.parents[2])}")


if __name__ == "__main__":
    main()

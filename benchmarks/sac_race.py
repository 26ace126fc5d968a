"""Training speed side by side, off-policy: OmniSafe's SACLag as installed and without textures, and Lagsweep.

    python -m benchmarks.sac_race --omnisafe PYTHON [--task Circle1] [--steps 500] [--rounds 1] [--append]

PYTHON is the interpreter of OmniSafe's own environment (benchmarks/README.md). Contestants are processes that wait for
their turn (`benchmarks.race`), on one core with one thread: 256 rows, two hidden layers of 256 units, one gradient step
for each env step, a step of the policy with every second one. A turn of 500 steps has one reset in Circle1. What counts
is CPU seconds of the training process. The limit is the time of the matrix products of a gradient step alone, back to
back in the same BLAS, which nothing that keeps the algorithm and float32 can beat.
"""

import argparse
import itertools
import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from statistics import median

import torch
from rich.console import Console
from rich.table import Table

from benchmarks.provenance import RESULTS, write_result
from benchmarks.race import Contestant, Round, earlier_rounds, rates
from environments.tasks import find_task

_ROWS, _HIDDEN, _CRITICS = 256, (256, 256), 3
_OURS = ("Lagsweep, 1 seed", "Lagsweep, 5 seeds")


def commands(arguments: argparse.Namespace) -> dict[str, list[str]]:
    """Contestant → command."""
    omnisafe = [arguments.omnisafe, "-W", "ignore", "-m", "benchmarks.peers.omnisafe_sac_lag"]
    omnisafe += ["--task", find_task(arguments.task).env_id, "--steps", str(arguments.steps)]
    ours = [sys.executable, "-W", "ignore", "-m", "benchmarks.peers.lagsweep_sac_lagrangian"]
    ours += ["--task", arguments.task, "--steps", str(arguments.steps), "--seeds"]
    return {
        "OmniSafe": omnisafe,
        "OmniSafe without textures": [*omnisafe, "--no-textures"],
        **{name: [*ours, name.split()[1]] for name in _OURS},
    }


def products_s(observations: int, actions: int, count: int = 40) -> float:
    """CPU seconds of the matrix products of one seed's gradient step, the policy's counted by half.

    Of the critics: forward at the next and at the old actions, backward by weights and by what entered a hidden layer;
    of the policy: forward at the next observations; every second time the policy forward and backward, and the critics
    forward and backward by what entered.
    """
    critic, policy = (observations + actions, *_HIDDEN, 1), (observations, *_HIDDEN, 2 * actions)
    always = 3 * _CRITICS * _product_s(critic, count) + _product_s(policy, count)
    first_of_critics = _CRITICS * _product_s(critic[:2], count)  # by what entered the first layer: not needed
    policy_step = 2 * _CRITICS * _product_s(critic, count) + 3 * _product_s(policy, count)
    policy_step -= _product_s(policy[:2], count)
    return always + _CRITICS * _product_s(critic, count) - first_of_critics + policy_step / 2


def _product_s(sizes: tuple[int, ...], count: int) -> float:
    """CPU seconds of one product for each layer of a network."""
    pairs = [(torch.rand(_ROWS, inputs), torch.rand(inputs, outputs)) for inputs, outputs in itertools.pairwise(sizes)]
    for warm in (True, False):
        started = time.process_time()
        for _ in range(2 if warm else count):
            for left, right in pairs:
                torch.mm(left, right)
    return (time.process_time() - started) / count


def race(arguments: argparse.Namespace) -> Iterator[Round]:
    """Runs the rounds, one after the other."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive", "MUJOCO_GL": "egl"}
    environment |= {"RAY_USAGE_STATS_ENABLED": "0", "PYTHONPATH": str(Path(__file__).parents[1])}
    torch.set_num_threads(1)
    with ExitStack() as stack:
        contestants = {}
        for name, command in commands(arguments).items():
            contestants[name] = Contestant(command, environment)
            stack.callback(contestants[name].close)
        for name in _OURS:
            contestants[name].iterate()  # before learning starts; compiles the environments
        for _ in range(arguments.rounds):
            measured = {name: each.iterate() for name, each in contestants.items()}
            yield {**measured, "limit": {"seconds_per_seed_step": products_s(*arguments.sizes)}}


def summarize(rounds: list[Round]) -> dict[str, dict[str, float]]:
    """Medians over the rounds, how many times the speed of each OmniSafe, and the share of the limit's time."""
    limit = median(each["limit"]["seconds_per_seed_step"] for each in rounds)
    medians: dict[str, dict[str, float]] = {}
    for name in rounds[0].keys() - {"limit"}:
        of_round = [rates(each[name]) for each in rounds]
        medians[name] = {key: median(values[key] for values in of_round) for key in of_round[0]}
        medians[name]["percent_of_matmul_limit"] = 100.0 * limit * medians[name]["update_env_steps_per_cpu_s"]
    for key, peer in (("times_omnisafe", "OmniSafe"), ("times_without_textures", "OmniSafe without textures")):
        for row in medians.values():
            row[key] = row["env_steps_per_cpu_s"] / medians[peer]["env_steps_per_cpu_s"]
    return {name: medians[name] for name in ("OmniSafe", "OmniSafe without textures", *_OURS)}


def main() -> None:
    """Races, prints a table and writes results/sac_race_TASK.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--omnisafe", required=True, metavar="PYTHON", help="interpreter of OmniSafe's environment")
    parser.add_argument("--task", default="Circle1")
    parser.add_argument("--sizes", type=int, nargs=2, default=[28, 2], help="entries of an observation and an action")
    parser.add_argument("--steps", type=int, default=500, help="env steps per seed and turn")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--core", type=int, default=0)
    parser.add_argument("--append", action="store_true")
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {arguments.core})  # inherited by every contestant
    name = f"sac_race_{arguments.task}"
    settings = {"task": arguments.task, "steps": arguments.steps, "rows": _ROWS, "hidden": list(_HIDDEN), "threads": 1}
    rounds = earlier_rounds(RESULTS / f"{name}.json", settings) if arguments.append else []
    running = race(arguments)
    sys.argv[sys.argv.index(arguments.omnisafe)] = "PYTHON"  # no machine's path in the result
    for each in running:  # a round is kept whatever becomes of the next one
        rounds.append(each)
        medians = summarize(rounds)
        path = write_result(name, {"settings": settings, "medians": medians, "rounds": rounds})
        _print(medians, f"{arguments.task}, one core, {len(rounds)} rounds, in {path.relative_to(path.parents[2])}")


def _print(medians: dict[str, dict[str, float]], title: str) -> None:
    table = Table("", *next(iter(medians.values())), title=title)
    for contestant, row in medians.items():
        table.add_row(contestant, *(f"{value:,.3g}" for value in row.values()))
    Console().print(table)


if __name__ == "__main__":
    main()

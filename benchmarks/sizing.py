"""How long the papers' λ-profiles take on so many cores, from what was measured on one.

    python -m benchmarks.sizing

Reads race_Circle1.json, race_Goal1.json (ten seeds, Table A.1) and environments.json of results/, measures nothing, and
prints the tables of docs/operations.md. A trial is scheduled as a whole, on as many cores as it has threads. Threads
share the seeds in the update; that this is free of loss, and that cores do not slow one another down, is assumed, not
measured.
"""

import heapq
import json
import math
from dataclasses import dataclass
from pathlib import Path

RESULTS = Path(__file__).parent / "results"

NUM_TRIALS = 26  # 25 fixed multipliers and gradient ascent
NUM_SEEDS = 10
ENV_STEPS = 10_000_000
CORES = (2, 64, 1_000)
GPU_NODES = ((16, 1), (64, 4), (256, 16))
GPU_SPEEDS = (3, 10)
TASKS = {"Circle1": "PointCircle1", "Goal1": "PointGoal1", "Button1": "PointButton1", "Push1": "PointPush1"}


@dataclass(frozen=True)
class Rate:
    """Seed-env-steps per second of one core.

    Attributes:
        rollout: While sampling.
        update: While training.
    """

    rollout: float
    update: float

    def hours(self, threads: int = 1) -> float:
        """Hours of one trial whose seeds are shared by so many threads."""
        passes = math.ceil(NUM_SEEDS / threads) / NUM_SEEDS
        return NUM_SEEDS * ENV_STEPS * (1 / self.rollout + passes / self.update) / 3600


def rates() -> dict[str, Rate]:
    """Circle1 and Goal1 as measured; the others are Goal1 but for the speed of their environments."""
    environments = json.loads((RESULTS / "environments.json").read_text())["measured"]
    step = {task: 1 / environments[name]["fast_with_resets_per_s"] for task, name in TASKS.items()}
    known = {task: _raced(task) for task in ("Circle1", "Goal1")}
    goal = known["Goal1"]
    slower = {task: Rate(1 / (1 / goal.rollout + step[task] - step["Goal1"]), goal.update) for task in TASKS}
    return slower | known


def _raced(task: str) -> Rate:
    race = json.loads((RESULTS / f"race_{task}.json").read_text())["measured"]["medians"]["Lagsweep, 10 seeds"]
    return Rate(race["rollout_env_steps_per_cpu_s"], race["update_env_steps_per_cpu_s"])


def makespan(trials: list[Rate], cores: int, threads: int) -> float:
    """Hours until the last of these trials has ended, the longest started first."""
    free = [0.0] * (cores // threads)
    for hours in sorted((rate.hours(threads) for rate in trials), reverse=True):
        heapq.heappush(free, heapq.heappop(free) + hours)
    return max(free)


def best(trials: list[Rate], cores: int) -> tuple[float, int]:
    """Least hours, and with how many threads a trial."""
    return min((makespan(trials, cores, threads), threads) for threads in range(1, min(cores, NUM_SEEDS) + 1))


def table() -> str:
    """Hours and core hours of every task's profile and of all four together, as Markdown."""
    known = rates()
    studies = {task: [rate] * NUM_TRIALS for task, rate in known.items()}
    studies["all four"] = [trial for trials in studies.values() for trial in trials]
    heads = " | ".join(f"hours on {cores:,} cores (threads a trial)" for cores in CORES)
    lines = [f"| Task | env steps/s of a core | core hours | {heads} |", "|---|--:|--:|" + "--:|" * len(CORES)]
    for name, trials in studies.items():
        speed = f"{1 / (1 / known[name].rollout + 1 / known[name].update):,.0f}" if name in known else ""
        cells = [f"{hours:,.1f} ({threads})" for hours, threads in (best(trials, cores) for cores in CORES)]
        lines.append(f"| {name} | {speed} | {sum(rate.hours() for rate in trials):,.0f} | {' | '.join(cells)} |")
    return "\n".join(lines)


def gpu_hours(rate: Rate, cores: int, gpus: int, speed: float) -> float:
    """Hours of a task's profile where cores sample and GPUs update, whichever of both is slower.

    Args:
        rate: Of one core.
        cores: That sample.
        gpus: That update.
        speed: How many times as fast as a core a GPU updates; assumed, nothing was measured.
    """
    return NUM_TRIALS * NUM_SEEDS * ENV_STEPS / min(cores * rate.rollout, gpus * speed * rate.update) / 3600


def gpu_table() -> str:
    """Hours of every task's profile on cores with GPUs of assumed speeds, as Markdown."""
    places = [(cores, gpus, speed) for cores, gpus in GPU_NODES for speed in GPU_SPEEDS]
    heads = " | ".join(f"{cores} cores, {gpus} GPU{'s' * (gpus > 1)} of {speed}×" for cores, gpus, speed in places)
    lines = [f"| Task | {heads} |", "|---|" + "--:|" * len(places)]
    for name, rate in rates().items():
        lines.append(f"| {name} | {' | '.join(f'{gpu_hours(rate, *place):,.1f}' for place in places)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table(), gpu_table(), sep="\n\n")

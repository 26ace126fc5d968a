"""Training while MLflow is away: env steps per second with a server that answers, one that hangs, and none.

    python -m benchmarks.tracking_training [--rounds 3] [--iterations 30]

One PPO-Lagrangian run on Circle1 trains in a Ray worker and its tracker runs in the driver, as in a study. Every round
trains the same number of iterations under each condition, in turns that change from round to round, each with a tracker
that has just started: it tries MLflow most often then.
"""

import argparse
import math
import os
import socket
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any

import ray
from rich.console import Console
from rich.table import Table

from benchmarks.provenance import write_result
from sweeps import StudySpec
from sweeps.records import Execution, ResultRow, SeedRun, State, Trial
from sweeps.running.checkpoints import Cadence
from sweeps.running.execution import Assignment, Job, build_algorithm, result_row
from sweeps.running.ray_session import connected
from sweeps.tracking import Tracker
from sweeps.tracking.server import Address, start, stop

SPEC = StudySpec.model_validate(
    {
        "name": "outage",
        "task": "Circle1",
        "cost_limit": 25.0,
        "env_steps": 10**8,
        "seeds": 2,
        "hyperparameters": {"steps_per_iteration": 1000, "num_envs": 10, "num_epochs": 4},
        "lagrangian": {"update": "pid"},
    }
)
EXECUTION = Execution(id=1, trial=0, attempt=1, seeds=(0, 1))
TRIAL = Trial(0, "pid", "pid", {}, State.RUNNING, tuple(SeedRun(seed, State.RUNNING) for seed in EXECUTION.seeds))


@ray.remote(num_cpus=1)
class Worker:
    """What trains, in a process of its own."""

    def __init__(self, folder: str) -> None:
        run = SPEC.resolve("pid", {})
        self._algorithm = build_algorithm(Assignment((Job(EXECUTION, run, folder),), Cadence(seconds=math.inf)))

    def iterate(self) -> list[ResultRow]:
        """Trains one iteration."""
        return [result_row(EXECUTION, row, time.time()) for row in self._algorithm.train()["seed_rows"]]


def train(worker: Any, iterations: int, uri: str | None) -> tuple[float, int]:
    """Trains for a while.

    Args:
        worker: What trains; it goes on where it stands.
        iterations: How many.
        uri: MLflow's address; None trains without a tracker.

    Returns:
        Env steps of all seeds per second, and events that MLflow got meanwhile or within a second after.
    """
    if uri is None:
        return _speed(worker, iterations, None), 0
    with tempfile.TemporaryDirectory() as folder:
        tracker = Tracker(Path(folder), uri, None, f"outage-{time.time_ns()}", SPEC.to_yaml(), {})
        tracker.start()
        tracker.trial_started(TRIAL)
        speed = _speed(worker, iterations, tracker)
        events = len((Path(folder) / "spool.jsonl").read_bytes().splitlines())
        return speed, max(0, events - tracker.close(timeout_s=1.0))


def _speed(worker: Any, iterations: int, tracker: Tracker | None) -> float:
    steps, started = 0, time.perf_counter()
    for _ in range(iterations):
        rows = ray.get(worker.iterate.remote())
        if tracker is not None:
            tracker.rows(rows)
        steps += 1000 * len(rows)
    return steps / (time.perf_counter() - started)


def measure(worker: Any, uris: Mapping[str, str | None], rounds: int, iterations: int) -> dict[str, Any]:
    """Env steps per second under each condition, of every round."""
    speeds: dict[str, list[float]] = {name: [] for name in uris}
    shipped = dict.fromkeys(uris, 0)
    for index in range(rounds):
        names = [*uris][index % len(uris) :] + [*uris][: index % len(uris)]
        for name in names:
            speed, events = train(worker, iterations, uris[name])
            speeds[name].append(round(speed))
            shipped[name] += events
    usual = speeds["no tracker"]
    return {
        name: {
            "steps_per_s": values,
            "median": median(values),
            "to_no_tracker_of_the_round": round(median(a / b for a, b in zip(values, usual, strict=True)), 3),
            "events_shipped": shipped[name],
        }
        for name, values in speeds.items()
    }


def main() -> None:
    """Runs the benchmark, prints a table and writes results/tracking_training.json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--iterations", type=int, default=30, help="of a turn, 1000 env steps a seed each")
    options = parser.parse_args()
    os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] = "5"  # a tracker of an earlier turn gives up before its next one
    import mlflow  # noqa: F401 - its seconds are not what is measured

    with ExitStack() as cleanup:
        storage = cleanup.enter_context(tempfile.TemporaryDirectory())
        listener = cleanup.enter_context(socket.create_server(("127.0.0.1", 0)))  # takes calls and never answers
        server = start(Path(storage), Address(port=5100))
        cleanup.callback(stop, Path(storage), server)
        cleanup.enter_context(connected("local"))
        worker = Worker.remote(storage)
        hanging = f"http://127.0.0.1:{listener.getsockname()[1]}"
        uris = {"no tracker": None, "server up": server.url, "server hangs": hanging, "away": "http://127.0.0.1:9"}
        train(worker, 2, server.url)  # compiles what is compiled, and imports what is imported late
        measured = measure(worker, uris, options.rounds, options.iterations)
    table = Table("", "env steps/s, median", "to no tracker", "events shipped")
    for name, values in measured.items():
        ratio = f"{values['to_no_tracker_of_the_round']:.3f}"
        table.add_row(name, f"{values['median']:,.0f}", ratio, str(values["events_shipped"]))
    console = Console()
    console.print(table)
    console.print(f"written: {write_result('tracking_training', measured)}")


if __name__ == "__main__":
    main()

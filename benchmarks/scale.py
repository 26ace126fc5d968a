"""What a driver costs as a study grows: per result, in memory, and to read 10 000 trials back.

    python -m benchmarks.scale [--part read|results|memory|nodes|tune] [--quick]

Results of many workers are simulated: the searcher, the recorder, the ledger, the spool and MLflow's shipper are the
real ones, and what Ray Tune would hand them is made up here, without training and without Ray. Only the part `tune` has
Tune's own loop too (`benchmarks.tune_loop`): the study's executor runs 64 trials in as many real workers, which train
nothing. Every part runs in a process of its own, so that memory is that part's.
"""

import argparse
import json
import multiprocessing
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import psutil

# As in the driver: MLflow's thread must not be the first to import it.
import sqlalchemy.orm  # noqa: F401  # pyright: ignore[reportUnusedImport]
from rich.console import Console
from sqlalchemy import update

from benchmarks.dummy import STEPS, report
from benchmarks.provenance import write_result
from benchmarks.tune_loop import run_dummies
from sweeps.history import History
from sweeps.ledger import NewTrial
from sweeps.ledger.database import writing
from sweeps.ledger.ledger import add_trials
from sweeps.ledger.tables import seed_runs, trials
from sweeps.running.checkpoints import Cadence
from sweeps.running.execution import ASSIGNMENT
from sweeps.running.progress import Progress
from sweeps.running.recorder import Recorder
from sweeps.running.searcher import ExecutionSearcher
from sweeps.spec import StudySpec
from sweeps.study import Study, create_study
from sweeps.tracking import Tracker
from sweeps.tracking.store import find_store


@dataclass
class SimulatedTrial:
    """What the recorder reads of a Tune trial."""

    trial_id: str
    config: dict[str, Any]
    last_result: dict[str, Any] = field(default_factory=dict)


class Timed:
    """Passes every call on to an object, and notes how long it took.

    Args:
        inner: The object; its attribute `ledger`, where it has one, is timed too.
        seconds: Takes the length of every call.
    """

    def __init__(self, inner: Any, seconds: list[float]) -> None:
        self._inner = inner
        self._seconds = seconds

    def __getattr__(self, name: str) -> Any:
        """An attribute of the object; a method with the watch."""
        value = getattr(self._inner, name)
        if name == "ledger":
            return Timed(value, self._seconds)
        if not callable(value):
            return value

        def timed(*arguments: Any, **named: Any) -> Any:
            begin = time.perf_counter()
            try:
                return value(*arguments, **named)
            finally:
                self._seconds.append(time.perf_counter() - begin)

        return timed


def study_of(folder: str, num_trials: int, num_seeds: int, iterations: int) -> Study:
    """A study whose trials have all been suggested and wait."""
    spec = StudySpec.model_validate(
        {
            "name": "scale",
            "task": "analytic/ring",
            "cost_limit": 12.0,
            "env_steps": STEPS * iterations,
            "seeds": num_seeds,
            "hyperparameters": {"steps_per_iteration": STEPS, "num_envs": 10, "minibatch_size": 64},
            "lagrangian": {"update": "pid"},
            "search": {"kind": "optuna", "trials": num_trials, "space": {"kp": {"low": 0.01, "high": 1.0}}},
        }
    )
    study = create_study(spec, folder)
    suggested = [NewTrial(f"pid:{n}", "pid", {"kp": 0.01 + 0.99 * n / num_trials}) for n in range(num_trials)]
    with study._driving() as writer, writer.transaction() as connection:
        add_trials(connection, writer.study, 0, spec.seed_list, suggested)
    return study


def simulate(num_trials: int, concurrent: int, num_seeds: int, iterations: int) -> dict[str, float]:
    """Drives a study through its results and says what each cost."""
    layers: dict[str, list[float]] = {"ledger": [], "spool": []}
    with tempfile.TemporaryDirectory(prefix="ls-scale-", ignore_cleanup_errors=True) as folder:
        study = study_of(folder, num_trials, num_seeds, iterations)
        spec = study.spec
        store = find_store(study.storage)
        tracker = Tracker(study.folder, store.uri, store.artifact_root, spec.name, spec.to_yaml(), {})
        progress = Progress(
            spec.name,
            Console(quiet=True),
            counts=study.status().counts,
            env_steps=spec.env_steps,
            env_steps_done=0,
            env_steps_total=study.env_steps_total,
            planned={},
        )
        with study._driving() as driving:
            writer: Any = Timed(driving, layers["ledger"])
            timed_tracker: Any = Timed(tracker, layers["spool"])
            recorder = Recorder(writer, spec, timed_tracker, History(), progress)
            searcher = ExecutionSearcher(
                writer,
                spec,
                checkpoints=study.checkpoints,
                cadence=Cadence(),
                max_concurrent=lambda: concurrent,
                stop=recorder.stop,
            )
            tracker.start()
            spent = drive(recorder, searcher, concurrent, iterations)
            unsent = tracker.close(timeout_s=1.0)
        assert study.status().is_finished
        ledger = (study.storage / "ledger.db").stat().st_size
    cpu = spent.pop("cpu")[0]
    results = sorted(spent["result"])
    seconds = sum(sum(times) for times in spent.values())
    shares = {name: sum(calls) / seconds for name, calls in layers.items()}
    return {
        "trials": num_trials,
        "concurrent": concurrent,
        "seeds": num_seeds,
        "results": len(results),
        "ms_per_result_median": round(1e3 * median(results), 3),
        "ms_per_result_99th": round(1e3 * results[int(0.99 * len(results))], 3),
        "ms_per_trial_start": round(1e3 * median(spent["start"]), 3),
        "ms_per_trial_end": round(1e3 * median(spent["end"]), 3),
        "ms_all_per_result": round(1e3 * seconds / len(results), 3),
        "cpu_ms_all_per_result": round(1e3 * cpu / len(results), 3),
        "seconds": round(seconds, 3),
        "share_ledger": round(shares["ledger"], 3),
        "share_spool": round(shares["spool"], 3),
        "share_rest": round(1.0 - sum(shares.values()), 3),
        "rss_mib": round(psutil.Process().memory_info().rss / 2**20, 1),
        "peak_rss_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10, 1),
        "ledger_mib": round(ledger / 2**20, 1),
        "events_mlflow_has_not_got": unsent,
    }


def drive(recorder: Recorder, searcher: ExecutionSearcher, concurrent: int, iterations: int) -> dict[str, list[float]]:
    """Plays Ray Tune: starts what the searcher hands out, and lets all that runs report in turn."""
    spent: dict[str, list[float]] = {"start": [], "result": [], "end": []}
    live: list[tuple[str, SimulatedTrial, int]] = []
    number, more = 0, True
    cpu = time.process_time()
    while live or more:
        while more and len(live) < concurrent:
            begin = time.perf_counter()
            config = searcher.suggest(f"tune-{number}")
            if not isinstance(config, dict):
                more = False
                break
            trial = SimulatedTrial(f"tune-{number}", config)
            recorder.on_trial_start(0, [], trial)
            spent["start"].append(time.perf_counter() - begin)
            live.append((f"tune-{number}", trial, 0))
            number += 1
        still: list[tuple[str, SimulatedTrial, int]] = []
        for name, trial, done in live:
            execution = trial.config[ASSIGNMENT].first.execution
            complete = done + 1 == iterations
            result = dict(report(execution, done + 1, complete=complete))
            begin = time.perf_counter()
            recorder.on_trial_result(0, [], trial, result)
            spent["result"].append(time.perf_counter() - begin)
            if not complete:
                still.append((name, trial, done + 1))
                continue
            begin = time.perf_counter()
            trial.last_result = {"complete": True}
            searcher.on_trial_complete(name)
            recorder.on_trial_complete(0, [], trial)
            spent["end"].append(time.perf_counter() - begin)
        live = still
    assert recorder.error is None
    return spent | {"cpu": [time.process_time() - cpu]}


def finished_study(folder: str, num_trials: int, num_seeds: int) -> Study:
    """A ledger with so many complete trials."""
    study = study_of(folder, num_trials, num_seeds, 10)
    interval = {"mean": 20.0, "low": 19.0, "high": 21.0, "num_seeds": num_seeds}
    runs = {"state": "COMPLETE", "env_steps": 10_000, "iterations": 10, "mean_return": 20.0}
    of_trial = {"state": "COMPLETE", "mean_return": interval, "mean_cost": {"cost": interval}, "feasible": True}
    with writing(study._ledger.engine).begin() as connection:
        connection.execute(update(trials).values(**of_trial))
        connection.execute(update(seed_runs).values(**runs, mean_cost={"cost": 10.0}, multiplier={"cost": 0.5}))
    return study


def read(num_trials: int, num_seeds: int) -> dict[str, Any]:
    """Seconds of what people ask of a large study, in Python and as commands with their start-up."""
    with tempfile.TemporaryDirectory(prefix="ls-scale-", ignore_cleanup_errors=True) as folder:
        study = finished_study(folder, num_trials, num_seeds)
        measured: dict[str, Any] = {"trials": num_trials, "seeds": num_seeds}
        for name, ask in {
            "status": study.status,
            "trials": lambda: study.trials,
            "best": lambda: study.best_trial,
        }.items():
            times: list[float] = []
            for _ in range(5):
                begin = time.perf_counter()
                ask()
                times.append(time.perf_counter() - begin)
            measured[f"{name}_s"] = round(median(times), 3)
        for command in (["status"], ["best"], ["trials"], ["trials", "--output", "csv"]):
            begin = time.perf_counter()
            arguments = [sys.executable, "-m", "sweeps.cli", command[0], "scale", *command[1:], "--storage", folder]
            subprocess.run(arguments, check=True, stdout=subprocess.DEVNULL)
            measured[f"lagsweep_{'_'.join(command)}_s"] = round(time.perf_counter() - begin, 3)
    return measured


def alone(function: Any, *arguments: int) -> Any:
    """Runs one part in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        measured = pool.apply(function, arguments)
    print(json.dumps(measured), flush=True)
    return measured


def main() -> None:
    """Measures every part and writes results/scale_PART.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a tenth of everything, written nowhere")
    parser.add_argument("--part", choices=["read", "results", "memory", "nodes", "tune"], action="append")
    arguments = parser.parse_args()
    tenth = 10 if arguments.quick else 1
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    parts = {
        "read": lambda: alone(read, 10_000 // tenth, 10),
        "results": lambda: alone(simulate, 64, 64, 10, 100 // tenth),
        "memory": lambda: [alone(simulate, n // tenth, 64, 2, 2) for n in (1_000, 10_000)],
        "nodes": lambda: [alone(simulate, n // tenth, n // tenth, 10, 3) for n in (100, 1_000)],
        "tune": lambda: alone(run_dummies, max(2, 64 // tenth), 10, 60),
    }
    for name in arguments.part or list(parts):
        measured = parts[name]()
        if not arguments.quick:
            write_result(f"scale_{name}", measured)


if __name__ == "__main__":
    main()

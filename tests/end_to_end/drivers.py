"""Drivers of one small study as real processes, and what a study must amount to whatever happened to them."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import psutil
from mlflow import MlflowClient

from sweeps.records import ResultRow, State, Trial
from sweeps.spec import StudySpec
from sweeps.study import Study
from sweeps.tracking.spool import read_rows

ITERATIONS = 20
STEPS = 200

SPEC = StudySpec.model_validate(
    {
        "name": "ring",
        "task": "analytic/ring",
        "cost_limit": 12.0,
        "env_steps": STEPS * ITERATIONS,
        "seeds": 2,
        "hyperparameters": {"steps_per_iteration": STEPS, "num_envs": 2, "num_epochs": 4, "minibatch_size": 64},
        "arms": {
            "fixed": {"lagrangian": {"update": "fixed"}, "search": {"kind": "grid", "multiplier": [0.0, 1.0]}},
            "pid": {
                "lagrangian": {"update": "pid"},
                "search": {"kind": "optuna", "trials": 1, "space": {"kp": {"low": 0.01, "high": 1.0}}},
            },
        },
    }
)
NUM_TRIALS = 3


def start_driver(study: Study, verb: str = "run", *fault: str, **environment: str) -> subprocess.Popen[bytes]:
    """A driver in a process group of its own, perhaps with a fault (see `tests.end_to_end.faults`)."""
    variables = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)} | environment
    command = [sys.executable, "-m", "tests.end_to_end.faults", str(study.storage), study.name, verb, *fault]
    with (study.folder / "driver.log").open("ab") as log:
        return subprocess.Popen(command, start_new_session=True, stdout=log, stderr=log, env=variables)


def finish(study: Study, verb: str = "run", **environment: str) -> None:
    """Runs a driver to its end."""
    assert start_driver(study, verb, **environment).wait() == 0, log_of(study)


def log_of(study: Study) -> str:
    return (study.folder / "driver.log").read_text()


def wait_until(study: Study, driver: subprocess.Popen[bytes], reached: Callable[[list[Trial]], bool]) -> None:
    """Watches the ledger as another process does."""
    deadline = time.monotonic() + 400.0
    while not reached(study.trials):
        assert driver.poll() is None, log_of(study)
        assert time.monotonic() < deadline, log_of(study)
        time.sleep(0.02)


def iterations_of(trials: list[Trial]) -> int:
    return sum(run.iterations for trial in trials for run in trial.seed_runs)


def workers_of(driver: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """The processes in which a driver's own Ray trains."""
    children = psutil.Process(driver.pid).children(recursive=True)
    return [child for child in children if "ExecutionTrainable" in " ".join(child.cmdline())]


def numbers(row: ResultRow) -> ResultRow:
    """A row without what may depend on when and in which attempt it was computed."""
    metrics = {key: value for key, value in row.metrics.items() if not key.startswith("time/")}
    return replace(row, metrics=metrics, time=0.0, attempt=0)


def results(study: Study) -> list[ResultRow]:
    rows = read_rows(study.folder / "spool.jsonl")
    return sorted((numbers(row) for row in rows), key=lambda row: (row.trial, row.seed, row.iteration))


def mlflow_runs(study: Study) -> list[tuple[str, ...]]:
    """Names and states of the study's runs."""
    client = MlflowClient(f"sqlite:///{study.storage / 'mlflow.db'}")
    experiment = client.get_experiment_by_name(study.name)
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    return sorted((run.info.run_name or "", run.info.status) for run in runs)


def mlflow_contents(study: Study) -> list[tuple[Any, ...]]:
    """Parameters and curves of the study's runs, without what depends on when something was measured."""
    client = MlflowClient(f"sqlite:///{study.storage / 'mlflow.db'}")
    experiment = client.get_experiment_by_name(study.name)
    assert experiment is not None
    return sorted(
        (run.info.run_name or "", sorted(run.data.params.items()), _curves(client, run.info.run_id, run.data.metrics))
        for run in client.search_runs([experiment.experiment_id])
    )


def _curves(client: MlflowClient, run: str, keys: Iterable[str]) -> list[tuple[str, list[tuple[int, float]]]]:
    compared = sorted(key for key in keys if not key.startswith(("time/", "system/")))
    return [
        (key, sorted((point.step, point.value) for point in client.get_metric_history(run, key))) for key in compared
    ]


def assert_same(study: Study, undisturbed: Study) -> None:
    """Same trials, same rows, one run in MLflow for each with the same curves, nothing running, nothing twice."""
    trials: list[Any] = study.trials
    assert trials == undisturbed.trials
    assert {trial.state for trial in trials} == {State.COMPLETE}
    assert results(study) == results(undisturbed)
    assert len(results(study)) == NUM_TRIALS * 2 * ITERATIONS
    assert mlflow_runs(study) == mlflow_runs(undisturbed)
    assert mlflow_contents(study) == mlflow_contents(undisturbed)
    assert {status for _, status in mlflow_runs(study)} == {"FINISHED"}
    assert len(mlflow_runs(study)) == 1 + NUM_TRIALS + NUM_TRIALS * 2  # the study, its trials, their seeds
    assert {state for _, state, _ in study._ledger.executions(1)} <= {State.COMPLETE, State.FAIL}
    status = study.status()
    assert status.is_finished
    assert status.holder is None

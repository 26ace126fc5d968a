"""A study whose driver is killed or interrupted ends as if nothing had happened: real processes, real signals."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from mlflow import MlflowClient

from sweeps.records import ResultRow, State, Trial
from sweeps.spec import StudySpec
from sweeps.study import Status, Study, create_study
from sweeps.tracking.spool import read_rows

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.filterwarnings("ignore"),  # of MLflow's client, which only reads here
]

ITERATIONS = 60

SPEC = StudySpec.model_validate(
    {
        "name": "ring",
        "task": "analytic/ring",
        "cost_limit": 12.0,
        "env_steps": 400 * ITERATIONS,
        "seeds": 2,
        "hyperparameters": {"steps_per_iteration": 400, "num_envs": 2, "num_epochs": 4, "minibatch_size": 64},
        "arms": {
            "fixed": {"lagrangian": {"update": "fixed"}, "search": {"kind": "grid", "multiplier": [0.0, 1.0]}},
            "pid": {"lagrangian": {"update": "pid"}},
        },
    }
)

DRIVE = """
import sys
from sweeps.running.checkpoints import Cadence
from sweeps.study import load_study

verb = getattr(load_study("ring", sys.argv[1]), sys.argv[2])
verb(max_concurrent=2, cadence=Cadence(env_steps=2_800))
"""


def start_driver(study: Study, verb: str = "run") -> subprocess.Popen[bytes]:
    """A driver in a process group of its own."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", DRIVE, str(study.storage), verb]
    with (study.folder / "driver.log").open("ab") as log:
        return subprocess.Popen(command, start_new_session=True, stdout=log, stderr=log, env=environment)


def wait_until(study: Study, driver: subprocess.Popen[bytes], reached: Callable[[list[Trial]], bool]) -> None:
    """Watches the ledger as another process does."""
    deadline = time.monotonic() + 400.0
    while not reached(study.trials):
        log = study.folder / "driver.log"
        assert driver.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.02)


def iterations_of(trials: list[Trial]) -> int:
    return sum(run.iterations for trial in trials for run in trial.seed_runs)


def all_have_a_checkpoint(trials: list[Trial]) -> bool:
    """Whether something runs, all of it is beyond its first checkpoint, and none of it is about to end."""
    running = [trial.seed_runs[0].iterations for trial in trials if trial.state is State.RUNNING]
    return bool(running) and all(8 < iterations < 45 for iterations in running)


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


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Study:
    study = create_study(SPEC, tmp_path_factory.mktemp("undisturbed"))
    assert start_driver(study).wait() == 0, (study.folder / "driver.log").read_text()
    return study


def assert_same(study: Study, undisturbed: Study) -> None:
    trials: list[Any] = study.trials
    assert trials == undisturbed.trials
    assert {trial.state for trial in trials} == {State.COMPLETE}
    assert results(study) == results(undisturbed)
    assert len(results(study)) == 3 * 2 * ITERATIONS
    assert mlflow_runs(study) == mlflow_runs(undisturbed)
    assert {status for _, status in mlflow_runs(study)} == {"FINISHED"}
    assert len(mlflow_runs(study)) == 1 + 3 + 3 * 2  # the study, its trials, their seeds
    assert {state for _, state, _ in study._ledger.executions(1)} <= {State.COMPLETE, State.FAIL}


def status_after(study: Study) -> Status:
    status = study.status()
    assert status.is_finished
    assert status.holder is None
    return status


def test_a_driver_killed_twice_loses_and_repeats_nothing(undisturbed: Study, tmp_path: Path) -> None:
    study = create_study(SPEC, tmp_path)
    for share in (0.1, 0.5):
        driver = start_driver(study)
        wait_until(study, driver, lambda trials, share=share: iterations_of(trials) > share * 6 * ITERATIONS)
        driver.send_signal(signal.SIGKILL)
        driver.wait()
        assert study.status().counts[State.RUNNING] > 0  # nobody had the time to tidy up

    assert start_driver(study).wait() == 0, (study.folder / "driver.log").read_text()

    status_after(study)
    assert_same(study, undisturbed)
    executions = study._ledger.executions(1)
    lost = [execution for execution, _, failure in executions if failure == "driver lost"]
    assert lost
    # What started again after progress started from a checkpoint, not anew.
    assert any(execution.attempt > 1 and execution.resume_from for execution, _, _ in executions)


def test_a_killed_worker_fails_its_trial_alone_and_a_retry_goes_on_from_its_checkpoint(
    undisturbed: Study, tmp_path: Path
) -> None:
    study = create_study(SPEC, tmp_path)
    driver = start_driver(study)
    wait_until(study, driver, all_have_a_checkpoint)
    workers = psutil.Process(driver.pid).children(recursive=True)
    next(worker for worker in workers if "ExecutionTrainable" in " ".join(worker.cmdline())).kill()
    assert driver.wait() == 0, (study.folder / "driver.log").read_text()

    (failed,) = [trial for trial in study.trials if trial.state is State.FAIL]
    assert failed.failure is not None
    assert failed.failure.startswith("ActorDiedError: ")
    assert study.status().counts[State.COMPLETE] == 2

    assert start_driver(study, "retry").wait() == 0, (study.folder / "driver.log").read_text()

    assert_same(study, undisturbed)
    second = study._ledger.executions(1, trial=failed.number)[1][0]
    assert (second.attempt, second.resume_from is not None) == (2, True)


def test_an_interrupted_driver_leaves_nothing_running_and_goes_on_later(undisturbed: Study, tmp_path: Path) -> None:
    study = create_study(SPEC, tmp_path)
    driver = start_driver(study)
    wait_until(study, driver, lambda trials: iterations_of(trials) > 20)
    driver.send_signal(signal.SIGINT)

    assert driver.wait(timeout=120) != 0
    log = (study.folder / "driver.log").read_text()
    assert "Stopping after the running iterations" in log
    assert "KeyboardInterrupt" in log
    status = study.status()
    assert status.holder is None
    assert status.counts[State.RUNNING] == status.counts[State.FAIL] == 0
    assert status.counts[State.WAITING] > 0
    interrupted = [execution for execution, _, failure in study._ledger.executions(1) if failure == "interrupted"]
    assert interrupted
    before = {trial.number: trial.seed_runs[0].iterations for trial in study.trials}

    assert start_driver(study).wait() == 0, (study.folder / "driver.log").read_text()

    assert_same(study, undisturbed)
    # A graceful end leaves a checkpoint of the very iteration that was reported last.
    for execution, _, _ in study._ledger.executions(1):
        if execution.attempt == 2 and execution.trial in {first.trial for first in interrupted}:
            assert execution.resume_from is not None
            assert execution.resume_from.endswith(f"a1-i{before[execution.trial]:06d}")

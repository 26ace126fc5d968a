"""Whole studies on a real Ray, with the real algorithm on an analytic task."""

import logging
from pathlib import Path

import mlflow
import numpy as np
import pytest
from mlflow.tracking import MlflowClient
from ray.train._internal.storage import StorageContext

from sweeps.analysis.summary import interval
from sweeps.errors import SweepError
from sweeps.policy import load_policy
from sweeps.records import Execution, State
from sweeps.running.checkpoints import Cadence, CheckpointStore, trial_folder
from sweeps.running.execution import ASSIGNMENT, Assignment, ExecutionTrainable, Job
from sweeps.spec import StudySpec
from sweeps.study import Status, Study, create_study, load_study
from sweeps.tracking.events import AttemptFailed, StudyStarted, StudyStopped, TrialFinished, TrialStarted
from sweeps.tracking.registry import CHAMPION
from sweeps.tracking.spool import SPOOL_NAME, read_events, read_rows
from sweeps.tracking.store import find_store

pytestmark = [
    pytest.mark.usefixtures("local_ray"),
    pytest.mark.timeout(300),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # of RLlib's own, about its old API stack
]

DIVERGES = 1e30  # a step size that turns the policy into NaN in its first update

SPEC = StudySpec.model_validate(
    {
        "name": "ring",
        "task": "analytic/ring",
        "cost_limit": 1000.0,
        "env_steps": 1000,
        "seeds": 2,
        "hyperparameters": {"steps_per_iteration": 200, "num_envs": 2, "num_epochs": 2, "minibatch_size": 64},
        "arms": {
            "fixed": {"lagrangian": {"update": "fixed"}, "search": {"kind": "grid", "actor_lr": [DIVERGES, 3e-4]}},
            "pid": {
                "lagrangian": {"update": "pid"},
                "search": {"kind": "optuna", "trials": 2, "space": {"kp": {"low": 0.01, "high": 1.0, "log": True}}},
            },
        },
    }
)


@pytest.fixture(scope="module")
def finished(local_ray: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[Study, Status]:
    """The study after one run: its first trial fails, the others go on."""
    storage = tmp_path_factory.mktemp("storage")
    study = create_study(SPEC, storage)
    return study, study.run(progress=False)


def test_every_trial_ends_and_a_failure_leaves_the_others_alone(finished: tuple[Study, Status]) -> None:
    study, status = finished

    assert [(trial.arm, trial.state) for trial in study.trials] == [
        ("fixed", State.FAIL),
        ("fixed", State.COMPLETE),
        ("pid", State.COMPLETE),
        ("pid", State.COMPLETE),
    ]
    assert status.is_finished
    assert status.holder is None


def test_runs_in_mlflow_carry_the_kind_of_their_environments(finished: tuple[Study, Status]) -> None:
    folder = finished[0].folder
    started = next(event for event in read_events(folder / SPOOL_NAME) if isinstance(event, StudyStarted))

    assert started.tags["lagsweep.env_kind"] == "analytic"


def test_a_failure_carries_the_class_and_the_words_of_its_cause(finished: tuple[Study, Status]) -> None:
    trial = finished[0].trials[0]

    assert trial.failure is not None
    assert trial.failure.startswith("NonFiniteError: ")
    assert "seed" in trial.failure
    assert {run.state for run in trial.seed_runs} == {State.FAIL}


def test_a_failed_attempt_leaves_its_traceback_in_the_spool(finished: tuple[Study, Status]) -> None:
    logs = [event for event in read_events(finished[0].folder / SPOOL_NAME) if isinstance(event, AttemptFailed)]

    assert [(event.trial, event.attempt) for event in logs] == [(0, 1)]
    assert "NonFiniteError" in logs[0].log
    assert 'execution.py", line' in logs[0].log
    assert "\x1b" not in logs[0].log


@pytest.mark.filterwarnings("ignore:.*Any type hint")  # MLflow's, about its own classes
def test_the_best_policy_is_the_registered_champion(finished: tuple[Study, Status]) -> None:
    study, status = finished
    assert status.best is not None
    store = find_store(study.storage)
    client = MlflowClient(tracking_uri=store.uri, registry_uri=store.uri)

    version = client.get_model_version_by_alias("lagsweep-ring", CHAMPION)

    run = client.get_run(version.run_id)
    assert run.data.tags["lagsweep.trial"] == str(status.best.number)
    folder = client.download_artifacts(version.run_id, version.source.partition(version.run_id)[2].lstrip("/"))
    policy = load_policy(folder)
    assert version.tags["lagsweep.chosen_by"] == "training"  # 6000 env steps are too few to pay for held-out episodes
    limited = [run for run in status.best.seed_runs if run.mean_cost is not None and run.mean_cost["cost"] <= 1000.0]
    assert policy.seed == max(limited, key=lambda run: run.mean_return or 0.0).seed
    assert policy.description.params["arm"] == status.best.arm
    served = mlflow.pyfunc.load_model(folder)  # what `models:/lagsweep-ring@champion` names
    observations = np.random.default_rng(0).normal(size=(3, policy.observation_size))
    np.testing.assert_array_equal(served.predict(observations), policy.act(observations))


def test_every_iteration_of_every_seed_is_in_the_spool_once(finished: tuple[Study, Status]) -> None:
    study, _ = finished

    rows = read_rows(study.folder / "spool.jsonl")

    found = sorted((row.trial, row.seed, row.iteration) for row in rows if row.trial > 0)
    assert found == [(trial, seed, n) for trial in (1, 2, 3) for seed in (0, 1) for n in range(1, 6)]
    assert all(row.env_steps == 200 * row.iteration for row in rows)


def test_summaries_are_those_of_the_rows(finished: tuple[Study, Status]) -> None:
    study, _ = finished
    trial = study.trials[1]
    last = [row for row in read_rows(study.folder / "spool.jsonl") if row.trial == 1 and row.iteration == 5]

    # 5 iterations: the last 5 % is the last one, in which the episodes of 100 steps of both environments end
    means = {row.seed: sum(row.episode_returns) / len(row.episode_returns) for row in last}
    costs = {row.seed: sum(row.episode_costs["cost"]) / len(row.episode_costs["cost"]) for row in last}
    assert {run.seed: run.mean_return for run in trial.seed_runs} == pytest.approx(means)
    assert trial.mean_return == interval([means[0], means[1]])
    assert trial.mean_cost == {"cost": interval([costs[0], costs[1]])}
    assert trial.feasible is (trial.mean_cost["cost"].mean <= 1000.0)
    assert [(run.iterations, run.env_steps) for run in trial.seed_runs] == [(5, 1000), (5, 1000)]


def test_every_complete_trial_leaves_its_last_checkpoint(finished: tuple[Study, Status]) -> None:
    study, _ = finished
    for number in (1, 2, 3):
        checkpoint = CheckpointStore(trial_folder(study.checkpoints, number), (0, 1)).load()
        assert checkpoint is not None
        assert checkpoint.iteration == 5


def test_the_tracker_hears_of_every_trial_once(finished: tuple[Study, Status]) -> None:
    study, _ = finished
    events = list(read_events(study.folder / "spool.jsonl"))

    assert isinstance(events[1], StudyStarted)
    assert isinstance(events[-1], StudyStopped)
    for kind in (TrialStarted, TrialFinished):
        assert sorted(event.trial.number for event in events if isinstance(event, kind)) == [0, 1, 2, 3]
    summaries = {event.trial.number: event.trial for event in events if isinstance(event, TrialFinished)}
    assert summaries == {trial.number: trial for trial in study.trials}


def test_retry_is_a_new_attempt_of_the_failed_trial_alone(
    finished: tuple[Study, Status], capsys: pytest.CaptureFixture[str]
) -> None:
    study = load_study("ring", finished[0].storage)
    before = study.trials

    study.retry()

    states = [(execution.trial, execution.attempt, state) for execution, state, _ in study._ledger.executions(1)]
    assert [state for state in states if state[0] == 0] == [(0, 1, State.FAIL), (0, 2, State.FAIL)]
    assert len(states) == 5
    assert study.trials[1:] == before[1:]
    shown = capsys.readouterr().err
    assert "ring: 3 complete, 1 waiting" in shown
    assert "trial 0 failed: NonFiniteError" in shown


def test_resuming_a_finished_study_reports_the_end_that_a_killed_driver_could_not(
    finished: tuple[Study, Status],
) -> None:
    study, _ = finished
    spool = study.folder / SPOOL_NAME
    lines = spool.read_bytes().splitlines(keepends=True)
    last = max(n for n, line in enumerate(lines) if b'"trial_finished"' in line)
    spool.write_bytes(b"".join(lines[:last]))  # killed after the ledger had it and before the spool did

    study.resume(progress=False)

    ends = [event.trial for event in read_events(spool) if isinstance(event, TrialFinished)]
    assert {trial.number for trial in ends} == {0, 1, 2, 3}
    assert ends[-1] == study.trials[ends[-1].number]


def test_a_trial_that_no_machine_can_hold_is_refused(tmp_path: Path) -> None:
    study = create_study(SPEC, tmp_path)

    with pytest.raises(SweepError, match="a trial takes CPU 1, GPU 1 and the nodes have CPU 2, GPU 0"):
        study.run(gpus_per_trial=1.0, progress=False)

    assert study.status().holder is None


@pytest.mark.slow
def test_a_damaged_checkpoint_is_said_and_the_one_before_is_written_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("RAY_CHDIR_TO_TRIAL_DIR", "0")
    data = SPEC.model_dump(mode="json", exclude_none=True) | {"name": "damaged"}
    data["arms"] = {"fixed": {"lagrangian": {"update": "fixed"}}}
    study = create_study(StudySpec.model_validate(data), tmp_path)
    folder = Path(trial_folder(study.checkpoints, 0))
    cadence = Cadence(env_steps=200)
    job = Job(Execution(1, 0, 1, (0, 1)), study.spec.resolve("fixed", {}), str(folder))
    assignment = Assignment((job,), cadence)
    storage = StorageContext(storage_path=str(tmp_path), experiment_dir_name="tune", trial_dir_name="trial")
    killed = ExecutionTrainable(config={ASSIGNMENT: assignment}, storage=storage)
    killed.train()
    killed.train()
    killed.stop()
    (folder / "a1-i000002" / "rows.json").write_text("[]")

    with caplog.at_level(logging.WARNING):
        study.run(progress=False)

    execution, state, _ = study._ledger.executions(1)[0]
    assert (execution.resume_from, state) == (str(folder / "a1-i000001"), State.COMPLETE)
    newest = folder / "a1-i000002"
    assert f"Trial 0: checkpoint {newest} is damaged; attempt 1 started from a1-i000001." in caplog.text
    rows = read_rows(study.folder / SPOOL_NAME)
    assert sorted((row.seed, row.iteration) for row in rows) == [(seed, n) for seed in (0, 1) for n in range(1, 6)]


@pytest.mark.slow
def test_a_trial_without_a_finished_episode_fails_by_that_name(tmp_path: Path) -> None:
    data = SPEC.model_dump(mode="json", exclude_none=True) | {"name": "short", "env_steps": 80}
    data["hyperparameters"] |= {"steps_per_iteration": 80}  # 40 steps of each environment; an episode has 100
    data["arms"] = {"fixed": {"lagrangian": {"update": "fixed"}}}
    study = create_study(StudySpec.model_validate(data), tmp_path)

    study.run(progress=False)

    assert study.trials[0].failure == "no episode of seed 0 ended within 80 env steps"

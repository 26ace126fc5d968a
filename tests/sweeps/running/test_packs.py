"""Studies whose trials share a process: each trial has the record that it would have alone."""

import dataclasses
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from sweeps.records import State
from sweeps.running.checkpoints import Cadence, CheckpointStore, trial_folder
from sweeps.spec import StudySpec
from sweeps.study import Study, create_study, load_study
from sweeps.tracking.spool import SPOOL_NAME, read_rows
from tests.end_to_end.drivers import iterations_of, mlflow_runs, start_driver, wait_until

pytestmark = [
    pytest.mark.usefixtures("local_ray"),
    pytest.mark.timeout(300),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # of RLlib's own, about its old API stack
]

DIVERGES = 1e38  # a step size of λ after which it is infinite in float32


def spec(pack: int | None, **changes: Any) -> StudySpec:
    data: dict[str, Any] = {
        "name": "ring",
        "task": "analytic/ring",
        "cost_limit": 12.0,
        "env_steps": 600,
        "seeds": 2,
        "hyperparameters": {"steps_per_iteration": 200, "num_envs": 2, "num_epochs": 2, "minibatch_size": 64},
        "lagrangian": {"update": "fixed"},
        "search": {"kind": "grid", "multiplier": [0.0, 0.5, 1.0]},
        "pack": pack,
    }
    return StudySpec.model_validate(data | changes)


def numbers(study: Study) -> dict[tuple[int, int, int], Any]:
    """(trial, seed, iteration) → what must not depend on when and beside what it was computed; each stands once."""
    rows = read_rows(study.folder / SPOOL_NAME)
    of_row = {
        (row.trial, row.seed, row.iteration): (
            row.env_steps,
            row.episode_returns,
            row.episode_costs,
            {key: value for key, value in row.metrics.items() if "time/" not in key},
        )
        for row in rows
    }
    assert len(of_row) == len(rows)
    return of_row


def result(study: Study) -> list[Any]:
    """What the ledger says of every trial."""
    return [
        dataclasses.replace(trial, seed_runs=tuple(dataclasses.replace(run, failure=None) for run in trial.seed_runs))
        for trial in study.trials
    ]


def attempts(study: Study) -> list[list[int]]:
    """The attempts of each trial."""
    executions = study._ledger.executions(study._row.id)
    return [[e.attempt for e, _, _ in executions if e.trial == trial.number] for trial in study.trials]


@pytest.fixture(scope="module")
def packed(local_ray: None, tmp_path_factory: pytest.TempPathFactory) -> Study:
    study = create_study(spec(3), tmp_path_factory.mktemp("packed"))
    study.run(progress=False)
    return study


@pytest.fixture(scope="module")
def alone(local_ray: None, tmp_path_factory: pytest.TempPathFactory) -> Study:
    study = create_study(spec(None), tmp_path_factory.mktemp("alone"))
    study.run(progress=False)
    return study


def test_packed_trials_report_bit_for_bit_what_they_report_alone(packed: Study, alone: Study) -> None:
    assert [trial.state for trial in packed.trials] == [State.COMPLETE] * 3
    ours = numbers(packed)
    assert len(ours) == 3 * 2 * 3  # trials, seeds, iterations
    assert ours == numbers(alone)
    assert result(packed) == result(alone)


def test_every_packed_trial_has_its_own_execution_checkpoint_and_mlflow_runs(packed: Study, alone: Study) -> None:
    for number in range(3):
        assert CheckpointStore(trial_folder(packed.checkpoints, number), (0, 1)).newest_iteration() == 3
    assert attempts(packed) == [[1], [1], [1]]
    runs = mlflow_runs(packed)
    assert len(runs) == 1 + 3 * (1 + 2)  # the study's, one a trial, one for each of its two seeds
    assert {state for _, state in runs} == {"FINISHED"}
    assert runs == mlflow_runs(alone)


def test_all_trials_of_a_pack_train_on_together_under_a_larger_budget(packed: Study, alone: Study) -> None:
    for study in (packed, alone):
        study.extend(env_steps=200)
        study.run(progress=False)
    assert numbers(packed) == numbers(alone)
    assert attempts(packed) == [[1, 2], [1, 2], [1, 2]]
    third = [e for e, _, _ in packed._ledger.executions(packed._row.id) if e.attempt == 2]
    assert [Path(e.resume_from or "").name for e in third] == ["a1-i000003"] * 3


def test_of_a_pack_that_fails_each_trial_goes_on_alone_and_the_one_to_blame_fails(tmp_path: Path) -> None:
    diverging = {"lagrangian": {"update": "ga", "dual_optimizer": "sgd"}, "cost_limit": 0.0}
    study = create_study(spec(2, search={"kind": "grid", "lr": [1e-3, DIVERGES, 1e-2]}, **diverging), tmp_path)
    study.run(progress=False)
    assert [trial.state for trial in study.trials] == [State.COMPLETE, State.FAIL, State.COMPLETE]
    assert attempts(study) == [[1, 2], [1, 2], [1]]
    assert "not finite" in (study.trials[1].failure or "")


@pytest.mark.slow
def test_a_trial_that_is_stopped_is_out_and_its_pack_trains_on(tmp_path: Path) -> None:
    """No policy of the ring keeps a limit of 0: every trial is stopped once its cost's interval lies above it."""
    stopping = {"rule": "median", "start": 0.3, "late": 0.5}
    study = create_study(spec(3, cost_limit=0.0, env_steps=2000, stopping=stopping), tmp_path / "packed")
    study.run(progress=False)
    reference = create_study(spec(None, cost_limit=0.0, env_steps=2000, stopping=stopping), tmp_path / "alone")
    reference.run(progress=False)
    assert State.PRUNED in {trial.state for trial in study.trials}
    assert [(t.state, t.failure) for t in study.trials] == [(t.state, t.failure) for t in reference.trials]
    assert numbers(study) == numbers(reference)


@pytest.mark.slow
def test_a_killed_pack_is_packed_again_and_ends_as_if_nothing_had_been(tmp_path: Path) -> None:
    study = create_study(spec(3, env_steps=4000), tmp_path / "packed")
    study.write_spec()
    driver = start_driver(study)
    wait_until(study, driver, lambda trials: iterations_of(trials) >= 2 * 3 * 2)  # two of each of 3 · 2 runs
    os.killpg(driver.pid, signal.SIGKILL)
    driver.wait()
    again = load_study(study.name, study.storage)
    again.run(progress=False, cadence=Cadence(env_steps=200))
    reference = create_study(spec(None, env_steps=4000), tmp_path / "alone")
    reference.run(progress=False)
    assert attempts(again) == [[1, 2], [1, 2], [1, 2]]
    assert numbers(again) == numbers(reference)

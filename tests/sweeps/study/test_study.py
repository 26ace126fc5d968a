"""Creating, loading and reading studies; no Ray."""

from pathlib import Path
from typing import Any

import pytest

from sweeps.errors import NoFeasibleTrial, NotFoundError, SpecError, StudyBusyError, StudyExistsError, SweepError
from sweeps.ledger import SeedProgress, driving
from sweeps.records import Interval, State
from sweeps.spec import StudySpec
from sweeps.spec.limits import Retest
from sweeps.study import Study, create_study, list_studies, load_study
from sweeps.tracking.events import StudyStopped, TrialFinished
from sweeps.tracking.shipped import SavedOffset
from sweeps.tracking.spool import SPOOL_NAME, Spool
from sweeps.tracking.store import find_store


def spec_of(name: str = "profile", **changes: Any) -> StudySpec:
    base = {"name": name, "task": "analytic/ring", "cost_limit": 12.0, "env_steps": 20_000, "seeds": 2}
    arms = {
        "fixed": {"lagrangian": {"update": "fixed"}, "search": {"kind": "grid", "multiplier": [0.0, 0.5, 2.0]}},
        "pid": {
            "lagrangian": {"update": "pid"},
            "search": {"kind": "optuna", "trials": 5, "space": {"kp": {"low": 0.01, "high": 1.0}}},
        },
    }
    return StudySpec.model_validate(base | {"arms": arms} | changes)


def complete(study: Study, results: dict[int, tuple[float, float] | None]) -> None:
    """Completes trials with (return, cost), or fails them."""
    with study._driving() as writer:
        for number, result in results.items():
            execution = writer.ask(number, study.spec.seed_list, None)
            writer.start(execution)
            if result is None:
                writer.fail(execution, "NonFiniteError: seed 1: the loss is nan")
                continue
            mean, cost = (Interval(value, value - 1.0, value + 1.0, 2) for value in result)
            seeds = [SeedProgress(seed, 20_000, 1, {"cost": 0.5}) for seed in execution.seeds]
            feasible = result[1] <= 12.0
            writer.complete(execution, seeds, mean_return=mean, mean_cost={"cost": cost}, feasible=feasible)


def test_a_new_study_has_its_grid_and_knows_what_is_still_to_be_suggested(tmp_path: Path) -> None:
    study = create_study(spec_of(), tmp_path)

    assert [(trial.number, trial.arm, trial.params) for trial in study.trials] == [
        (0, "fixed", {"multiplier": 0.0}),
        (1, "fixed", {"multiplier": 0.5}),
        (2, "fixed", {"multiplier": 2.0}),
    ]
    status = study.status()
    assert status.counts[State.WAITING] == 8  # 3 of the grid + 5 suggestions
    assert status.env_steps_total == 8 * 2 * 20_000
    again = create_study(spec_of("again").model_copy(update={"retest": Retest(top=2, seeds=3)}), tmp_path).status()
    assert (again.counts[State.WAITING], again.env_steps_total) == (10, 8 * 2 * 20_000 + 2 * 3 * 20_000)
    assert (status.env_steps, status.holder, status.best, status.is_finished) == (0, None, None, False)
    assert StudySpec.from_yaml(tmp_path / "studies" / "profile" / "spec.yaml") == study.spec


def test_another_process_loads_the_same_study(tmp_path: Path) -> None:
    create_study(spec_of(), tmp_path)
    create_study(spec_of("second"), tmp_path)

    assert load_study("profile", tmp_path).spec == spec_of()
    assert [study.name for study in list_studies(tmp_path)] == ["profile", "second"]


def test_an_unknown_study_is_answered_with_the_nearest_name(tmp_path: Path) -> None:
    create_study(spec_of(), tmp_path)

    with pytest.raises(NotFoundError, match="no study 'profle'") as caught:
        load_study("profle", tmp_path)

    assert caught.value.help is not None
    assert "did you mean `profile`?" in caught.value.help


def test_looking_for_studies_creates_nothing(tmp_path: Path) -> None:
    assert list_studies(tmp_path / "nothing") == []
    with pytest.raises(NotFoundError, match="no study 'profile'"):
        load_study("profile", tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()


def test_the_storage_is_the_argument_or_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAGSWEEP_STORAGE", str(tmp_path / "elsewhere"))

    study = create_study(spec_of())

    assert study.storage == tmp_path / "elsewhere"
    assert load_study("profile", tmp_path / "elsewhere").spec == study.spec


def test_an_existing_study_is_loaded_only_on_request(tmp_path: Path) -> None:
    create_study(spec_of(), tmp_path)

    assert len(create_study(spec_of(), tmp_path, if_exists="load").trials) == 3
    with pytest.raises(StudyExistsError, match="'profile' exists in"):
        create_study(spec_of(), tmp_path)


@pytest.mark.parametrize("if_exists", ["fail", "load"])
def test_a_changed_specification_is_refused_with_what_changed(tmp_path: Path, if_exists: Any) -> None:
    create_study(spec_of(), tmp_path)

    with pytest.raises(StudyExistsError, match=r"changed: cost_limit 12\.0 -> 15\.0; seeds 2 -> 3\."):
        create_study(spec_of(cost_limit=15.0, seeds=3), tmp_path, if_exists=if_exists)


def test_the_best_trial_is_the_feasible_one_with_the_highest_return(tmp_path: Path) -> None:
    study = create_study(spec_of(), tmp_path)
    complete(study, {0: (90.0, 30.0), 1: (50.0, 12.0), 2: (40.0, 3.0)})

    assert study.best_trial.number == 1
    best = study.status().best
    assert best is not None
    assert best.number == 1


def test_without_a_feasible_trial_there_is_no_best_one(tmp_path: Path) -> None:
    study = create_study(spec_of(), tmp_path)
    complete(study, {0: (90.0, 30.0), 1: None})

    with pytest.raises(NoFeasibleTrial, match="keeps cost <= 12"):
        _ = study.best_trial


def test_the_table_has_a_row_a_trial_with_intervals_and_failures(tmp_path: Path) -> None:
    study = create_study(spec_of(), tmp_path)
    complete(study, {0: (90.0, 30.0), 1: None})

    table = study.trials_dataframe()

    assert list(table.columns) == [
        *("number", "arm", "multiplier", "state", "return", "return_low", "return_high"),
        *("cost", "cost_low", "cost_high", "feasible", "failure", "continued"),
        *("retest_of", "seeds", "seeds_stopped"),
    ]
    assert table.loc[0, ["return", "return_low", "return_high", "cost", "cost_high"]].tolist() == [90, 89, 91, 30, 31]
    assert table["state"].tolist() == ["COMPLETE", "FAIL", "WAITING"]
    assert not table.loc[0, "feasible"]
    assert table.loc[1, "failure"] == "NonFiniteError: seed 1: the loss is nan"


def test_a_study_that_someone_drives_is_not_run(tmp_path: Path) -> None:
    study = create_study(spec_of(), tmp_path)
    with (
        driving(study._ledger, study._row),
        pytest.raises(StudyBusyError, match="driven by process"),
    ):
        study.run(progress=False)


def test_environments_that_a_task_has_not_are_refused_before_anything_starts(tmp_path: Path) -> None:
    study = create_study(spec_of(task="HopperVelocity"), tmp_path)
    with pytest.raises(SweepError, match="needs a task with a fast path") as caught:
        study.run(progress=False, env_path="fast")
    assert caught.value.code == "environment"
    assert study.status().holder is None
    assert not (study.folder / SPOOL_NAME).exists()


def test_a_finished_study_says_so_and_starts_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    grid = {"fixed": {"lagrangian": {"update": "fixed"}, "search": {"kind": "grid", "multiplier": [0.0]}}}
    study = create_study(spec_of(arms=grid), tmp_path)
    complete(study, {0: (90.0, 30.0)})
    spool = Spool(study.folder / SPOOL_NAME)
    spool.append([TrialFinished(time=0.0, trial=study.trials[0]), StudyStopped(time=1.0)])
    spool.close()
    SavedOffset(study.folder, find_store(tmp_path).uri, spool.id).save(spool.size)

    status = study.resume()
    assert not (tmp_path / "mlflow.db").exists()

    assert status.is_finished
    assert "profile: nothing is left to run." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ({"cpus_per_trial": 0.0}, "`cpus_per_trial > 0` must hold.*, but got 0.0"),
        ({"gpus_per_trial": -0.5}, "`0 <= gpus_per_trial <= 1` must hold.*, but got -0.5"),
        ({"gpus_per_trial": 1.5}, "`0 <= gpus_per_trial <= 1` must hold.*, but got 1.5"),
        ({"gpus_per_trial": float("nan")}, "`0 <= gpus_per_trial <= 1` must hold.*, but got nan"),
        ({"max_concurrent": 0}, "`max_concurrent >= 1` must hold, but got 0"),
    ],
)
def test_resources_out_of_range_are_refused(tmp_path: Path, options: dict[str, Any], rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        create_study(spec_of(), tmp_path).run(**options)


def test_a_cost_that_the_task_lacks_is_refused_before_ray_starts(tmp_path):
    spec = {"name": "x", "task": "analytic/bandit", "cost_limit": {"foo": 1.0}, "env_steps": 400, "seeds": 1}
    hyper = {"hyperparameters": {"steps_per_iteration": 400, "num_envs": 4}, "lagrangian": {"update": "ga"}}
    study = create_study(StudySpec.model_validate(spec | hyper), tmp_path)
    with pytest.raises(SpecError, match="foo") as caught:
        study.run(progress=False)
    assert caught.value.path == ("cost_limit",)

"""Studies that grow, stop and go; no Ray."""

import threading
from pathlib import Path
from typing import Any

import pytest

from sweeps.errors import SpecError, StudyBusyError, StudyExistsError
from sweeps.ledger import NewTrial, SeedProgress, driving
from sweeps.records import Interval, State
from sweeps.spec import StudySpec
from sweeps.study import Study, create_study, list_studies, load_study

BASE: dict[str, Any] = {
    "name": "profile",
    "task": "analytic/ring",
    "cost_limit": 12.0,
    "env_steps": 20_000,
    "seeds": 2,
    "arms": {
        "fixed": {"lagrangian": {"update": "fixed"}, "search": {"kind": "grid", "multiplier": [0.0, 0.5]}},
        "pid": {
            "lagrangian": {"update": "pid"},
            "search": {"kind": "optuna", "trials": 5, "space": {"kp": {"low": 0.01, "high": 1.0}}},
        },
    },
}


def spec_of(**changes: Any) -> StudySpec:
    return StudySpec.model_validate(BASE | changes)


@pytest.fixture
def study(tmp_path: Path) -> Study:
    """Trial 0 is complete, trial 1 has failed."""
    study = create_study(spec_of(), tmp_path)
    with study._driving() as writer:
        execution = writer.ask(0, (0, 1), None)
        writer.start(execution)
        seeds = [SeedProgress(seed, 20_000, 1, {"cost": 0.5}) for seed in (0, 1)]
        mean = Interval(5.0, 4.0, 6.0, 2)
        writer.complete(execution, seeds, mean_return=mean, mean_cost={"cost": mean}, feasible=True)
        failed = writer.ask(1, (0, 1), None)
        writer.start(failed)
        writer.fail(failed, "boom")
    return study


def states(study: Study) -> list[State]:
    return [trial.state for trial in study.trials]


def test_more_grid_points_are_more_trials_behind_the_others(study: Study) -> None:
    study.extend(multiplier=[0.5, 2.0])  # the first is there already

    assert [trial.params for trial in study.trials] == [{"multiplier": 0.0}, {"multiplier": 0.5}, {"multiplier": 2.0}]
    assert states(study) == [State.COMPLETE, State.FAIL, State.WAITING]
    assert load_study("profile", study.storage).spec == study.spec
    assert StudySpec.from_yaml(study.folder / "spec.yaml") == study.spec


def test_more_suggestions_and_arms(study: Study) -> None:
    study.extend(trials=3, arms={"ga": {"lagrangian": {"update": "ga"}}})

    assert [trial.arm for trial in study.trials] == ["fixed", "fixed", "ga"]
    assert study.status().counts[State.WAITING] == 8 + 1


def test_more_seeds_wait_beside_the_complete_ones_in_a_cohort_of_their_own(study: Study) -> None:
    study.extend(seeds=1)

    first, failed = study.trials
    assert [(run.seed, run.state, run.cohort) for run in first.seed_runs] == [
        (0, State.COMPLETE, 0),
        (1, State.COMPLETE, 0),
        (2, State.WAITING, 1),
    ]
    assert (first.state, first.mean_return, first.continued, first.next_seeds) == (State.WAITING, None, False, (2,))
    assert (failed.state, failed.next_seeds) == (State.FAIL, (0, 1))
    study.extend(seeds=[7])
    assert [(run.seed, run.cohort) for run in study.trials[0].seed_runs] == [(0, 0), (1, 0), (2, 1), (7, 2)]


def test_more_updates_meet_every_value_of_the_grid(tmp_path: Path) -> None:
    rest = {key: value for key, value in BASE.items() if key != "arms"}
    search = {"kind": "grid", "update": ["ga"], "cost_limit": [10.0, 12.0]}
    study = create_study(StudySpec.model_validate({**rest, "search": search}), tmp_path)

    study.extend(update=["ga", {"update": "pid", "kp": 0.5}])  # the first is there already

    keys = [trial.key for trial in study.trials]
    assert keys == [f'{arm}:{{"cost_limit":{limit}}}' for arm in ("ga", "pid-kp0.5") for limit in (10, 12)]
    both = StudySpec.model_validate({**rest, "search": {**search, "update": ["ga", {"update": "pid", "kp": 0.5}]}})
    assert study.spec == both


def test_more_values_of_another_axis_meet_every_update_or_the_one_that_is_named(tmp_path: Path) -> None:
    rest = {key: value for key, value in BASE.items() if key != "arms"}
    search = {"kind": "grid", "update": ["ga", "pid"], "cost_limit": [10.0]}
    study = create_study(StudySpec.model_validate({**rest, "search": search}), tmp_path)

    study.extend(cost_limit=[12.0])
    study.extend(cost_limit=[14.0], arm="pid")

    keys = [trial.key for trial in study.trials]
    assert keys == [
        *(f'{arm}:{{"cost_limit":{limit}}}' for limit in (10, 12) for arm in ("ga", "pid")),
        'pid:{"cost_limit":14}',
    ]
    with pytest.raises(SpecError, match="one arm with a grid over `cost_limit` must be meant") as refused:
        study.extend(cost_limit=[16.0])  # the grids differ by now
    assert refused.value.help == "say which: --arm ga, in Python arm='ga'"


def test_updates_join_no_arms_that_search_differently(study: Study) -> None:
    with pytest.raises(SpecError, match="`update` can be extended where all arms search the same grid"):
        study.extend(update=["ga"])


def test_more_env_steps_continue_what_has_trained_and_say_so(study: Study) -> None:
    study.extend(env_steps=10_000)

    first, failed = study.trials
    assert study.spec.env_steps == 30_000
    assert (first.state, first.continued, first.next_seeds) == (State.WAITING, True, (0, 1))
    assert (failed.state, failed.continued) == (State.FAIL, False)  # it had trained nothing


def test_a_seed_that_was_stopped_is_not_continued(tmp_path: Path) -> None:
    study = create_study(spec_of(name="stopped"), tmp_path)
    seeds = [SeedProgress(seed, 10_000, 1, {"cost": 0.5}) for seed in (0, 1)]
    mean = Interval(5.0, 4.0, 6.0, 2)
    with study._driving() as writer:
        execution = writer.ask(0, (0, 1), None)
        writer.start(execution)
        writer.stop_seeds(execution, seeds, {0: "hopeless"})
        execution = writer.ask(0, (0, 1), None)
        writer.start(execution)
        writer.complete(execution, seeds, mean_return=mean, mean_cost={"cost": mean}, feasible=True)

    study.extend(env_steps=10_000, seeds=1)

    trial = study.trials[0]
    assert [run.state for run in trial.seed_runs] == [State.PRUNED, State.WAITING, State.WAITING]
    assert (trial.next_seeds, trial.stopped_seeds, trial.continued) == ((0, 1), (0,), True)


def test_more_seeds_leave_retests_and_what_was_stopped_as_they_are(study: Study) -> None:
    seeds = [SeedProgress(seed, 20_000, 1, {"cost": 0.5}) for seed in (0, 1)]
    mean = Interval(5.0, 4.0, 6.0, 2)
    with study._driving() as writer:
        again = writer.add_trial(NewTrial("again", "fixed", {"multiplier": 0.0}, retest_of=0), (0, 1))
        hopeless = writer.add_trial(NewTrial("hopeless", "fixed", {"multiplier": 9.0}), (0, 1))
        for number, pruned in ((again.number, None), (hopeless.number, "hopeless")):
            execution = writer.ask(number, (0, 1), None)
            writer.start(execution)
            writer.complete(execution, seeds, mean_return=mean, mean_cost={"cost": mean}, feasible=True, pruned=pruned)
    before = study.trials[2:]

    study.extend(seeds=1)

    assert states(study) == [State.WAITING, State.FAIL, State.COMPLETE, State.PRUNED]
    # Complete: two seeds and one to come; failed: nothing; retest; stopped; five suggestions of three seeds.
    assert study.status().env_steps_total == 20_000 * (3 + 0 + 2 + 2 + 5 * 3)
    assert study.status().env_steps_total == study.env_steps_total
    known = sum(trial.planned_env_steps(20_000) for trial in study.trials)
    assert study.env_steps_total == known + 5 * 3 * 20_000
    assert study.trials[2:] == before  # nothing of them waits
    assert study.trials[0].next_seeds == (2,)


def test_a_failed_trial_trains_every_seed_for_a_larger_budget_and_rungs_of_the_smaller_one_are_forgotten(
    study: Study,
) -> None:
    study.extend(seeds=1)
    with study._driving() as writer:
        writer.pass_rung(0, "0.2", {0: {"return": 1.0, "cost": 2.0}})
        execution = writer.ask(0, (2,), None)
        writer.start(execution)
        writer.fail(execution, "boom")

    study.extend(env_steps=10_000)

    first = study.trials[0]
    assert (first.state, first.failure) == (State.FAIL, "boom")
    assert [run.state for run in first.seed_runs] == [State.WAITING] * 3
    assert [run.rungs for run in first.seed_runs] == [None] * 3
    with study._driving() as writer:
        writer.requeue_failed()
    assert study.trials[0].next_seeds == (0, 1)


def test_seeds_of_two_cohorts_continue_one_after_the_other(study: Study) -> None:
    study.extend(seeds=1)
    study.extend(env_steps=10_000)
    trial = study.trials[0]
    assert trial.next_seeds == (0, 1)
    with study._driving() as writer:
        execution = writer.ask(0, trial.next_seeds, None)
        writer.start(execution)
        writer.complete_seeds(execution, [SeedProgress(seed, 30_000, 2, {}) for seed in (0, 1)])

    trial = study.trials[0]
    assert (trial.state, trial.next_seeds) == (State.WAITING, (2,))
    assert study._ledger.executions(1)[-1][1] is State.COMPLETE


@pytest.mark.parametrize(
    ("growth", "message"),
    [
        ({}, "`extend` must add something"),
        ({"trials": 0}, "`trials >= 1` must hold, but got 0"),
        ({"seeds": 0}, "`seeds >= 1` must hold, but got 0"),
        ({"env_steps": -1}, "`env_steps >= 1` must hold, but got -1"),
        ({"kp": [0.5]}, "an arm with a grid over `kp` is needed, but there is none"),
        ({"trials": 1, "arm": "fixed"}, "but 'fixed' is none"),
        ({"arms": {"pid": {"lagrangian": {"update": "pid"}}}}, "arm 'pid' is there already"),
        ({"multiplier": [-1.0]}, "`multiplier"),
    ],
)
def test_what_adds_nothing_or_breaks_a_rule_is_refused(study: Study, growth: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        study.extend(**growth)

    assert study.spec == spec_of()
    assert len(study.trials) == 2


def test_a_file_that_only_adds_extends_and_one_that_changes_is_refused(study: Study) -> None:
    grid = {"fixed": {"lagrangian": {"update": "fixed"}, "search": {"kind": "grid", "multiplier": [0.0, 0.5, 2.0]}}}
    larger = spec_of(seeds=3, env_steps=40_000, arms=BASE["arms"] | grid)
    with pytest.raises(StudyExistsError, match=r"env_steps 20000 -> 40000") as caught:
        create_study(larger, study.storage, if_exists="load")
    assert caught.value.help is not None
    assert "it only adds to the study" in caught.value.help

    extended = create_study(larger, study.storage, if_exists="extend")

    assert [trial.params["multiplier"] for trial in extended.trials] == [0.0, 0.5, 2.0]
    assert all(len(trial.seed_runs) == 3 for trial in extended.trials)
    for changed in ({}, {"seeds": [1, 0, 2]}, {"cost_limit": 13.0}, {"arms": grid}):
        with pytest.raises(StudyExistsError, match="exists with another specification"):
            create_study(spec_of(**changed), study.storage, if_exists="extend")
    assert len(extended.trials) == 3


def test_a_deleted_study_is_gone_and_its_name_is_free(study: Study, tmp_path: Path) -> None:
    other = create_study(spec_of(name="other"), tmp_path)
    with driving(study._ledger, study._row), pytest.raises(StudyBusyError):
        load_study("profile", tmp_path).delete()

    study.delete()

    assert [left.name for left in list_studies(tmp_path)] == ["other"]
    assert not study.folder.exists()
    assert len(other.trials) == 2
    assert states(create_study(spec_of(), tmp_path)) == [State.WAITING, State.WAITING]


def test_stop_asks_the_driver_and_waits_for_its_end(study: Study) -> None:
    assert study.stop()  # nobody drives it
    other = load_study("profile", study.storage)
    begun, heard = threading.Event(), threading.Event()

    def drive() -> None:
        with driving(other._ledger, other._row, renewal_s=0.02) as writer:
            begun.set()
            while not writer.stop_requested:
                heard.wait(0.01)
            heard.set()

    thread = threading.Thread(target=drive)
    thread.start()
    begun.wait()
    assert not study.wait(timeout_s=0.0)

    assert study.stop(timeout_s=30.0)

    assert heard.is_set()
    thread.join()


def test_two_who_know_the_study_extend_it_one_after_the_other(study: Study) -> None:
    first, second = load_study(study.name, study.storage), load_study(study.name, study.storage)
    second.extend(seeds=1)
    first.extend(env_steps=1000)
    for known in (first, load_study(study.name, study.storage)):
        assert (known.spec.seeds, known.spec.env_steps) == (second.spec.seeds, 21_000)

"""Creating and reading studies."""

import pickle

import pytest
from sqlalchemy import update

from sweeps.errors import StudyExistsError
from sweeps.ledger import Ledger, LedgerVersionError, NewTrial
from sweeps.ledger.tables import schema
from sweeps.records import SeedRun, State

POINTS = [NewTrial(f"fixed:{value}", "fixed", {"multiplier": value}) for value in (0.0, 0.5, 2.0)]


def test_a_study_keeps_its_trials_in_order_with_a_run_for_each_seed(ledger: Ledger) -> None:
    study = ledger.create_study("profile", "{}", "a" * 64, [7, 3], POINTS)

    trials = ledger.trials(study.id)

    assert [(trial.number, trial.key, trial.params) for trial in trials] == [
        (0, "fixed:0.0", {"multiplier": 0.0}),
        (1, "fixed:0.5", {"multiplier": 0.5}),
        (2, "fixed:2.0", {"multiplier": 2.0}),
    ]
    assert trials[1].seed_runs == (SeedRun(seed=7, state=State.WAITING), SeedRun(seed=3, state=State.WAITING))
    assert ledger.study("profile") == study
    assert ledger.studies() == [study]


def test_parameters_come_back_in_the_types_they_had(ledger: Ledger) -> None:
    params = {"hidden_sizes": (64, 64), "num_envs": 4, "kp": 1.0, "form": "stooke", "sum_norm": True}
    study = ledger.create_study("types", "", "a" * 64, [0], [NewTrial("key", "pid", params)])

    (trial,) = ledger.trials(study.id)

    assert trial.params == params
    assert [type(value) for value in trial.params.values()] == [tuple, int, float, str, bool]


def test_an_unknown_study_is_none(ledger: Ledger) -> None:
    assert ledger.study("nothing") is None


def test_a_second_study_of_the_same_name_is_refused_and_leaves_nothing(ledger: Ledger) -> None:
    study = ledger.create_study("profile", "", "a" * 64, [0], POINTS)

    with pytest.raises(StudyExistsError, match="'profile' exists"):
        ledger.create_study("profile", "", "b" * 64, [0], POINTS)

    assert len(ledger.trials(study.id)) == 3
    assert len(ledger.studies()) == 1


def test_two_trials_of_the_same_key_are_refused_as_a_whole(ledger: Ledger) -> None:
    with pytest.raises(Exception, match=r"(?i)unique"):
        ledger.create_study("profile", "", "a" * 64, [0], [POINTS[0], POINTS[0]])

    assert ledger.studies() == []


def test_counts_every_state_and_filters_by_arm(ledger: Ledger) -> None:
    study = ledger.create_study("two-arms", "", "a" * 64, [0], [*POINTS, NewTrial("ga:", "ga", {})])

    assert ledger.count_trials(study.id) == {state: 4 if state is State.WAITING else 0 for state in State}
    assert ledger.count_trials(study.id, arm="ga")[State.WAITING] == 1
    assert [trial.number for trial in ledger.trials(study.id, arm="ga")] == [3]


def test_hands_out_the_lowest_waiting_trial_that_is_not_excluded(ledger: Ledger) -> None:
    study = ledger.create_study("profile", "", "a" * 64, [0], POINTS)

    following = ledger.next_waiting(study.id, without=[0])

    assert following is not None
    assert following.number == 1
    assert ledger.next_waiting(study.id, without=[0, 1, 2]) is None


def test_pickles_as_its_url_and_reads_the_same(ledger: Ledger) -> None:
    study = ledger.create_study("profile", "", "a" * 64, [0], POINTS)

    copy = pickle.loads(pickle.dumps(ledger))

    assert copy.study("profile") == study
    copy.close()


def test_refuses_the_tables_of_a_newer_version(ledger: Ledger) -> None:
    ledger.create_study("profile", "", "a" * 64, [0], POINTS)
    with ledger.engine.begin() as connection:
        connection.execute(update(schema).values(version=99))
    ledger.close()

    with pytest.raises(LedgerVersionError, match=r"is at most \d+` must hold, but (sqlite|postgresql).* has 99"):
        ledger.studies()

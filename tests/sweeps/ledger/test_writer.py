"""Transitions of trials, seed runs and executions, and the fencing token in front of them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sweeps.ledger import Ledger, NewTrial, SeedProgress, StaleWriterError, StudyRow, Writer, driving
from sweeps.records import Execution, Interval, State

POINTS = [NewTrial(f"fixed:{value}", "fixed", {"multiplier": value}) for value in (0.0, 0.5)]
SEEDS = [0, 1]
RETURN = Interval(mean=10.0, low=9.0, high=11.0, num_seeds=2)
COST = Interval(mean=20.0, low=15.0, high=25.0, num_seeds=2)


@pytest.fixture
def study(ledger: Ledger) -> StudyRow:
    return ledger.create_study("profile", "", "a" * 64, SEEDS, POINTS)


@pytest.fixture
def writer(ledger: Ledger, study: StudyRow, tmp_path: Path) -> Iterator[Writer]:
    with driving(ledger, study) as writer:
        yield writer


def started(writer: Writer, trial: int = 0) -> Execution:
    execution = writer.ask(trial, SEEDS, None)
    writer.start(execution)
    return execution


def progress(iterations: int) -> list[SeedProgress]:
    return [
        SeedProgress(seed, 100 * iterations, iterations, {"cost": 0.5}, 9.0 + seed, {"cost": 20.0}) for seed in SEEDS
    ]


def test_asking_is_apart_from_starting(ledger: Ledger, writer: Writer) -> None:
    execution = writer.ask(0, SEEDS, None)

    assert execution == Execution(id=1, trial=0, attempt=1, seeds=(0, 1), resume_from=None)
    assert ledger.executions(writer.study) == [(execution, State.WAITING, None)]
    assert ledger.trials(writer.study)[0].state is State.WAITING

    writer.start(execution)

    trial = ledger.trials(writer.study)[0]
    assert ledger.executions(writer.study)[0][1] is State.RUNNING
    assert trial.state is State.RUNNING
    assert {run.state for run in trial.seed_runs} == {State.RUNNING}


def test_an_execution_that_has_ended_cannot_start(writer: Writer) -> None:
    execution = started(writer)
    writer.start(execution)  # as after an outage between the commit and its answer
    writer.fail(execution, "boom")

    with pytest.raises(AssertionError):
        writer.start(execution)


def test_progress_reaches_each_seed(ledger: Ledger, writer: Writer) -> None:
    writer.progress(started(writer), progress(3))

    first, second = ledger.trials(writer.study)[0].seed_runs
    assert (first.env_steps, first.iterations, first.mean_return) == (300, 3, 9.0)
    assert (second.mean_return, second.mean_cost, second.multiplier) == (10.0, {"cost": 20.0}, {"cost": 0.5})
    assert ledger.trials(writer.study)[1].seed_runs[0].iterations == 0


def test_completion_keeps_the_summary(ledger: Ledger, writer: Writer) -> None:
    execution = started(writer)

    writer.complete(execution, progress(5), mean_return=RETURN, mean_cost={"cost": COST}, feasible=True)

    trial = ledger.trials(writer.study)[0]
    assert (trial.state, trial.mean_return, trial.mean_cost) == (State.COMPLETE, RETURN, {"cost": COST})
    assert trial.feasible is True
    assert {(run.state, run.iterations) for run in trial.seed_runs} == {(State.COMPLETE, 5)}
    assert ledger.executions(writer.study) == [(execution, State.COMPLETE, None)]


def test_a_failure_carries_its_cause_and_leaves_other_trials_alone(ledger: Ledger, writer: Writer) -> None:
    writer.fail(started(writer), "NonFiniteError: seed 1: loss is nan")

    failed, other = ledger.trials(writer.study)
    assert (failed.state, failed.failure) == (State.FAIL, "NonFiniteError: seed 1: loss is nan")
    assert {run.state for run in failed.seed_runs} == {State.FAIL}
    assert other.state is State.WAITING


def test_a_released_trial_waits_and_its_next_attempt_keeps_the_progress(ledger: Ledger, writer: Writer) -> None:
    execution = started(writer)
    writer.progress(execution, progress(3))

    writer.release(execution, "interrupted")
    again = writer.ask(0, SEEDS, "checkpoints/t0000/a1-i000003")

    trial = ledger.trials(writer.study)[0]
    assert (trial.state, trial.failure) == (State.WAITING, None)
    assert {(run.state, run.iterations) for run in trial.seed_runs} == {(State.WAITING, 3)}
    assert (again.attempt, again.resume_from) == (2, "checkpoints/t0000/a1-i000003")
    assert ledger.executions(writer.study, trial=0)[0] == (execution, State.FAIL, "interrupted")


def test_only_failed_trials_are_queued_again(ledger: Ledger, writer: Writer) -> None:
    writer.fail(started(writer, 0), "boom")
    writer.complete(started(writer, 1), progress(5), mean_return=RETURN, mean_cost={"cost": COST}, feasible=True)

    assert writer.requeue_failed() == [0]

    failed, complete = ledger.trials(writer.study)
    assert (failed.state, failed.failure) == (State.WAITING, None)
    assert complete.state is State.COMPLETE
    assert {run.state for run in complete.seed_runs} == {State.COMPLETE}


def test_seeds_that_are_complete_stay_so_when_others_of_their_trial_wait_again(ledger: Ledger, writer: Writer) -> None:
    first = writer.ask(0, [0], None)
    writer.start(first)
    writer.complete(first, progress(5)[:1], mean_return=RETURN, mean_cost={"cost": COST}, feasible=True)
    second = writer.ask(0, [1], None)
    writer.start(second)
    writer.fail(second, "boom")

    writer.requeue_failed()

    assert [run.state for run in ledger.trials(writer.study)[0].seed_runs] == [State.COMPLETE, State.WAITING]


def test_a_seed_that_is_stopped_stays_so_whatever_becomes_of_the_others(ledger: Ledger, writer: Writer) -> None:
    execution = started(writer)

    writer.stop_seeds(execution, progress(3), {1: "its cost lies above the limit"})

    trial = ledger.trials(writer.study)[0]
    assert ledger.executions(writer.study) == [(execution, State.PRUNED, "stopped seeds 1")]
    assert trial.state is State.WAITING
    assert [(run.state, run.failure, run.iterations) for run in trial.seed_runs] == [
        (State.WAITING, None, 3),
        (State.PRUNED, "its cost lies above the limit", 3),
    ]
    assert (trial.next_seeds, trial.stopped_seeds) == ((0, 1), (1,))  # they share a checkpoint; the one trains no more

    second = started(writer)
    assert states_of_seeds(ledger) == [State.RUNNING, State.PRUNED]
    writer.release(second, "interrupted")
    assert states_of_seeds(ledger) == [State.WAITING, State.PRUNED]
    writer.fail(started(writer), "boom")
    assert states_of_seeds(ledger) == [State.FAIL, State.PRUNED]
    writer.requeue_failed()
    assert states_of_seeds(ledger) == [State.WAITING, State.PRUNED]
    writer.complete(started(writer), progress(5), mean_return=RETURN, mean_cost={"cost": COST}, feasible=True)
    assert states_of_seeds(ledger) == [State.COMPLETE, State.PRUNED]
    assert ledger.trials(writer.study)[0].seed_runs[1].failure == "its cost lies above the limit"


def states_of_seeds(ledger: Ledger) -> list[State]:
    return [run.state for run in ledger.trials(1)[0].seed_runs]


def test_suggested_trials_are_appended_with_the_next_number(writer: Writer) -> None:
    trial = writer.add_trial(NewTrial("pid:kp=0.1", "pid", {"kp": 0.1}), SEEDS)

    assert (trial.number, trial.params, len(trial.seed_runs)) == (2, {"kp": 0.1}, 2)


def test_a_stale_writer_changes_nothing(ledger: Ledger, study: StudyRow, tmp_path: Path) -> None:
    with driving(ledger, study, lease_s=0.0, renewal_s=1e6) as stale:  # as after a network partition
        execution = started(stale)
        with driving(ledger, study):
            for write in (
                lambda: stale.progress(execution, progress(3)),
                lambda: stale.fail(execution, "boom"),
                lambda: stale.release(execution, "boom"),
                lambda: stale.complete(execution, progress(3), mean_return=RETURN, mean_cost={}, feasible=True),
                lambda: stale.add_trial(NewTrial("x", "fixed", {}), SEEDS),
                lambda: stale.ask(1, SEEDS, None),
                lambda: stale.start(execution),
                lambda: stale.resumed(execution, None, None),
                lambda: stale.complete_seeds(execution, progress(3)),
                lambda: stale.stop_seeds(execution, progress(3), {0: "hopeless"}),
                stale.renew,
                stale.requeue_failed,
                stale.take_over,
            ):
                with pytest.raises(StaleWriterError, match="took it over since token 1"):
                    write()

    trials = ledger.trials(study.id)
    assert [trial.state for trial in trials] == [State.RUNNING, State.WAITING]
    assert trials[0].seed_runs[0].iterations == 0
    assert stale.is_stale


def test_a_new_driver_fails_what_was_running_and_its_trial_waits(
    ledger: Ledger, study: StudyRow, tmp_path: Path
) -> None:
    with driving(ledger, study) as dead:
        running = started(dead, 0)
        asked = dead.ask(1, SEEDS, None)
    with driving(ledger, study) as driver:
        lost = driver.take_over()
        next_of_running = driver.ask(0, SEEDS, None)
        next_of_asked = driver.ask(1, SEEDS, None)

    assert lost == 1
    assert ledger.executions(study.id)[0] == (running, State.FAIL, "driver lost")
    assert [trial.state for trial in ledger.trials(study.id)] == [State.WAITING, State.WAITING]
    assert next_of_running.attempt == 2
    assert next_of_asked == asked  # never started, so it is the same attempt


def test_taking_over_leaves_the_own_executions_running(writer: Writer, ledger: Ledger) -> None:
    started(writer)

    assert writer.take_over() == 0
    assert ledger.trials(writer.study)[0].state is State.RUNNING

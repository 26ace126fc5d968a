"""What a driver learns from the spool that earlier drivers left."""

from dataclasses import replace
from pathlib import Path

import pytest

from sweeps.analysis.summary import summarize_seed, window_rows
from sweeps.history import History, read_history
from sweeps.records import ResultRow, State, Trial
from sweeps.tracking.events import RowAdded, TrialFinished, TrialStarted
from sweeps.tracking.spool import Spool


def row(trial: int, iteration: int, *, seed: int = 0, attempt: int = 1, value: float = 0.0) -> ResultRow:
    return ResultRow(
        trial=trial,
        seed=seed,
        iteration=iteration,
        env_steps=10 * iteration,
        time=0.0,
        attempt=attempt,
        metrics={},
        episode_returns=(value,),
        episode_costs={"cost": (0.0,)},
    )


def trial(number: int, state: State = State.COMPLETE) -> Trial:
    return Trial(number=number, key=str(number), arm="fixed", params={}, state=state)


def test_the_first_row_of_an_iteration_counts() -> None:
    history = History()

    assert history.add([row(0, 1, value=5.0)]) == [row(0, 1, value=5.0)]
    assert history.add([row(0, 1, attempt=2, value=9.0), row(0, 2, value=7.0)]) == [row(0, 2, value=7.0)]
    assert history.summarize(0, 0).mean_return == 7.0
    assert history.add([row(0, 1, seed=1)]) == [row(0, 1, seed=1)]


def test_a_dropped_trial_is_forgotten() -> None:
    history = History()
    history.add([row(0, 1), row(1, 1)])

    history.drop(0)

    assert history.summarize(0, 0).iterations == 0
    assert history.summarize(1, 0).iterations == 1


def test_reads_the_rows_of_unfinished_trials_and_finds_finishes_that_were_lost(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool.jsonl")
    running = State.RUNNING
    spool.append([TrialStarted(time=0.0, trial=trial(n, running)) for n in range(4)])
    spool.append([RowAdded(row=row(n, 1)) for n in range(4)])
    spool.append([TrialFinished(time=1.0, trial=trial(0)), TrialFinished(time=1.0, trial=trial(2, State.FAIL))])
    spool.append([TrialStarted(time=2.0, trial=trial(2, running))])  # a retry, killed after the ledger had its end
    spool.close()

    history, lost = read_history(spool.path, unfinished={3}, finished=[trial(n) for n in (0, 1, 2, 4)])

    assert [summary.iterations for summary in (history.summarize(n, 0) for n in range(4))] == [0, 0, 0, 1]
    assert [finished.number for finished in lost] == [1, 2, 4]  # 4 failed before it started


def test_a_new_study_has_no_history(tmp_path: Path) -> None:
    history, lost = read_history(tmp_path / "spool.jsonl", unfinished={0}, finished=[])

    assert history.summarize(0, 0).iterations == 0
    assert lost == []


@pytest.mark.parametrize("silent", [(), (39, 40), tuple(range(25, 41)), tuple(range(1, 41))])
@pytest.mark.parametrize("lost", [(), (3,), (38, 39)])
def test_what_a_driver_looks_at_summarizes_like_the_whole_run(silent: tuple[int, ...], lost: tuple[int, ...]) -> None:
    history, rows = History(), list[ResultRow]()
    for iteration in (*range(21, 41), *range(1, 21)):  # in whatever order they come
        one = row(0, iteration, value=float(iteration))
        rows.append(replace(one, episode_returns=(), episode_costs={}) if iteration in silent else one)
    rows = [one for one in rows if one.iteration not in lost]
    history.add(rows)

    assert history.summarize(0, 0) == summarize_seed(rows)
    returns = [
        value for one in window_rows(sorted(rows, key=lambda one: one.iteration)) for value in one.episode_returns
    ]
    assert history.recent_episodes(0, 0)[0] == returns
    assert len(history._recent(0, 0)) <= 2 or silent

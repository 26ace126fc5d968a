"""What the progress display says."""

import io

import pytest
from rich.console import Console

from sweeps.analysis.summary import SeedSummary
from sweeps.records import Interval, ResultRow, SeedRun, State, Trial
from sweeps.running import progress as progress_module
from sweeps.running.progress import Progress


def trial(number: int, state: State = State.RUNNING, **changes: object) -> Trial:
    runs = (SeedRun(seed=0, state=state), SeedRun(seed=1, state=state))
    base = Trial(number=number, key="", arm="fixed", params={"multiplier": 0.5}, state=state, seed_runs=runs)
    return Trial(**{**vars(base), **changes})  # type: ignore[arg-type]


def display(*, terminal: bool = False) -> tuple[Progress, io.StringIO]:
    file = io.StringIO()
    console = Console(file=file, force_terminal=terminal, width=120)
    counts = {State.WAITING: 3, State.COMPLETE: 1, State.FAIL: 1}
    progress = Progress(
        "profile", console, counts=counts, env_steps=1000, env_steps_done=3000, env_steps_total=8500, planned={1: 500}
    )
    return progress, file


def report(progress: Progress, iteration: int) -> None:
    rows = [
        ResultRow(trial=2, seed=s, iteration=iteration, env_steps=100 * iteration, time=0.0, attempt=1, metrics={})
        for s in (0, 1)
    ]
    summaries = {
        s: SeedSummary(10.0 + 2 * s, {"cost": 30.0 - 10 * s}, 4, iteration, 100 * iteration, {"cost": 0.25})
        for s in (0, 1)
    }
    progress.trial_reported(2, rows, summaries)


def text(progress: Progress) -> str:
    console = Console(file=io.StringIO(), width=120)
    with console.capture() as capture:
        console.print(progress.render())
    return capture.get()


def test_counts_move_with_the_trials() -> None:
    progress, file = display()
    progress.start()
    progress.trial_started(trial(2))
    progress.trial_started(trial(3))
    progress.trial_finished(trial(3, State.FAIL, failure="NonFiniteError: seeds [1] at lr=[bold]" + "x" * 120))
    progress.trial_stopped(2, "interrupted")
    progress.trial_started(trial(2))
    mean = Interval(20.0, 19.0, 21.0, 2)
    progress.trial_finished(trial(2, State.COMPLETE, mean_return=mean, mean_cost={"cost": mean}, feasible=True))
    progress.stop()

    assert file.getvalue().splitlines() == [
        "profile: 1 complete, 3 waiting, 1 failed",
        "trial 2 started: fixed multiplier=0.5",
        "trial 3 started: fixed multiplier=0.5",
        "trial 3 failed: NonFiniteError: seeds [1] at lr=[bold]" + "x" * 120,
        "trial 2 interrupted",
        "trial 2 started: fixed multiplier=0.5",
        "trial 2 complete: return 20.00, cost 20.0, feasible",
        "profile: 2 complete, 1 waiting, 2 failed",
    ]


def test_a_running_trial_shows_means_over_its_seeds() -> None:
    progress, _ = display()
    progress.trial_started(trial(2, params={"multiplier": 0.5, "hidden_sizes": [64]}))
    report(progress, 3)

    # returns 10 and 12, costs 30 and 20, multipliers 0.25; 3 of 10 iterations
    last = text(progress).splitlines()[-1].split()
    assert last == ["2", "fixed", "multiplier=0.5", "hidden_sizes=[64]", "30%", "11.00", "25.0", "0.25"]


def test_speed_and_time_left_come_from_the_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(progress_module.time, "monotonic", lambda: clock[0])
    progress, _ = display()
    progress.trial_started(trial(2))
    report(progress, 1)
    assert "measuring" in text(progress)

    clock[0] += 2.0
    report(progress, 5)

    # 2 seeds x 400 env steps in 2 s; of 4 trials x 2 seeds x 1000 = 8000 env steps 3000 + 1000 are done: 4500 / 400
    assert "400 env steps/s, about 0:00:11 left" in text(progress)


def test_repeated_iterations_count_once() -> None:
    progress, _ = display()
    progress.trial_started(trial(2))
    report(progress, 4)
    report(progress, 2)  # an attempt that went back to a checkpoint
    assert progress._done == 3000 + 2 * 400
    report(progress, 5)

    assert progress._done == 3000 + 2 * 500


def test_what_an_ended_trial_will_not_do_leaves_the_total() -> None:
    progress, _ = display()
    progress.trial_started(trial(2))
    report(progress, 4)

    # 1 complete trial, one that failed after 500 steps, 3 to go with two seeds of 1 000.
    assert progress.env_steps_total == 2000 + 500 + 3 * 2000
    runs = tuple(SeedRun(seed=seed, state=State.FAIL, env_steps=400) for seed in (0, 1))

    progress.trial_finished(trial(2, State.FAIL, failure="boom", seed_runs=runs))

    assert progress._done == 3000 + 800
    assert progress.env_steps_total == 2000 + 500 + 800 + 2 * 2000


def test_plain_lines_are_rare(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(progress_module.time, "monotonic", lambda: clock[0])
    progress, file = display()
    progress.trial_started(trial(2))
    for iteration in range(1, 8):
        clock[0] += 10.0
        report(progress, iteration)

    lines = [line for line in file.getvalue().splitlines() if line.startswith("  trial 2")]
    assert lines == [
        "  trial 2: 30%, return 11.00, cost 25.0, λ 0.25",
        "  trial 2: 60%, return 11.00, cost 25.0, λ 0.25",
    ]


def test_a_terminal_gets_a_live_table_that_leaves_one_line() -> None:
    progress, file = display(terminal=True)
    progress.start()
    progress.trial_started(trial(2))
    report(progress, 3)
    progress.refresh()
    progress.stop()

    assert "11.00" in file.getvalue()
    assert "trial 2 started" not in file.getvalue()
    assert "profile: 1 complete, 1 running, 2 waiting, 1 failed" in file.getvalue().splitlines()[-1]


def test_the_table_is_drawn_four_times_a_second_however_many_results_come(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(progress_module.time, "monotonic", lambda: clock[0])
    progress, file = display(terminal=True)
    progress.start()
    progress.trial_started(trial(2))
    drawn: list[bool] = []
    for _ in range(12):  # 0.1 s apart: drawn at 0.0, 0.3, 0.6 and 0.9
        before = len(file.getvalue())
        progress.refresh()
        drawn.append(len(file.getvalue()) > before)
        clock[0] += 0.1
    progress.stop()

    assert [n for n, was in enumerate(drawn) if was] == [0, 3, 6, 9]


def test_the_table_has_as_many_trials_as_the_terminal_has_lines() -> None:
    counts = {State.WAITING: 64}
    console = Console(file=io.StringIO(), force_terminal=True, width=120, height=20)
    progress = Progress(
        "profile", console, counts=counts, env_steps=1000, env_steps_done=0, env_steps_total=128_000, planned={}
    )
    for number in range(64):
        progress.trial_started(trial(number))

    lines = text(progress).splitlines()

    # 20 lines less 6 are 14 trials; above them head and column names, below what is left out. No bar: nothing is done.
    assert len(lines) == 2 + 14 + 1
    assert lines[-2].startswith("13 fixed")
    assert lines[-1] == "… and 50 more"


def test_a_quiet_console_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console(stderr=True, quiet=True, force_terminal=True)
    progress = Progress("profile", console, counts={}, env_steps=1, env_steps_done=0, env_steps_total=0, planned={})
    progress.start()
    progress.refresh()
    progress.stop()

    assert capsys.readouterr().err == ""

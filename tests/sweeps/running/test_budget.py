"""When a budget is spent and when failures are alike."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sweeps.ledger import Ledger, NewTrial, SeedProgress, Writer, driving
from sweeps.records import Execution
from sweeps.running.budget import BudgetWatch, Failures, _covered
from sweeps.spec.limits import Budget, duration_s


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[Writer]:
    ledger = Ledger(f"sqlite:///{tmp_path}/ledger.db")
    study = ledger.create_study("s", "", "a" * 64, [0, 1], [NewTrial(f"k{n}", "a", {}) for n in range(3)])
    with driving(ledger, study) as writer:
        yield writer
    ledger.close()


def started(writer: Writer, trial: int, env_steps: int = 0) -> Execution:
    execution = writer.ask(trial, [0, 1], None)
    writer.start(execution)
    writer.progress(execution, [SeedProgress(seed, env_steps, 1, {}) for seed in (0, 1)])
    return execution


def test_env_steps_of_all_seeds_count(writer: Writer) -> None:
    started(writer, 0, env_steps=499)
    assert BudgetWatch(Budget(env_steps=1000), writer, 0.0).spent() is None
    started(writer, 1, env_steps=1)
    assert BudgetWatch(Budget(env_steps=1000), writer, 0.0).spent() == "`budget.env_steps` 1,000 is used (1,000)."


def test_gpu_hours_and_wall_time_count_executions(writer: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    for trial in (0, 1):
        started(writer, trial)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 3600.0)
    # Two trials at once for an hour: one hour of time, and 2 × 0.5 GPU hours.
    assert BudgetWatch(Budget(wall_time="61m"), writer, 0.5).spent() is None
    assert BudgetWatch(Budget(wall_time="1h"), writer, 0.5).spent() == "`budget.wall_time` 1h is used."
    assert BudgetWatch(Budget(gpu_hours=1.1), writer, 0.5).spent() is None
    assert BudgetWatch(Budget(gpu_hours=1.0), writer, 0.5).spent() == "`budget.gpu_hours` 1 is used (1.00)."


def test_time_in_which_two_run_counts_once() -> None:
    assert _covered([(0.0, 4.0), (1.0, 2.0), (3.0, 6.0), (8.0, 9.0)]) == 7.0


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90.0), ("1.5h", 5400.0), ("2 d", 172800.0)])
def test_durations(text: str, seconds: float) -> None:
    assert duration_s(text) == seconds


@pytest.mark.parametrize("text", ["12", "h", "-1h", "0s", "1h30m"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="a duration must be a positive number and s, m, h or d"):
        duration_s(text)


def test_three_alike_and_more_than_half_break() -> None:
    failures = Failures()
    for seed in (0, 7):
        failures.add(f"NonFiniteError: seed {seed}: the loss is nan")
    failures.add("LostEnvRunnerError: one died")
    assert failures.verdict is None
    failures.add("NonFiniteError: seed 12: the loss is nan")
    assert failures.verdict == "3 of 4 trials failed alike: NonFiniteError: seed 0: the loss is nan"


def test_a_minority_of_failures_breaks_nothing() -> None:
    failures = Failures()
    for _ in range(3):
        failures.add_complete()
    for _ in range(3):
        failures.add("ValueError: x")
    assert failures.verdict is None
    failures.add("ValueError: x")
    assert failures.verdict == "4 of 7 trials failed alike: ValueError: x"

"""How much training kills have cost, from when attempts started, ended and what they continued."""

from collections.abc import Sequence

import pytest
from sqlalchemy import update

from sweeps.ledger import Ledger, NewTrial, StudyRow, driving
from sweeps.ledger.database import writing
from sweeps.ledger.tables import executions, lease


@pytest.fixture
def study(ledger: Ledger) -> StudyRow:
    return ledger.create_study("s", "", "a" * 64, [0], [NewTrial(name, "fixed", {}) for name in "ab"])


Attempt = tuple[int, str | None, float, float, float | None]


def attempted(ledger: Ledger, study: StudyRow, attempts: Sequence[Attempt]) -> None:
    """Attempts: trial, failure, start, end, and when the checkpoint was taken that it continued."""
    with driving(ledger, study) as writer:
        for trial, failure, start, end, saved_at in attempts:
            execution = writer.ask(trial, [0], None)
            writer.start(execution)
            writer.resumed(execution, None if saved_at is None else f"a1-i{int(saved_at):06d}", saved_at)
            writer.release(execution, failure or "interrupted")
            values = {"started_at": start, "finished_at": end}
            with writing(ledger.engine).begin() as connection:
                connection.execute(update(executions).where(executions.c.id == execution.id).values(**values))


@pytest.mark.parametrize(
    ("attempts", "lost"),
    [
        # Killed at 100; what goes on continues a checkpoint of 70: 30 s are done again.
        ([(0, "driver lost", 10.0, 100.0, None), (0, None, 150.0, 200.0, 70.0)], [30.0]),
        ([(0, "worker lost: ActorDiedError", 10.0, 100.0, None), (0, None, 150.0, 200.0, 70.0)], [30.0]),
        # No checkpoint at all: everything since its start at 10.
        ([(0, "driver lost", 10.0, 100.0, None), (0, None, 150.0, 200.0, None)], [90.0]),
        # The second was killed before its first checkpoint: the third continues the one of 70, and only the second's
        # own 20 s are lost with it, beside the first's 30 s.
        (
            [
                (0, "driver lost", 10.0, 100.0, None),
                (0, "driver lost", 150.0, 170.0, 70.0),
                (0, None, 180.0, 300.0, 70.0),
            ],
            [30.0, 20.0],
        ),
        # Killed before it had reported: its last sign of life is older than the checkpoint that its worker still took.
        ([(0, "driver lost", 10.0, 60.0, None), (0, None, 150.0, 200.0, 70.0)], [0.0]),
        # An interrupted attempt is no kill, one without a successor has lost nothing yet, trials are apart.
        ([(0, "interrupted", 10.0, 100.0, None), (0, None, 150.0, 200.0, 70.0)], []),
        ([(0, "driver lost", 10.0, 100.0, None), (1, None, 150.0, 200.0, None)], []),
    ],
)
def test_a_kill_costs_what_lay_behind_the_last_checkpoint(
    ledger: Ledger, study: StudyRow, attempts: Sequence[Attempt], lost: list[float]
) -> None:
    attempted(ledger, study, attempts)
    assert ledger.lost_times(study.id) == lost


def test_what_ran_under_a_killed_driver_ended_with_its_last_sign_of_life(ledger: Ledger, study: StudyRow) -> None:
    with driving(ledger, study) as dead:
        dead.start(dead.ask(0, [0], None))
    with writing(ledger.engine).begin() as connection:  # killed, and nobody came for a week
        connection.execute(update(lease).values(renewed_at=1_000.0, released_at=None, expires_at=1_060.0))
        connection.execute(update(executions).values(started_at=900.0))

    with driving(ledger, study) as driver:
        driver.take_over()

    assert ledger.execution_times(study.id) == [(0, 900.0, 1_000.0)]

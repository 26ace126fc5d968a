"""A ledger that an older version wrote opens, and goes on."""

import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import inspect

from sweeps.ledger import Ledger, driving
from sweeps.ledger.tables import SCHEMA_VERSION, metadata
from sweeps.records import Interval, SeedRun, State

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(params=[f"ledger-v{version}.sql" for version in range(1, SCHEMA_VERSION)])
def ledger(tmp_path: Path, request: pytest.FixtureRequest) -> Ledger:
    connection = sqlite3.connect(tmp_path / "ledger.db")
    connection.executescript((GOLDEN / request.param).read_text(encoding="utf-8"))
    connection.close()
    return Ledger(f"sqlite:///{tmp_path}/ledger.db")


def columns(ledger: Ledger) -> dict[str, dict[str, tuple[str, bool]]]:
    """Table -> column -> type and whether it may be null."""
    found = inspect(ledger.engine)
    return {
        table: {column["name"]: (str(column["type"]), column["nullable"]) for column in found.get_columns(table)}
        for table in metadata.tables
    }


def test_has_the_tables_of_a_new_one(ledger: Ledger, tmp_path: Path) -> None:
    assert columns(ledger) == columns(Ledger(f"sqlite:///{tmp_path}/new.db"))


def test_keeps_its_trials(ledger: Ledger) -> None:
    study = ledger.study("profile")
    assert study is not None

    first, second, third = ledger.trials(study.id)

    assert (first.state, first.feasible, first.continued) == (State.COMPLETE, False, False)
    assert first.mean_return == Interval(90.5, 84.1, 96.9, 2)
    assert first.seed_runs[1] == SeedRun(
        *(1, State.COMPLETE, 20_000, 10), mean_return=91.0, mean_cost={"cost": 31.0}, multiplier={"cost": 0.0}
    )
    assert (second.state, second.failure) == (State.FAIL, "NonFiniteError: seed 1: the loss is nan")
    assert third.state is State.RUNNING


def test_a_driver_goes_on_with_it(ledger: Ledger) -> None:
    study = ledger.study("profile")
    assert study is not None
    with driving(ledger, study) as writer:
        assert writer.token == 2
        assert writer.take_over() == 1
        assert writer.ask(2, [0, 1], None).attempt == 2

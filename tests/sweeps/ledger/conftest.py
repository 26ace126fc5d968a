"""A new ledger, once in a file and once on a PostgreSQL server: every test holds for both."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sweeps.ledger import Ledger
from tests.postgres import Postgres


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path, postgres: Postgres) -> Iterator[Ledger]:
    of_file = f"sqlite:///{tmp_path}/ledger.db"
    ledger = Ledger(of_file if request.param == "sqlite" else postgres.create_database())
    yield ledger
    ledger.close()

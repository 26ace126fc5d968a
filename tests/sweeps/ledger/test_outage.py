"""A database server goes away and comes back: a driver waits, a reader says so."""

import logging
import threading
import time
from collections.abc import Iterator

import pytest

from sweeps.errors import UnreachableError
from sweeps.ledger import Ledger, NewTrial, driving
from sweeps.records import State
from tests.postgres import Postgres, postgres_server


@pytest.fixture
def server() -> Iterator[Postgres]:
    with postgres_server() as server:  # of its own: it is stopped
        yield server


def test_a_driver_outlives_its_server_and_a_reader_says_that_it_is_away(
    server: Postgres, caplog: pytest.LogCaptureFixture
) -> None:
    ledger = Ledger(server.create_database())
    study = ledger.create_study("profile", "{}", "a" * 64, [0], [NewTrial("0", "fixed", {})])
    reader = Ledger(ledger.url)
    assert reader.studies() == [study]
    with caplog.at_level(logging.WARNING), driving(ledger, study, renewal_s=0.1) as writer:
        execution = writer.ask(0, [0], None)
        server.stop()
        with pytest.raises(UnreachableError, match="the ledger's database does not answer"):
            reader.studies()
        starter = threading.Thread(target=lambda: (time.sleep(1.0), server.start()))
        starter.start()

        writer.start(execution)  # waits

        starter.join()
        assert "trying again" in caplog.text
        assert ledger.trials(study.id)[0].state is State.RUNNING
        writer.renew()
    assert ledger.holder(study.id) is None
    for opened in (ledger, reader):
        opened.close()

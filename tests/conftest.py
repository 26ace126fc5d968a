"""What tests share: one local Ray and one PostgreSQL server for the whole session."""

import signal
from collections.abc import Iterator

import pytest

from tests.postgres import Postgres, postgres_server

# A shell starts its background jobs with Ctrl-C ignored, and an ignored signal stays ignored in every child: tests that
# interrupt a process of ours would wait in vain.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def local_ray() -> Iterator[None]:
    """A private Ray of this machine's cores, without dashboard; nothing of it outlives the session."""
    from sweeps.running.ray_session import connected

    with connected("local"):
        yield


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server; each test takes a database of its own from `create_database`."""
    with postgres_server() as server:
        yield server

"""One stack for all tests that need a running one."""

from collections.abc import Iterator

import pytest

from tests.deployment.stack import Stack, running_stack
from tests.postgres import Postgres


@pytest.fixture(scope="session")
def stack(postgres: Postgres) -> Iterator[Stack]:
    """The services of docker/compose.yaml, started by the images' own scripts."""
    with running_stack(postgres) as running:
        yield running

"""What tests share: one local Ray for the whole session."""

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session")
def local_ray() -> Iterator[None]:
    """A private Ray of this machine's cores, without dashboard; nothing of it outlives the session."""
    from sweeps.running.ray_session import connected

    with connected("local"):
        yield

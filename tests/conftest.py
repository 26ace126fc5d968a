"""What tests share: one local Ray for the whole session."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def local_ray() -> Iterator[None]:
    """A private Ray of two CPUs, without dashboard; nothing of it outlives the session."""
    import ray

    # Ray's sockets need a short path, which pytest's own temporary folders do not have.
    with tempfile.TemporaryDirectory(prefix="ls-", dir=Path(tempfile.gettempdir())) as folder:
        ray.init(
            address="local",
            num_cpus=2,
            include_dashboard=False,
            object_store_memory=200 * 2**20,
            _temp_dir=folder,
            logging_level="ERROR",
            log_to_driver=False,
        )
        yield
        ray.shutdown()

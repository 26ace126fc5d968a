"""MLflow as a guest: told by its environment variables, its chatter dropped on the threads that only we use it from."""

import logging
import os
import threading
import warnings
from collections.abc import Generator
from contextlib import contextmanager

_ENVIRONMENT = {
    # One attempt with a short timeout: the shipper decides when to try again.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # two lines for every run that ends
}
_CHATTERBOXES = ("mlflow", "alembic", "sqlalchemy")
_quiet_threads: set[int] = set()

importing = threading.Lock()
"""Held while MLflow is imported: its modules import each other in circles; of two threads at once each gets half."""


def prepare_environment() -> None:
    """Sets what MLflow reads from the environment, unless the user has; comes before it is imported."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)


@contextmanager
def quiet_mlflow() -> Generator[None]:
    """Drops what MLflow logs from this thread, and its use of deprecated parts of its own dependencies.

    What matters of it arrives as an exception. Comes after MLflow is imported, which sets up its log handlers.
    """
    warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"mlflow\.")
    for handler in logging.getLogger("mlflow").handlers:
        if _is_wanted not in handler.filters:
            handler.addFilter(_is_wanted)
    thread = threading.get_ident()
    _quiet_threads.add(thread)
    try:
        yield
    finally:
        _quiet_threads.discard(thread)


def _is_wanted(record: logging.LogRecord) -> bool:
    return record.thread not in _quiet_threads or not record.name.startswith(_CHATTERBOXES)

"""The storage folder: where it is, and the ledger in it."""

import os
from pathlib import Path

from sqlalchemy import URL

from sweeps.ledger import Ledger

DEFAULT_STORAGE = "lagsweep-runs"

_LEDGER = "ledger.db"


def storage_folder(storage: str | Path | None = None) -> Path:
    """The storage folder that is meant, absolute; it need not exist.

    Args:
        storage: The folder; None takes LAGSWEEP_STORAGE or `lagsweep-runs`.
    """
    return Path(storage or os.environ.get("LAGSWEEP_STORAGE") or DEFAULT_STORAGE).expanduser().absolute()


def has_ledger(storage: Path) -> bool:
    """Whether anything was ever stored there."""
    return (storage / _LEDGER).exists()


def open_ledger(storage: Path) -> Ledger:
    """The ledger of a storage folder, which must exist; the file is created at first use."""
    return Ledger(URL.create("sqlite", database=str(storage / _LEDGER)).render_as_string())

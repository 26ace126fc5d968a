"""Where studies are kept: the storage folder, the ledger in it or on a server, and checkpoints elsewhere."""

import os
from pathlib import Path

from sqlalchemy import URL

from sweeps.ledger import Ledger
from sweeps.running.checkpoint_place import join

DEFAULT_STORAGE = "lagsweep-runs"

_LEDGER = "ledger.db"


def storage_folder(storage: str | Path | None = None) -> Path:
    """The storage folder that is meant, absolute; it need not exist.

    Args:
        storage: The folder; None takes LAGSWEEP_STORAGE or `lagsweep-runs`.
    """
    return Path(storage or os.environ.get("LAGSWEEP_STORAGE") or DEFAULT_STORAGE).expanduser().absolute()


def has_ledger(storage: Path) -> bool:
    """Whether anything was ever stored there; a ledger on a server is there, or says that it is not."""
    return bool(os.environ.get("LAGSWEEP_LEDGER")) or (storage / _LEDGER).exists()


def open_ledger(storage: Path) -> Ledger:
    """The ledger of a storage folder, created at first use.

    Args:
        storage: The folder, which must exist; it holds the ledger's file unless LAGSWEEP_LEDGER names a database.
    """
    in_folder = URL.create("sqlite", database=str(storage / _LEDGER)).render_as_string()
    return Ledger(os.environ.get("LAGSWEEP_LEDGER") or in_folder)


def checkpoints_of(study: str) -> str | None:
    """Where the checkpoints of a new study go: below LAGSWEEP_CHECKPOINTS, a folder or a URL; None: with the study.

    Args:
        study: Its name.
    """
    root = os.environ.get("LAGSWEEP_CHECKPOINTS")
    if not root:
        return None
    return join(root if "://" in root else str(Path(root).expanduser().absolute()), study)

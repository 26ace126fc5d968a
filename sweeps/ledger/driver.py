"""One driver a study: a lock on a file for the living, a fencing token in the ledger for the dead."""

import os
import socket
import time
from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout
from sqlalchemy import and_, select, update

from sweeps.errors import StudyBusyError
from sweeps.ledger.database import writing
from sweeps.ledger.ledger import Holder, Ledger, StudyRow
from sweeps.ledger.tables import lease
from sweeps.ledger.writer import Writer


@contextmanager
def driving(ledger: Ledger, study: StudyRow, lock_file: Path) -> Generator[Writer]:
    """Holds the right to write a study.

    The operating system gives the lock back when a process dies, however it dies. The token then sees to it that a
    process that only seemed dead writes nothing more.

    Args:
        ledger: The ledger.
        study: The study.
        lock_file: File to lock; its folder is created.

    Yields:
        The writer.

    Raises:
        StudyBusyError: If another process drives the study; names it.
    """
    lock_file.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(lock_file, blocking=False)
    try:
        lock.acquire()
    except Timeout:
        raise _busy(study.name, ledger.holder(study.id)) from None
    try:
        writer = Writer(ledger, study.id, _take_lease(ledger, study.id))
        try:
            yield writer
        finally:
            _give_back(writer)
    finally:
        lock.release()


def _take_lease(ledger: Ledger, study: int) -> int:
    now = time.time()
    values = {"pid": os.getpid(), "host": socket.gethostname(), "acquired_at": now, "renewed_at": now}
    row = lease.c.study == study
    with writing(ledger.engine).begin() as connection:
        connection.execute(update(lease).where(row).values(token=lease.c.token + 1, released_at=None, **values))
        return int(connection.execute(select(lease.c.token).where(row)).scalar_one())


def _give_back(writer: Writer) -> None:
    mine = and_(lease.c.study == writer.study, lease.c.token == writer.token)
    with writing(writer.ledger.engine).begin() as connection:
        connection.execute(update(lease).where(mine).values(released_at=time.time()))


def _busy(name: str, holder: Holder | None) -> StudyBusyError:
    who = "a process that is just starting or ending"
    if holder is not None:
        since = datetime.fromtimestamp(holder.acquired_at).astimezone().isoformat(" ", "seconds")
        who = f"process {holder.pid} on {holder.host}, since {since}"
    return StudyBusyError(
        f"`one driver a study` must hold, but study {name!r} is driven by {who}.",
        code="study-busy",
        help="wait for it, or end it (its finished work is kept)",
    )

"""One driver a study: a lease that it keeps renewing, and a fencing token for one that only seemed dead.

A lease in the ledger and not a lock of the operating system: the same on SQLite and PostgreSQL, on one machine and on
several, and a suspended process does not keep it for ever. Clocks of several machines must agree to within the lease;
where they do not, a driver may be taken over too early, which the token turns into a clean end of the older one.
"""

import logging
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime

from sqlalchemy import and_, select, update
from sqlalchemy.exc import SQLAlchemyError

from sweeps.errors import StudyBusyError, SweepError
from sweeps.ledger.database import writing
from sweeps.ledger.errors import StaleWriterError
from sweeps.ledger.holder import Holder, holder_of, this_process
from sweeps.ledger.ledger import Ledger, StudyRow
from sweeps.ledger.outage import DRIVER_PATIENCE_S, survives_outages
from sweeps.ledger.tables import lease
from sweeps.ledger.writer import LEASE_S, Writer

RENEWAL_S = 2.0
"""Seconds between two renewals, and so until a driver hears that it shall stop."""

logger = logging.getLogger(__name__)


@contextmanager
def driving(
    ledger: Ledger, study: StudyRow, *, lease_s: float = LEASE_S, renewal_s: float = RENEWAL_S
) -> Generator[Writer]:
    """Holds the right to write a study.

    The right of a process that ended on this machine is taken over at once; that of any other driver when its lease
    has run out. Every transaction checks the token, so that a driver that was taken over writes nothing more.

    Args:
        ledger: The ledger.
        study: The study.
        lease_s: Seconds for which the right lasts without a sign of life.
        renewal_s: Seconds between two signs of life, beside those that every transaction gives.

    Yields:
        The writer.

    Raises:
        StudyBusyError: If another process drives the study; names it.
    """
    writer = _take(ledger, study, lease_s)
    before, ledger.patience_s = ledger.patience_s, DRIVER_PATIENCE_S
    try:
        with _renewing(writer, renewal_s):
            yield writer
    finally:
        _give_back(writer)
        ledger.patience_s = before


def _take(ledger: Ledger, study: StudyRow, lease_s: float) -> Writer:
    row = lease.c.study == study.id
    with writing(ledger.engine).begin() as connection:
        connection.execute(update(lease).where(row).values(token=lease.c.token + 1))  # locks it, before it is read
        known = connection.execute(select(lease).where(row)).one()
        holder = holder_of(known)
        usurps = holder is not None and not holder.is_dead
        if holder is not None and usurps and not holder.has_expired:
            raise _busy(study.name, holder)  # undoes the transaction
        now = time.time()
        values = this_process() | {"acquired_at": now, "renewed_at": now, "expires_at": now + lease_s}
        connection.execute(update(lease).where(row).values(released_at=None, stop_requested_at=None, **values))
    # What was running ended, as far as anybody knows, with the last sign of life of the driver before.
    return Writer(ledger, study.id, known.token, lease_s=lease_s, usurps=usurps, last_sign_at=known.renewed_at)


@contextmanager
def _renewing(writer: Writer, every_s: float) -> Generator[None]:
    """Renews the lease from a thread of its own while the driver trains, waits or starts Ray."""
    ended = threading.Event()

    def renew() -> None:
        while not ended.wait(every_s):
            try:
                writer.renew()
            except StaleWriterError:
                return  # the writer says so to whoever writes next
            except (SweepError, SQLAlchemyError) as error:  # a file that stayed locked; the next renewal may do
                logger.warning("The lease could not be renewed: %s", error)

    thread = threading.Thread(target=renew, name="lagsweep-lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(timeout=10.0)


@survives_outages
def _give_back(writer: Writer) -> None:
    mine = and_(lease.c.study == writer.study, lease.c.token == writer.token)
    with writing(writer.ledger.engine).begin() as connection:
        connection.execute(update(lease).where(mine).values(released_at=time.time()))


def _busy(name: str, holder: Holder) -> StudyBusyError:
    since = datetime.fromtimestamp(holder.acquired_at).astimezone().isoformat(" ", "seconds")
    return StudyBusyError(
        f"`one driver a study` must hold, but study {name!r} is driven by process {holder.pid} on {holder.host}, "
        f"since {since}.",
        code="study-busy",
        help="wait for it, or end it with `lagsweep stop` (its finished work is kept)",
    )

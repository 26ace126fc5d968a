"""Who drives a study, and whether it still lives."""

import os
import socket
import time
from dataclasses import dataclass
from typing import Any

import psutil
from sqlalchemy import Row

_CLOCK_S = 1.0  # two readings of a process's start differ by less


@dataclass(frozen=True)
class Holder:
    """The driver that may write a study.

    Attributes:
        token: Fencing token: grows with every holder.
        pid: Its process.
        host: Its machine.
        acquired_at: Seconds since the epoch.
        expires_at: When its lease ends unless it renews it; seconds since the epoch.
        process_started_at: When its process began; seconds since the epoch.
        stop_requested: Whether somebody asked it to end.
    """

    token: int
    pid: int
    host: str
    acquired_at: float
    expires_at: float
    process_started_at: float
    stop_requested: bool = False

    @property
    def is_dead(self) -> bool:
        """Whether its process is known to have ended: it ran on this machine and is gone."""
        if self.host != socket.gethostname():
            return False
        try:
            return abs(psutil.Process(self.pid).create_time() - self.process_started_at) > _CLOCK_S
        except psutil.NoSuchProcess:
            return True

    @property
    def has_expired(self) -> bool:
        """Whether it has not renewed its lease in time: its machine is gone, or it was suspended."""
        return time.time() > self.expires_at


def this_process() -> dict[str, Any]:
    """Columns of a lease that name this process."""
    return {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "process_started_at": psutil.Process().create_time(),
    }


def holder_of(row: Row) -> Holder | None:
    """A row of `lease` as a record; None where the last driver gave it back, or was of a version without expiry."""
    if row.pid is None or row.released_at is not None or row.expires_at is None:
        return None
    return Holder(
        token=row.token,
        pid=row.pid,
        host=row.host,
        acquired_at=row.acquired_at,
        expires_at=row.expires_at,
        process_started_at=row.process_started_at,
        stop_requested=row.stop_requested_at is not None,
    )

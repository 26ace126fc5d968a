"""What stands between a driver and its spool: nothing that happens to the disk reaches training.

What a full disk refuses waits in memory and is tried again once a second, a part at a time. A thread forces the spool
to disk once a second, because a flush may take long.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Iterable

from sweeps.tracking.events import Event, encode
from sweeps.tracking.spool import Spool

THREAD_NAME = "lagsweep-spool"

_LOG = logging.getLogger(__name__)
_INTERVAL_S = 1.0
_PART = 256  # events written at once after the disk has refused some: an append never takes long


class Outbox:
    """Appends events to a spool, at once or as soon as the disk takes them.

    Args:
        spool: The spool, open for appending; `close` closes it.
    """

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._lock = threading.Lock()
        self._waiting: deque[bytes] = deque()
        self._retry_at = 0.0
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._sync_often, name=THREAD_NAME, daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Events that the disk has not taken yet."""
        return len(self._waiting)

    def append(self, events: Iterable[Event]) -> None:
        """Appends events after those that wait; never raises because of the disk."""
        lines = [encode(event) for event in events]  # before they wait: one that is no event holds up no other
        with self._lock:
            self._waiting.extend(lines)
            if time.monotonic() >= self._retry_at:
                self._write()

    def close(self) -> int:
        """Tries a last time and closes the spool.

        Returns:
            Events that the disk did not take; they are lost, and a warning says so.
        """
        with self._lock:
            self._write(everything=True)
        self._closing.set()
        self._thread.join()
        try:
            self._spool.close()
        except OSError as error:
            _LOG.warning("%s cannot be forced to disk: %s", self._spool.path, error)
        if self._waiting:
            _LOG.warning("%d events could not be written to %s and are lost.", self.waiting, self._spool.path)
        return self.waiting

    def _write(self, *, everything: bool = False) -> None:
        try:
            while self._waiting:
                part = [self._waiting[index] for index in range(min(_PART, self.waiting))]
                self._spool.append_lines(part)
                for _ in part:
                    self._waiting.popleft()
                if self._retry_at and not everything:
                    break
        except OSError as error:
            if not self._retry_at:
                _LOG.warning(
                    "%s takes no more lines (%s); training goes on, and %d wait in memory.",
                    self._spool.path,
                    error,
                    self.waiting,
                )
            self._retry_at = time.monotonic() + _INTERVAL_S
        else:
            if self._retry_at and not self._waiting:
                _LOG.info("%s takes lines again.", self._spool.path)
                self._retry_at = 0.0

    def _sync_often(self) -> None:
        failed = False
        while not self._closing.wait(_INTERVAL_S):
            try:
                self._spool.sync()
            except OSError as error:
                if not failed:
                    _LOG.warning("%s cannot be forced to disk: %s", self._spool.path, error)
                failed = True
            else:
                failed = False

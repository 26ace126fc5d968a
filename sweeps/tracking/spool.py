"""The spool: a study's append-only history on disk, written before anything is sent anywhere.

Durability. `append` hands its lines to the operating system in one write before it returns: they survive the death of
the process at any point. A thread of its own (`sweeps.tracking.outbox`) forces the file to disk (fsync) once a second
while lines arrive, and `close` does: a power cut costs about the last second, and no append waits for a disk that
flushes. A line cut short by either is dropped by readers and cut off before the next append.

One process writes a spool (the study driver, under its lock); any number read it meanwhile.
"""

import os
import threading
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from sweeps.errors import SweepError
from sweeps.records import ResultRow
from sweeps.tracking.events import SPOOL_VERSION, Event, RowAdded, SpoolOpened, decode, encode

SPOOL_NAME = "spool.jsonl"
"""Name of the file in the study's folder."""

_READ_BYTES = 1 << 20


class SpoolError(SweepError, ValueError):
    """A spool that cannot be read: damaged in the middle, or written by a newer version."""


class Spool:
    """A spool open for appending.

    Attributes:
        path: The file.
        id: Identity of this history, from its first line.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._syncing = threading.Lock()  # held by who forces to disk, so that nobody closes the file meanwhile
        self._descriptor: int | None = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        self._size = _cut_torn_tail(self._descriptor)
        self._dirty = False
        self._torn = False  # whether part of an append may lie after the whole lines
        if self._size == 0:
            self.append([SpoolOpened(id=uuid.uuid4().hex)])
        self.id = read_id(path)

    @property
    def size(self) -> int:
        """Bytes of whole lines."""
        return self._size

    def append(self, events: Sequence[Event]) -> None:
        """Appends events, all or none of them.

        Args:
            events: In the order in which they happened.

        Raises:
            OSError: If the disk does not take them (full, gone); none is kept then.
            ValueError: If the spool is closed.
        """
        self.append_lines([encode(event) for event in events])

    def append_lines(self, lines: Sequence[bytes]) -> None:
        """Appends events that `encode` has written, as `append` does."""
        data = b"".join(lines)
        with self._lock:
            if self._descriptor is None:
                raise ValueError(f"`append` needs an open spool, but {self.path} is closed.")
            if self._torn:
                os.ftruncate(self._descriptor, self._size)
            self._torn = True
            try:
                _write_all(self._descriptor, data)
            except OSError:
                # A full disk may refuse this too (where files are copied on write): then the next append tries again.
                os.ftruncate(self._descriptor, self._size)
                self._torn = False
                raise
            self._torn = False
            self._size += len(data)
            self._dirty = True

    def sync(self) -> None:
        """Forces to disk what has not been, unless the spool is closed; appends go on meanwhile.

        Raises:
            OSError: If the disk fails.
        """
        with self._syncing:
            with self._lock:
                descriptor, dirty = self._descriptor, self._dirty
                self._dirty = False
            if dirty and descriptor is not None:
                os.fsync(descriptor)

    def close(self) -> None:
        """Forces everything to disk and closes the file; a second call does nothing.

        Raises:
            OSError: If the disk fails; the file is closed all the same.
        """
        try:
            self.sync()
        finally:
            with self._syncing, self._lock:
                if self._descriptor is not None:
                    os.close(self._descriptor)
                    self._descriptor = None


class Line(NamedTuple):
    """An event and where it lies in the file: its first byte, and the byte after its last."""

    event: Event
    start: int
    end: int


class SpoolReader:
    """Reads a spool from an offset on, also while it grows.

    Attributes:
        path: The file; need not exist yet.
        offset: Where the next line starts, bytes.
    """

    def __init__(self, path: Path, offset: int = 0) -> None:
        self.path = path
        self.offset = offset

    def read(self, max_bytes: int = _READ_BYTES) -> list[Event]:
        """Reads whole lines, about `max_bytes` of them, and moves `offset` behind them.

        Args:
            max_bytes: When to stop; a single longer line is read whole.

        Returns:
            The events; empty at the end of the file or before a line that is not whole yet.

        Raises:
            SpoolError: If a whole line is no event, or the spool was written by a newer version.
        """
        return [line.event for line in self.read_lines(max_bytes)]

    def read_lines(self, max_bytes: int = _READ_BYTES) -> list[Line]:
        """Reads as `read` does, and says where each event lies."""
        if not self.path.exists():
            return []
        lines: list[Line] = []
        start = self.offset
        with self.path.open("rb") as file:
            file.seek(start)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                lines.append(Line(self._decode(line), self.offset, self.offset + len(line)))
                self.offset += len(line)
                if self.offset - start >= max_bytes:
                    break
        return lines

    def _decode(self, line: bytes) -> Event:
        try:
            event = decode(line)
        except ValueError as error:
            raise SpoolError(
                f"every line of a spool must be an event, but {self.path} holds none at byte {self.offset}: "
                f"{line[:60]!r}; restore the file, or move it away to start a new history."
            ) from error
        if isinstance(event, SpoolOpened) and event.version > SPOOL_VERSION:
            raise SpoolError(
                f"`version <= {SPOOL_VERSION}` must hold, but {self.path} has version {event.version}; "
                "read it with the version of lagsweep that wrote it."
            )
        return event


def read_events(path: Path) -> Iterator[Event]:
    """Reads a spool from its start.

    Args:
        path: The file; one that does not exist holds nothing.

    Yields:
        Its events in order, repeated rows included; a torn last line is dropped.

    Raises:
        SpoolError: If a whole line is no event, or the spool was written by a newer version.
    """
    reader = SpoolReader(path)
    while events := reader.read():
        yield from events


def read_rows(path: Path) -> list[ResultRow]:
    """Reads the result rows of a study, each (trial, seed, iteration) once.

    Iterations that were repeated after a kill appear twice in the file; the first row counts.

    Args:
        path: The spool; one that does not exist holds nothing.

    Returns:
        The rows in the order in which they first came.

    Raises:
        SpoolError: If a whole line is no event, or the spool was written by a newer version.
    """
    rows: dict[tuple[int, int, int], ResultRow] = {}
    for event in read_events(path):
        if isinstance(event, RowAdded):
            row = event.row
            rows.setdefault((row.trial, row.seed, row.iteration), row)
    return list(rows.values())


def read_id(path: Path) -> str:
    """Reads the identity of a spool's history.

    Args:
        path: The spool.

    Returns:
        The `id` of its first line.

    Raises:
        SpoolError: If the file does not begin with one.
    """
    first = next(iter(SpoolReader(path).read(max_bytes=1)), None)
    if not isinstance(first, SpoolOpened):
        raise SpoolError(f'a spool must begin with an event "spool", but {path} does not; move it away to start anew.')
    return first.id


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _cut_torn_tail(descriptor: int) -> int:
    """Cuts the file after its last whole line and returns its size.

    A crash of the machine may also leave zeros where the last lines were: a whole line that is no event is torn too,
    as long as only such lines follow.
    """
    size = os.fstat(descriptor).st_size
    end = size
    while end > 0 and not _ends_with_event(descriptor, end):
        end = _line_start(descriptor, end - 1)
    if end < size:
        os.ftruncate(descriptor, end)
    return end


def _ends_with_event(descriptor: int, end: int) -> bool:
    start = _line_start(descriptor, end - 1)
    line = os.pread(descriptor, end - start, start)
    if not line.endswith(b"\n"):
        return False
    try:
        decode(line)
    except ValueError:
        return False
    return True


def _line_start(descriptor: int, position: int) -> int:
    """Where the line that holds the byte before `position` starts: after the last line feed in [0, position)."""
    while position > 0:
        start = max(0, position - 65536)
        index = os.pread(descriptor, position - start, start).rfind(b"\n")
        if index >= 0:
            return start + index + 1
        position = start
    return 0

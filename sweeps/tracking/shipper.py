"""The shipper: one background thread a study that carries its spool to MLflow.

It reads the spool from an offset that it keeps on disk, sends each row once, in at most one request, and several rows
of one seed run in one request when it lags. When MLflow fails it tries again with growing, jittered pauses; after three
failures in a row its circuit breaker opens: one warning, and from then on a single attempt per pause. Whatever
happens, nothing is raised into training and nothing is lost: the spool keeps it. One process ships a study at a time:
a file lock beside the spool sees to it.
"""

import logging
import random
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from sweeps.records import ResultRow
from sweeps.tracking.batches import plan_requests
from sweeps.tracking.curves import Curves
from sweeps.tracking.events import Event, RowAdded, StudyStarted
from sweeps.tracking.marks import Marks
from sweeps.tracking.quiet import importing, prepare_environment, quiet_mlflow
from sweeps.tracking.shipped import SavedOffset
from sweeps.tracking.spool import SPOOL_NAME, Line, SpoolError, SpoolReader, read_id
from sweeps.tracking.store import without_credentials
from sweeps.tracking.trial_rows import TrialRows

if TYPE_CHECKING:
    from types import ModuleType

    from sweeps.tracking.mlflow_runs import MlflowRuns

THREAD_NAME = "lagsweep-tracking"
LOCK_NAME = "shipper.lock"

_LOG = logging.getLogger(__name__)
_IDLE_S = 1.0
_JOIN_S = 0.05
_PAST_BYTES = 1 << 20  # read at once of what was sent before
_BREAKER_FAILURES = 3
_LAST_ATTEMPTS_S = 15.0


@dataclass(frozen=True)
class Backoff:
    """Pauses between attempts: first · 2ⁿ⁻¹ after n failures in a row, at most `cap_s`, times 0.5 to 1.5 by chance.

    Attributes:
        first_s: Pause after the first failure, seconds.
        cap_s: Longest pause before jitter, seconds.
    """

    first_s: float = 0.5
    cap_s: float = 30.0

    def pause_s(self, failures: int) -> float:
        """How long to wait after so many failures in a row.

        Args:
            failures: At least 1.

        Returns:
            Seconds.
        """
        return min(self.cap_s, self.first_s * 2.0 ** (failures - 1)) * random.uniform(0.5, 1.5)


class Shipper:
    """Carries a study's spool to MLflow.

    Attributes:
        folder: The study's folder.
        shipped: Offset in the spool up to which MLflow has everything, bytes.
        failures: Failures in a row; 0 while MLflow answers.
        refused: Requests that MLflow refused for good.
        trouble: Why the last attempt failed; None while MLflow answers.
    """

    def __init__(
        self,
        folder: Path,
        uri: str,
        artifact_root: str | None,
        backoff: Backoff | None = None,
    ) -> None:
        self.folder = folder
        self.failures = 0
        self.refused = 0
        self.trouble: Exception | None = None
        self._path = folder / SPOOL_NAME
        self._uri = uri
        self._artifact_root = artifact_root
        self._backoff = backoff or Backoff()
        self._history = read_id(self._path)
        self._offset = SavedOffset(folder, uri, self._history)
        self._first_size = self._path.stat().st_size
        self.shipped = self._offset.load(self._first_size)
        self._reader = SpoolReader(self._path)
        self._past: list[Event] = []
        self._plan: deque[Event | list[ResultRow]] = deque()
        self._highest: dict[tuple[int, int], int] = {}  # iteration of each trial and seed, whose rows come in order
        self._curves = Curves()
        self._marks = Marks()
        self._rows = TrialRows(self._path)
        self._lock = FileLock(folder / LOCK_NAME, thread_local=False)
        self._runs: MlflowRuns | None = None
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._deadline = float("inf")
        self._patient_until = float("inf")
        self._thread = threading.Thread(target=self._ship, name=THREAD_NAME, daemon=True)

    def start(self) -> None:
        """Starts the thread; MLflow is imported and reached there."""
        self._thread.start()

    def wake(self) -> None:
        """Says that the spool has grown."""
        self._wake.set()

    def close(self, timeout_s: float) -> int:
        """Sends what is left, for at most so long, and stops.

        Args:
            timeout_s: Seconds to wait, but at most 15 while MLflow does not answer; a request under way when they end
                is left to itself.

        Returns:
            Events that MLflow has not got; they stay in the spool and are sent when the study is opened again.
        """
        self._deadline = time.monotonic() + timeout_s
        self._patient_until = time.monotonic() + _LAST_ATTEMPTS_S
        self._closing.set()
        self._wake.set()
        while self._thread.is_alive() and not self._expired():
            self._thread.join(_JOIN_S)
        if self.refused:
            _LOG.warning("MLflow refused %d requests of study %s for good.", self.refused, self.folder.name)
        return self.remaining()

    def remaining(self) -> int:
        """Counts the events of the spool that MLflow has not got.

        Returns:
            Lines after what was sent.
        """
        with self._path.open("rb") as file:
            file.seek(self.shipped)
            return sum(line.endswith(b"\n") for line in file)

    def _ship(self) -> None:
        if not self._acquire():
            return
        try:
            self._read_past()
            while not self._expired():
                if not self._plan:
                    self._plan.extend(plan_requests(self._new_events(self._reader.read_lines())))
                if self._plan:
                    self._attempt()
                elif self._closing.is_set():
                    return
                else:
                    self._wake.wait(_IDLE_S)
                    self._wake.clear()
        except SpoolError as error:
            _LOG.warning("tracking stops, training goes on: %s", error)
        finally:
            self._lock.release()

    def _acquire(self) -> bool:
        """Waits until no other process ships this study; whether it came to that."""
        while not self._expired():
            try:
                self._lock.acquire(timeout=_IDLE_S)
            except Timeout:
                continue
            self.shipped = self._offset.load(self._first_size)  # the other may have sent some
            return True
        return False

    def _read_past(self) -> None:
        """Takes note of what was sent before: later events refer to it, and repeat parts of it."""
        while self._reader.offset < self.shipped:
            lines = self._reader.read_lines(min(_PAST_BYTES, self.shipped - self._reader.offset))
            self._past += [event for event in self._new_events(lines) if not isinstance(event, RowAdded)]

    def _new_events(self, lines: Iterable[Line]) -> Iterator[Event]:
        """Drops rows of iterations that were read before, and those that no curve draws."""
        for line in lines:
            self._rows.note(line)
            if isinstance(line.event, StudyStarted):
                self._curves.start(line.event)
            if not isinstance(line.event, RowAdded):
                yield line.event
                continue
            drawn = self._drawn(line.event.row)
            self._marks.note(line.event.row, drawn)
            if drawn is not None:
                yield RowAdded(row=drawn)

    def _drawn(self, row: ResultRow) -> ResultRow | None:
        key = (row.trial, row.seed)
        if row.iteration <= self._highest.get(key, -1):
            return None
        self._highest[key] = row.iteration
        return self._curves.drawn(row)

    def _attempt(self) -> None:
        prepare_environment()
        with importing:  # takes seconds the first time, in this thread
            from sweeps.tracking import trouble

        try:
            with quiet_mlflow():
                runs = self._runs or self._connect()
                while self._plan and not self._expired():
                    self._send(trouble, runs, self._plan[0])
                    self._plan.popleft()
        except trouble.TROUBLE as error:
            self._failed(error)
        else:
            self._succeeded()

    def _connect(self) -> "MlflowRuns":
        with importing:
            from sweeps.tracking.mlflow_runs import MlflowRuns

        runs = MlflowRuns(self._uri, self._artifact_root, self.folder, self._history, self._rows, self._marks)
        for event in self._past:
            runs.remember(event)
        self._runs = runs
        return runs

    def _send(self, trouble: "ModuleType", runs: "MlflowRuns", request: Event | list[ResultRow]) -> None:
        refusal = _refusal(trouble, runs, request)
        if refusal is not None:
            runs.forget()  # somebody may have deleted the run that it is about
            refusal = _refusal(trouble, runs, request)
        if refusal is not None:
            self.refused += 1
            if self.refused == 1:
                _LOG.warning("MLflow refused a request for good, the rest goes on: %s", reason(refusal))

    def _succeeded(self) -> None:
        if self.failures >= _BREAKER_FAILURES:
            _LOG.info("MLflow at %s answers again.", without_credentials(self._uri))
        self.failures, self.trouble = 0, None
        if not self._plan:
            self.shipped = self._reader.offset
            self._offset.save(self.shipped)

    def _failed(self, error: Exception) -> None:
        self.failures += 1
        self.trouble = error
        if self._runs is not None:
            self._runs.forget()
        if self.failures == _BREAKER_FAILURES:
            _LOG.warning(
                "MLflow at %s does not answer (%s); training goes on, %d events wait in %s.",
                without_credentials(self._uri),
                reason(error),
                self.remaining(),
                self._path,
            )
        limit = min(self._deadline, self._patient_until)
        pause = min(self._backoff.pause_s(self.failures), max(0.0, limit - time.monotonic()))
        if not self._closing.is_set():
            self._closing.wait(pause)
        else:
            time.sleep(pause)

    def _expired(self) -> bool:
        now = time.monotonic()
        return now >= self._deadline or (self.failures > 0 and now >= self._patient_until)


def _refusal(trouble: "ModuleType", runs: "MlflowRuns", request: Event | list[ResultRow]) -> Exception | None:
    """Sends a request; why MLflow refused it, or None. Raises what another attempt may mend."""
    try:
        if isinstance(request, list):
            runs.log_rows(request)
        else:
            runs.apply(request)
    except trouble.TROUBLE as error:
        if not trouble.is_refusal(error):
            raise
        return error
    return None


def reason(error: Exception) -> str:
    """First line of an error, without credentials."""
    first_line = str(error).strip().partition("\n")[0]
    return without_credentials(first_line)[:300] or type(error).__name__

"""The shipper: one background thread a study that carries its spool to MLflow.

It reads the spool from an offset that it keeps on disk, sends each row once, in at most one request, and several rows
of one seed run in one request when it lags. When MLflow fails it tries again with growing, jittered pauses; after three
failures in a row its circuit breaker opens: one warning, and from then on a single attempt per pause. Whatever
happens, nothing is raised into training and nothing is lost: the spool keeps it.
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

from sweeps.records import ResultRow
from sweeps.tracking.batches import plan_requests
from sweeps.tracking.events import Event, RowAdded
from sweeps.tracking.quiet import prepare_environment, quiet_mlflow
from sweeps.tracking.shipped import SavedOffset
from sweeps.tracking.spool import SPOOL_NAME, Spool, SpoolError, SpoolReader, read_id
from sweeps.tracking.store import without_credentials

if TYPE_CHECKING:
    from types import ModuleType

    from sweeps.tracking.mlflow_runs import MlflowRuns

THREAD_NAME = "lagsweep-tracking"

_LOG = logging.getLogger(__name__)
_IDLE_S = 1.0
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
    """

    def __init__(
        self,
        folder: Path,
        uri: str,
        artifact_root: str | None,
        spool: Spool | None = None,
        backoff: Backoff | None = None,
    ) -> None:
        self.folder = folder
        self.failures = 0
        self.refused = 0
        self._path = folder / SPOOL_NAME
        self._uri = uri
        self._artifact_root = artifact_root
        self._spool = spool
        self._backoff = backoff or Backoff()
        self._history = read_id(self._path)
        self._offset = SavedOffset(folder, uri, self._history)
        self.shipped = self._offset.load(self._path.stat().st_size)
        self._reader = SpoolReader(self._path)
        self._past: list[Event] = []
        self._plan: deque[Event | list[ResultRow]] = deque()
        self._seen: dict[tuple[int, int], set[int]] = {}
        self._runs: MlflowRuns | None = None
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._deadline = float("inf")
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
        patience_s = timeout_s if self.failures < _BREAKER_FAILURES else min(timeout_s, _LAST_ATTEMPTS_S)
        self._deadline = time.monotonic() + patience_s
        self._closing.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(patience_s)
        if self.refused:
            _LOG.warning("MLflow refused %d requests of study %s for good.", self.refused, self.folder.name)
        left = self.remaining()
        if left:
            _LOG.warning(
                "%d events of study %s are not in MLflow yet; %s keeps them.", left, self.folder.name, self._path
            )
        return left

    def remaining(self) -> int:
        """Counts the events of the spool that MLflow has not got.

        Returns:
            Lines after what was sent.
        """
        with self._path.open("rb") as file:
            file.seek(self.shipped)
            return sum(line.endswith(b"\n") for line in file)

    def _ship(self) -> None:
        try:
            self._read_past()
            while not self._expired():
                self._sync_spool()
                if not self._plan:
                    self._plan.extend(plan_requests(self._new_events(self._reader.read())))
                if self._plan:
                    self._attempt()
                elif self._closing.is_set():
                    return
                else:
                    self._wake.wait(_IDLE_S)
                    self._wake.clear()
        except SpoolError as error:
            _LOG.warning("tracking stops, training goes on: %s", error)

    def _read_past(self) -> None:
        """Takes note of what was sent before: later events refer to it, and repeat parts of it."""
        while self._reader.offset < self.shipped:
            events = self._reader.read(self.shipped - self._reader.offset)
            self._past += [event for event in self._new_events(events) if not isinstance(event, RowAdded)]

    def _new_events(self, events: Iterable[Event]) -> Iterator[Event]:
        """Drops rows of iterations that were read before."""
        for event in events:
            if isinstance(event, RowAdded):
                iterations = self._seen.setdefault((event.row.trial, event.row.seed), set())
                if event.row.iteration in iterations:
                    continue
                iterations.add(event.row.iteration)
            yield event

    def _attempt(self) -> None:
        prepare_environment()
        from sweeps.tracking import mlflow_runs  # takes seconds the first time, in this thread

        try:
            with quiet_mlflow():
                runs = self._runs or self._connect(mlflow_runs)
                while self._plan and not self._expired():
                    self._send(mlflow_runs, runs, self._plan[0])
                    self._plan.popleft()
        except mlflow_runs.TROUBLE as error:
            self._failed(error)
        else:
            self._succeeded()

    def _connect(self, mlflow_runs: "ModuleType") -> "MlflowRuns":
        runs: MlflowRuns = mlflow_runs.MlflowRuns(self._uri, self._artifact_root, self.folder, self._history)
        for event in self._past:
            runs.remember(event)
        self._runs = runs
        return runs

    def _send(self, mlflow_runs: "ModuleType", runs: "MlflowRuns", request: Event | list[ResultRow]) -> None:
        try:
            if isinstance(request, list):
                runs.log_rows(request)
            else:
                runs.apply(request)
        except mlflow_runs.TROUBLE as error:
            if not mlflow_runs.is_refusal(error):
                raise
            self.refused += 1
            if self.refused == 1:
                _LOG.warning("MLflow refused a request for good, the rest goes on: %s", _reason(error))

    def _succeeded(self) -> None:
        if self.failures >= _BREAKER_FAILURES:
            _LOG.info("MLflow at %s answers again.", without_credentials(self._uri))
        self.failures = 0
        if not self._plan:
            self.shipped = self._reader.offset
            self._offset.save(self.shipped)

    def _failed(self, error: Exception) -> None:
        self.failures += 1
        if self._runs is not None:
            self._runs.forget()
        if self.failures == _BREAKER_FAILURES:
            _LOG.warning(
                "MLflow at %s does not answer (%s); training goes on, %d events wait in %s.",
                without_credentials(self._uri),
                _reason(error),
                self.remaining(),
                self._path,
            )
        pause = min(self._backoff.pause_s(self.failures), max(0.0, self._deadline - time.monotonic()))
        if not self._closing.is_set():
            self._closing.wait(pause)
        else:
            time.sleep(pause)

    def _expired(self) -> bool:
        return time.monotonic() >= self._deadline

    def _sync_spool(self) -> None:
        if self._spool is None:
            return
        try:
            self._spool.sync()
        except OSError as error:
            _LOG.warning("%s cannot be forced to disk: %s", self._path, error)
            self._spool = None  # said once; the next append reports what it meets


def _reason(error: Exception) -> str:
    first_line = str(error).strip().partition("\n")[0]
    return without_credentials(first_line)[:300] or type(error).__name__

"""`Tracker`: what a study driver tells about its trials, kept on disk and carried to MLflow in the background."""

import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from sweeps.records import ResultRow, Trial
from sweeps.tracking.events import (
    ArtifactAdded,
    Event,
    RowAdded,
    StudyStarted,
    StudyStopped,
    TrialFinished,
    TrialStarted,
)
from sweeps.tracking.provenance import provenance_tags
from sweeps.tracking.run_content import TAG
from sweeps.tracking.shipper import Backoff, Shipper
from sweeps.tracking.spool import SPOOL_NAME, Spool

_LOG = logging.getLogger(__name__)


class Tracker:
    """Records a study in its spool and has a background thread carry it to MLflow.

    No method but `start` and `close` waits for more than the disk, and none raises because of MLflow. One process
    tracks a study at a time: the driver, which holds the study's lock.

    Attributes:
        folder: The study's folder; the spool is in it.
    """

    def __init__(
        self,
        folder: Path,
        tracking_uri: str,
        artifact_root: str | None,
        study: str,
        spec_yaml: str,
        tags: Mapping[str, str],
        *,
        backoff: Backoff | None = None,
    ) -> None:
        self.folder = folder
        self._uri = tracking_uri
        self._artifact_root = None if artifact_root is None else str(artifact_root)
        self._study = study
        self._spec_yaml = spec_yaml
        self._tags = provenance_tags() | {_prefixed(name): str(value) for name, value in tags.items()}
        self._backoff = backoff
        self._spool: Spool | None = None
        self._shipper: Shipper | None = None
        self._unwritten: list[Event] = []

    def start(self) -> None:
        """Opens the spool, notes that the study starts, and starts the background thread.

        Raises:
            OSError: If the folder cannot be written.
            SpoolError: If the file in it is no spool.
        """
        self._spool = Spool(self.folder / SPOOL_NAME)
        # Before anything is appended: the shipper compares its saved offset with what the last driver left.
        self._shipper = Shipper(self.folder, self._uri, self._artifact_root, self._spool, self._backoff)
        self._append(
            StudyStarted(time=time.time(), study=self._study, spec_yaml=self._spec_yaml, tags=dict(self._tags))
        )
        self._shipper.start()

    def trial_started(self, trial: Trial) -> None:
        """Notes that a trial begins to train, for the first time or again.

        Args:
            trial: As it stands now; its unfinished seed runs are those that train.
        """
        self._append(TrialStarted(time=time.time(), trial=trial))

    def rows(self, rows: Sequence[ResultRow]) -> None:
        """Notes what seeds report; a row of an iteration that was reported before is ignored by every reader.

        Args:
            rows: Any rows of this study.
        """
        self._append(*(RowAdded(row=row) for row in rows))

    def trial_finished(self, trial: Trial) -> None:
        """Notes that a trial has reached a final state.

        Args:
            trial: As it stands now, with its aggregates.
        """
        self._append(TrialFinished(time=time.time(), trial=trial))

    def artifact(self, path: Path) -> None:
        """Adds a file or folder to the study's run in MLflow.

        Args:
            path: Where it lies; it must still be there when the background thread comes to it.
        """
        inside = path.resolve()
        folder = self.folder.resolve()
        name = inside.relative_to(folder) if inside.is_relative_to(folder) else inside
        self._append(ArtifactAdded(time=time.time(), path=str(name)))

    def close(self, timeout_s: float = 60.0) -> int:
        """Notes that the driver ends, sends what is left for at most so long, and closes the spool.

        Trials that have not finished are marked as killed in MLflow until they are resumed.

        Args:
            timeout_s: Seconds to wait for MLflow, but at most 15 while it does not answer; the first use of a new
                embedded store takes some.

        Returns:
            Events that MLflow has not got; the spool keeps them for the next start.
        """
        if self._spool is None or self._shipper is None:
            return 0
        self._append(StudyStopped(time=time.time()))
        try:
            return self._shipper.close(timeout_s) + len(self._unwritten)
        finally:
            self._spool.close()
            self._spool = None

    def _append(self, *events: Event) -> None:
        """Appends events; what a full disk does not take is kept in memory and tried again with the next ones."""
        if self._spool is None or self._shipper is None:
            raise RuntimeError("`start` must come before anything is tracked, and `close` after; call `start` first.")
        events_due = [*self._unwritten, *events]
        try:
            self._spool.append(events_due)
        except OSError as error:
            if not self._unwritten:
                _LOG.warning(
                    "%s takes no more lines (%s); training goes on, and they wait in memory.", self._spool.path, error
                )
            self._unwritten = events_due
        else:
            self._unwritten = []
            self._shipper.wake()


def _prefixed(name: str) -> str:
    return name if name.startswith((TAG, "mlflow.")) else f"{TAG}{name}"

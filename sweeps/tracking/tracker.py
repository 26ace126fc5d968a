"""`Tracker`: what a study driver tells about its trials, kept on disk and carried to MLflow in the background."""

import dataclasses
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sweeps.records import Interval, ResultRow, Trial
from sweeps.tracking.events import (
    ArtifactAdded,
    AttemptFailed,
    Event,
    PolicyAdded,
    RowAdded,
    StudyStarted,
    StudyStopped,
    SystemSampled,
    TrialFinished,
    TrialStarted,
)
from sweeps.tracking.outbox import Outbox
from sweeps.tracking.provenance import provenance_tags, write_provenance
from sweeps.tracking.run_content import TAG
from sweeps.tracking.shipper import Backoff, Shipper
from sweeps.tracking.spool import SPOOL_NAME, Spool
from sweeps.tracking.store import without_credentials
from sweeps.tracking.system import SystemSampler, sampling_interval_s

_LOG = logging.getLogger(__name__)
_LOG_BYTES = 64 * 2**10  # of what a failed attempt said


class Tracker:
    """Records a study in its spool and has a background thread carry it to MLflow.

    No method but `start` and `close` waits for more than the disk, and none raises because of MLflow. One process
    tracks a study at a time: the driver, which holds the study's lock.

    Args:
        folder: The study's folder.
        tracking_uri: MLflow's tracking URI.
        artifact_root: Where new experiments keep artifacts; None lets the server choose.
        study: The study's name.
        spec_yaml: The study file.
        tags: Further facts about this start.
        params_of: What identifies a trial's configuration: the parameters that MLflow shows.
        objectives_of: The objectives of a finished trial by name, the most important first.
        env_steps: Budget of a seed.
        backoff: Pauses between attempts to reach MLflow.

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
        params_of: Callable[[Trial], Mapping[str, Any]] = lambda trial: trial.params,
        objectives_of: Callable[[Trial], Mapping[str, Interval]] = lambda trial: {},
        env_steps: int | None = None,
        backoff: Backoff | None = None,
    ) -> None:
        self.folder = folder
        self._uri = tracking_uri
        self._artifact_root = None if artifact_root is None else str(artifact_root)
        self._study = study
        self._spec_yaml = spec_yaml
        self._tags = provenance_tags() | {_prefixed(name): str(value) for name, value in tags.items()}
        self._params_of = params_of
        self._objectives_of = objectives_of
        self._env_steps = env_steps
        self._backoff = backoff
        self._outbox: Outbox | None = None
        self._shipper: Shipper | None = None
        self._interval_s = sampling_interval_s()
        self._sampler: SystemSampler | None = None

    def start(self, *, training: bool = True) -> None:
        """Opens the spool, notes that the study starts, and starts the background thread.

        Args:
            training: Whether trials will run; without, only what is left over is sent, and no start is noted.

        Raises:
            OSError: If the folder cannot be written.
            SpoolError: If the file in it is no spool.
        """
        spool = Spool(self.folder / SPOOL_NAME)
        # Before anything is appended: the shipper compares its saved offset with what the last driver left.
        self._shipper = Shipper(self.folder, self._uri, self._artifact_root, self._backoff)
        self._outbox = Outbox(spool)
        if training:
            self._announce(time.time())
        self._shipper.start()

    def trial_started(self, trial: Trial) -> None:
        """Notes that a trial begins to train, for the first time or again.

        Args:
            trial: As it stands now; its unfinished seed runs are those that train.
        """
        self._append(TrialStarted(time=time.time(), trial=_shareable(trial), params=dict(self._params_of(trial))))

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
        params, objectives = dict(self._params_of(trial)), dict(self._objectives_of(trial))
        self._append(TrialFinished(time=time.time(), trial=_shareable(trial), params=params, objectives=objectives))

    def attempt_failed(self, trial: int, attempt: int, log: str) -> None:
        """Notes what a failed attempt said.

        Args:
            trial: The trial's number.
            attempt: Which of its attempts.
            log: Its log; the last 64 KiB are kept, without the credentials of any URI.
        """
        tail = without_credentials(log)[-_LOG_BYTES:]
        self._append(AttemptFailed(time=time.time(), trial=trial, attempt=attempt, log=tail))

    def policy(self, trial: int, path: Path) -> None:
        """Makes a policy the champion of the study in MLflow's model registry.

        Args:
            trial: Number of its trial.
            path: Folder that `sweeps.policy.save_policy` wrote, within the study's folder.
        """
        self._append(PolicyAdded(time=time.time(), trial=trial, path=self._name(path)))

    def artifact(self, path: Path) -> None:
        """Adds a file or folder to the study's run in MLflow.

        Args:
            path: Where it lies; it must still be there when the background thread comes to it.
        """
        self._append(ArtifactAdded(time=time.time(), path=self._name(path)))

    def close(self, timeout_s: float = 60.0) -> int:
        """Notes that the driver ends, sends what is left for at most so long, and closes the spool.

        Trials that have not finished are marked as killed in MLflow until they are resumed.

        Args:
            timeout_s: Seconds to wait for MLflow, but at most 15 while it does not answer; the first use of a new
                embedded store takes some.

        Returns:
            Events that MLflow has not got; the spool keeps them for the next start.
        """
        if self._outbox is None or self._shipper is None:
            return 0
        if self._sampler is not None:
            self._sampler.stop()
            self._sampler = None
        self._append(StudyStopped(time=time.time()))
        lost = self._outbox.close()
        self._outbox = None
        left = self._shipper.close(timeout_s)
        if left:
            _LOG.warning(
                "%d events of study %s are not in MLflow yet; %s keeps them (lagsweep sync %s sends them).",
                left,
                self._study,
                self.folder / SPOOL_NAME,
                self._study,
            )
        return left + lost

    def _announce(self, now: float) -> None:
        self._append(
            StudyStarted(
                time=now, study=self._study, spec_yaml=self._spec_yaml, tags=dict(self._tags), env_steps=self._env_steps
            )
        )
        try:
            self.artifact(write_provenance(self.folder, now))
        except OSError as error:
            _LOG.warning("the packages and changes of this start are not kept: %s", error)
        if self._interval_s is not None:
            self._sampler = SystemSampler(self._interval_s, self._sampled)
            self._sampler.start()

    def _name(self, path: Path) -> str:
        """A path as events name it: relative where it lies within the study's folder."""
        inside, folder = path.resolve(), self.folder.resolve()
        return str(inside.relative_to(folder) if inside.is_relative_to(folder) else inside)

    def _sampled(self, metrics: dict[str, float]) -> None:
        self._append(SystemSampled(time=time.time(), metrics=metrics))

    def _append(self, *events: Event) -> None:
        if self._outbox is None or self._shipper is None:
            raise RuntimeError("`start` must come before anything is tracked, and `close` after; call `start` first.")
        self._outbox.append(events)
        self._shipper.wake()


def _shareable(trial: Trial) -> Trial:
    """The trial without the credentials of any URI that its failure quotes."""
    return trial if trial.failure is None else dataclasses.replace(trial, failure=without_credentials(trial.failure))


def _prefixed(name: str) -> str:
    return name if name.startswith((TAG, "mlflow.")) else f"{TAG}{name}"

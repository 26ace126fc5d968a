"""A study in MLflow: experiment = study, parent run = trial, child run = seed, and one run for the study itself.

Runs are known by their tags (identity of the spool's history, trial, seed) and looked up before they are created, so
that applying an event twice changes nothing. Timestamps are the recorded ones, which makes MLflow store a metric point
that is sent again only once.

Importing this module imports MLflow, which takes seconds: only the shipper's thread and its tests do.
"""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mlflow.entities import Metric, Param, RunTag
from mlflow.tracking import MlflowClient

from sweeps.records import ResultRow, SeedRun, State, Trial
from sweeps.tracking import run_content
from sweeps.tracking.events import (
    ArtifactAdded,
    AttemptFailed,
    Event,
    PolicyAdded,
    StudyStarted,
    StudyStopped,
    SystemSampled,
    TrialFinished,
    TrialStarted,
)
from sweeps.tracking.marks import Marks
from sweeps.tracking.parquet import write_parquet
from sweeps.tracking.registry import register_champion
from sweeps.tracking.run_content import TAG, metric_key
from sweeps.tracking.runs import RunKey, Runs
from sweeps.tracking.spool import SPOOL_NAME
from sweeps.tracking.trial_rows import TrialRows

RESULTS = "results"
"""Artifact folder of a trial's run that holds its Parquet files."""

_STATUS = {
    State.COMPLETE: "FINISHED",
    State.FAIL: "FAILED",
    State.PRUNED: "KILLED",
    State.RUNNING: "RUNNING",
    State.WAITING: "RUNNING",
}


class MlflowRuns:
    """Applies a study's events to MLflow.

    Every method but `remember` may raise what MLflow raises; the same event can then be applied again.

    Attributes:
        uri: The tracking URI.
        rows: Where the rows of each trial lie in the spool.
        marks: What they say beside their numbers.
    """

    def __init__(
        self,
        uri: str,
        artifact_root: str | None,
        folder: Path,
        spool_id: str,
        rows: TrialRows | None = None,
        marks: Marks | None = None,
    ) -> None:
        self.uri = uri
        self.rows = rows or TrialRows(folder / SPOOL_NAME)
        self.marks = marks or Marks()
        self._client = MlflowClient(tracking_uri=uri, registry_uri=uri)
        self._folder = folder
        self._spool_id = spool_id
        self._study: StudyStarted | None = None
        self._began: float | None = None
        self._trials: dict[int, Trial] = {}
        self._marked: dict[RunKey, dict[str, str]] = {}
        self._runs = Runs(self._client, artifact_root, spool_id)

    def forget(self) -> None:
        """Drops what was learned from MLflow: an answer may have been lost, or a run deleted."""
        self._runs.forget()
        self._marked.clear()

    def remember(self, event: Event) -> None:
        """Takes note of an event without sending anything: later ones refer to it.

        Args:
            event: Any event, in the order of the spool.
        """
        match event:
            case StudyStarted():
                self._study = event
                self._began = self._began or event.time
            case TrialStarted() | TrialFinished():
                self._trials[event.trial.number] = event.trial
            case _:
                pass

    def apply(self, event: Event) -> None:  # noqa: C901 - one case a kind of event
        """Brings MLflow to where the study stood after an event that is not a row.

        Args:
            event: The event; opening a spool needs nothing.

        Raises:
            MlflowException: If MLflow does not answer, or refuses it.
            OSError: If an artifact cannot be read or sent.
        """
        self.remember(event)
        match event:
            case StudyStarted():
                self._start_study(event)
            case TrialStarted():
                self._start_trial(event)
            case TrialFinished():
                self._finish_trial(event)
            case AttemptFailed():
                run = self._run(RunKey(event.trial), event.time)
                self._client.log_text(run, event.log, f"failures/attempt-{event.attempt}.txt")
            case PolicyAdded():
                self._add_policy(event)
            case SystemSampled():
                self._log_system(event)
            case ArtifactAdded():
                self._add_artifact(RunKey(), event.path, event.time)
            case StudyStopped():
                self._close_open_runs(event.time)
                self._runs.set_status(self._run(RunKey(), event.time), "FINISHED", _milliseconds(event.time))
            case _:
                pass

    def log_rows(self, rows: Sequence[ResultRow]) -> None:
        """Sends rows of one seed run in one request: `env_steps` is the step, `time` the timestamp.

        MLflow cannot store infinities and draws NaN as 0, so neither is sent: the tag `lagsweep.non_finite` names
        the metrics that were not finite.

        Args:
            rows: Rows of one (trial, seed) with the metrics that are drawn, at most 1000 together.

        Raises:
            MlflowException: If MLflow does not answer, or refuses them.
        """
        key = RunKey(rows[0].trial, rows[0].seed)
        run = self._run(key, rows[0].time)
        metrics = [metric for row in rows for metric in _metrics(row)]
        marks = self.marks.of_seed(rows[0].trial, rows[0].seed)
        news = {} if marks == self._marked.get(key) else marks
        self._client.log_batch(run, metrics=metrics, tags=_tags(news))
        self._marked[key] = marks

    def _start_study(self, event: StudyStarted) -> None:
        experiment = self._runs.experiment(event.study)
        self._close_open_runs(event.time)
        run = self._run(RunKey(), event.time)
        for name, value in run_content.experiment_tags(event, experiment, run).items():
            self._client.set_experiment_tag(experiment, name, value)
        self._runs.set_status(run, "RUNNING", _milliseconds(event.time))
        self._client.log_batch(run, tags=_tags(self._tags_of(RunKey())))
        self._client.log_text(run, event.spec_yaml, "spec.yaml")

    def _start_trial(self, event: TrialStarted) -> None:
        number = event.trial.number
        waiting = [seed_run.seed for seed_run in event.trial.seed_runs if not seed_run.state.is_finished]
        # A run that goes on keeps the tags of its first start but this one: another driver may take another path.
        tags = {name: value for name, value in self._started().tags.items() if name == f"{TAG}env_kind"}
        tags[f"{TAG}state"] = str(State.RUNNING)
        for key in [RunKey(number), *(RunKey(number, seed) for seed in waiting)]:
            run = self._run(key, event.time)
            params = event.params or event.trial.params
            self._client.log_batch(run, params=_params(params, key), tags=_tags(tags))
            self._runs.set_status(run, "RUNNING", _milliseconds(event.time))

    def _finish_trial(self, event: TrialFinished) -> None:
        for seed_run in event.trial.seed_runs:
            self._finish_seed(seed_run, event)
        trial, key = event.trial, RunKey(event.trial.number)
        tags = run_content.trial_tags(trial) | self.marks.of_trial(trial.number)
        step = max((seed_run.env_steps for seed_run in trial.seed_runs), default=0)
        self._add_results(key, event.time)
        self._finish(key, event, run_content.trial_metrics(trial, event.objectives), tags, trial.state, step)

    def _finish_seed(self, seed_run: SeedRun, event: TrialFinished) -> None:
        key = RunKey(event.trial.number, seed_run.seed)
        values = run_content.seed_metrics(seed_run)
        tags = run_content.seed_tags(seed_run) | self.marks.of_seed(event.trial.number, seed_run.seed)
        self._finish(key, event, values, tags, seed_run.state, seed_run.env_steps)

    def _finish(
        self,
        key: RunKey,
        event: TrialFinished,
        values: Mapping[str, float],
        tags: Mapping[str, str],
        state: State,
        step: int,
    ) -> None:
        run = self._run(key, event.time)
        metrics = [Metric(metric_key(name), value, _milliseconds(event.time), step) for name, value in values.items()]
        # A trial that failed before it started has its parameters from here.
        params = _params(event.params or event.trial.params, key)
        self._client.log_batch(run, metrics=metrics, params=params, tags=_tags(tags))
        # A seed that had not ended when its trial did was interrupted.
        status = _STATUS[state] if state.is_finished else "KILLED"
        self._runs.set_status(run, status, _milliseconds(event.time))

    def _add_results(self, key: RunKey, now: float) -> None:
        """Adds everything that the seeds of a trial reported, as Parquet files."""
        assert key.trial is not None
        rows = self.rows.read(key.trial)
        if not rows:
            return
        with tempfile.TemporaryDirectory(prefix="lagsweep-results-") as folder:
            write_parquet(rows, Path(folder))
            self._client.log_artifacts(self._run(key, now), folder, RESULTS)

    def _add_policy(self, event: PolicyAdded) -> None:
        run = self._run(RunKey(event.trial), event.time)
        register_champion(self._client, self._started().study, run, self._folder / event.path, event.trial)

    def _log_system(self, event: SystemSampled) -> None:
        run = self._run(RunKey(), event.time)
        step = round(event.time - (self._began or event.time))
        metrics = [Metric(name, value, _milliseconds(event.time), step) for name, value in event.metrics.items()]
        self._client.log_batch(run, metrics=metrics)

    def _add_artifact(self, key: RunKey, name: str, now: float) -> None:
        path = self._folder / name
        run = self._run(key, now)
        inside = path.relative_to(self._folder) if path.is_relative_to(self._folder) else Path(path.name)
        if path.is_dir():
            self._client.log_artifacts(run, str(path), str(inside))
        else:
            self._client.log_artifact(run, str(path), str(inside.parent) if inside.parent.name else None)

    def _close_open_runs(self, end_time: float) -> None:
        """Marks runs that nobody works on as killed: an interrupted driver leaves them running."""
        self._runs.experiment(self._started().study)
        for run in self._runs.running():
            self._runs.set_status(run, "KILLED", _milliseconds(end_time))

    def _run(self, key: RunKey, start_time: float) -> str:
        """Finds the run by its tags, or creates it, its parent first."""
        study = self._started().study
        self._runs.experiment(study)
        found = self._runs.find(key)
        if found is not None:
            return found
        tags = self._tags_of(key)
        if key.seed is not None:
            tags["mlflow.parentRunId"] = self._run(RunKey(key.trial), start_time)
        name = run_content.run_name(study, key.trial, key.seed, self._trial(key))
        return self._runs.create(key, _milliseconds(start_time), tags, name)

    def _tags_of(self, key: RunKey) -> dict[str, str]:
        return run_content.identity_tags(self._started(), self._spool_id, key.trial, key.seed, self._trial(key))

    def _trial(self, key: RunKey) -> Trial | None:
        return None if key.trial is None else self._trials.get(key.trial)

    def _started(self) -> StudyStarted:
        if self._study is None:
            raise ValueError("`study_started` must be the first event of a spool, but another came before it.")
        return self._study


def _metrics(row: ResultRow) -> Iterator[Metric]:
    for name, value in run_content.finite(row.metrics).items():
        yield Metric(metric_key(name), value, _milliseconds(row.time), row.env_steps)


def _params(params: Mapping[str, Any], key: RunKey) -> list[Param]:
    own = {} if key.seed is None else {"seed": key.seed}
    return [Param(metric_key(name), run_content.clipped(str(value))) for name, value in (dict(params) | own).items()]


def _tags(tags: Mapping[str, str]) -> list[RunTag]:
    return [RunTag(name, value) for name, value in tags.items()]


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)

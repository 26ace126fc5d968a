"""A study in MLflow: experiment = study, parent run = trial, child run = seed, and one run for the study itself.

Runs are known by their tags (identity of the spool's history, trial, seed) and looked up before they are created, so
that applying an event twice changes nothing. Timestamps are the recorded ones, which makes MLflow store a metric point
that is sent again only once.

Importing this module imports MLflow, which takes seconds: only the shipper's thread and its tests do.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from google.protobuf.json_format import ParseError
from mlflow.entities import Metric, Param, Run, RunTag
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from sqlalchemy.exc import SQLAlchemyError

from sweeps.records import ResultRow, State, Trial
from sweeps.tracking import run_content
from sweeps.tracking.events import ArtifactAdded, Event, StudyStarted, StudyStopped, TrialFinished, TrialStarted
from sweeps.tracking.run_content import TAG, metric_key

TROUBLE = (MlflowException, SQLAlchemyError, ParseError, OSError, json.JSONDecodeError)
"""What MLflow's client raises when its store is away, slow, full or talks nonsense."""

_STATUS = {
    State.COMPLETE: "FINISHED",
    State.FAIL: "FAILED",
    State.PRUNED: "KILLED",
    State.RUNNING: "RUNNING",
    State.WAITING: "RUNNING",
}


class RunKey(NamedTuple):
    """What a run stands for: the study (no trial), a trial (no seed) or a seed of a trial."""

    trial: int | None = None
    seed: int | None = None


class MlflowRuns:
    """Applies a study's events to MLflow.

    Every method but `remember` may raise what MLflow raises; the same event can then be applied again.

    Attributes:
        uri: The tracking URI.
    """

    def __init__(self, uri: str, artifact_root: str | None, folder: Path, spool_id: str) -> None:
        self.uri = uri
        self._client = MlflowClient(tracking_uri=uri, registry_uri=uri)
        self._artifact_root = artifact_root
        self._folder = folder
        self._spool_id = spool_id
        self._study: StudyStarted | None = None
        self._trials: dict[int, Trial] = {}
        self._attempts: dict[RunKey, int] = {}
        self._non_finite: dict[RunKey, set[str]] = {}
        self._experiment: str | None = None
        self._runs: dict[RunKey, str] = {}
        self._status: dict[str, str] = {}

    def forget(self) -> None:
        """Drops what was learned from MLflow: an answer may have been lost, or a run deleted."""
        self._experiment = None
        self._runs.clear()
        self._status.clear()

    def remember(self, event: Event) -> None:
        """Takes note of an event without sending anything: later ones refer to it.

        Args:
            event: Any event, in the order of the spool.
        """
        match event:
            case StudyStarted():
                self._study = event
            case TrialStarted() | TrialFinished():
                self._trials[event.trial.number] = event.trial
            case _:
                pass

    def apply(self, event: Event) -> None:
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
            case ArtifactAdded():
                self._add_artifact(event)
            case StudyStopped():
                self._close_open_runs(event.time)
                self._set_status(self._run(RunKey(), event.time), "FINISHED", event.time)
            case _:
                pass

    def log_rows(self, rows: Sequence[ResultRow]) -> None:
        """Sends rows of one seed run in one request: `env_steps` is the step, `time` the timestamp.

        MLflow cannot store infinities and draws NaN as 0, so neither is sent: the tag `lagsweep.non_finite` names
        the metrics that were not finite.

        Args:
            rows: Rows of one (trial, seed), at most 1000 metrics together.

        Raises:
            MlflowException: If MLflow does not answer, or refuses them.
        """
        key = RunKey(rows[0].trial, rows[0].seed)
        run = self._run(key, rows[0].time)
        metrics = [metric for row in rows for metric in _metrics(row)]
        attempt = max(self._attempts.get(key, 0), *(row.attempt for row in rows))
        bad = self._non_finite.get(key, set()) | run_content.non_finite_keys(rows)
        tags: list[RunTag] = []
        if attempt != self._attempts.get(key):
            tags.append(RunTag(f"{TAG}attempt", str(attempt)))
        if bad != self._non_finite.get(key, set()):
            tags.append(RunTag(f"{TAG}non_finite", run_content.clipped(", ".join(sorted(bad)))))
        self._client.log_batch(run, metrics=metrics, tags=tags)
        self._attempts[key] = attempt
        self._non_finite[key] = bad

    def _start_study(self, event: StudyStarted) -> None:
        experiment = self._experiment_id()
        self._client.set_experiment_tag(experiment, "mlflow.note.content", run_content.study_note(event))
        self._close_open_runs(event.time)
        run = self._run(RunKey(), event.time)
        self._set_status(run, "RUNNING", event.time)
        self._client.log_batch(run, tags=_tags(self._tags_of(RunKey())))
        self._client.log_text(run, event.spec_yaml, "spec.yaml")

    def _start_trial(self, event: TrialStarted) -> None:
        trial = event.trial
        params = [Param(metric_key(name), str(value)) for name, value in trial.params.items()]
        waiting = [seed_run for seed_run in trial.seed_runs if not seed_run.state.is_finished]
        # A run that goes on keeps the tags of its first start but this one: another driver may take another path.
        kind = {name: value for name, value in self._started().tags.items() if name == f"{TAG}env_kind"}
        for key in [RunKey(trial.number), *(RunKey(trial.number, seed_run.seed) for seed_run in waiting)]:
            run = self._run(key, event.time)
            self._client.log_batch(run, params=params, tags=_tags({f"{TAG}state": str(State.RUNNING), **kind}))
            self._set_status(run, "RUNNING", event.time)

    def _finish_trial(self, event: TrialFinished) -> None:
        trial = event.trial
        step = max((seed_run.env_steps for seed_run in trial.seed_runs), default=0)
        for seed_run in trial.seed_runs:
            values, tags = run_content.seed_metrics(seed_run), run_content.seed_tags(seed_run)
            self._finish(RunKey(trial.number, seed_run.seed), values, tags, seed_run.state, seed_run.env_steps, event)
        attempts = [attempt for key, attempt in self._attempts.items() if key.trial == trial.number]
        tags = run_content.trial_tags(trial) | ({f"{TAG}attempt": str(max(attempts))} if attempts else {})
        self._finish(RunKey(trial.number), run_content.trial_metrics(trial), tags, trial.state, step, event)

    def _finish(
        self,
        key: RunKey,
        values: dict[str, float],
        tags: dict[str, str],
        state: State,
        step: int,
        event: TrialFinished,
    ) -> None:
        run = self._run(key, event.time)
        metrics = [Metric(metric_key(name), value, _milliseconds(event.time), step) for name, value in values.items()]
        self._client.log_batch(run, metrics=metrics, tags=_tags(tags))
        # A seed that had not ended when its trial did was interrupted.
        self._set_status(run, _STATUS[state] if state.is_finished else "KILLED", event.time)

    def _add_artifact(self, event: ArtifactAdded) -> None:
        path = self._folder / event.path
        run = self._run(RunKey(), event.time)
        inside = path.relative_to(self._folder) if path.is_relative_to(self._folder) else Path(path.name)
        if path.is_dir():
            self._client.log_artifacts(run, str(path), str(inside))
        else:
            self._client.log_artifact(run, str(path), str(inside.parent) if inside.parent.name else None)

    def _close_open_runs(self, end_time: float) -> None:
        """Marks runs that nobody works on as killed: an interrupted driver leaves them running."""
        self._experiment_id()
        for key, run in self._runs.items():
            if key != RunKey() and self._status[run] == "RUNNING":
                self._set_status(run, "KILLED", end_time)

    def _set_status(self, run: str, status: str, now: float) -> None:
        if self._status.get(run) == status:
            return
        if status == "RUNNING":
            self._client.update_run(run, status=status)
        else:
            self._client.set_terminated(run, status, end_time=_milliseconds(now))
        self._status[run] = status

    def _run(self, key: RunKey, start_time: float) -> str:
        """Finds the run by its tags, or creates it, its parent first."""
        experiment = self._experiment_id()
        if key not in self._runs:
            tags = self._tags_of(key)
            if key.seed is not None:
                tags["mlflow.parentRunId"] = self._run(RunKey(key.trial), start_time)
            trial = None if key.trial is None else self._trials.get(key.trial)
            name = run_content.run_name(self._started().study, key.trial, key.seed, trial)
            run = self._client.create_run(experiment, _milliseconds(start_time), tags, name)
            self._runs[key] = run.info.run_id
            self._status[run.info.run_id] = run.info.status
        return self._runs[key]

    def _tags_of(self, key: RunKey) -> dict[str, str]:
        trial = None if key.trial is None else self._trials.get(key.trial)
        return run_content.identity_tags(self._started(), self._spool_id, key.trial, key.seed, trial)

    def _experiment_id(self) -> str:
        if self._experiment is None:
            experiment = self._find_or_create_experiment(self._started().study)
            for run in self._search(experiment):
                key = _key(run)
                self._runs[key] = run.info.run_id
                self._status[run.info.run_id] = run.info.status
            self._experiment = experiment
        return self._experiment

    def _find_or_create_experiment(self, name: str) -> str:
        found = self._client.get_experiment_by_name(name)
        if found is None:
            root = self._artifact_root
            return self._client.create_experiment(name, None if root is None else f"{root.rstrip('/')}/{name}")
        if found.lifecycle_stage == "deleted":
            self._client.restore_experiment(found.experiment_id)
        return found.experiment_id

    def _search(self, experiment: str) -> Iterator[Run]:
        token: str | None = None
        while True:
            query = f"tags.`{TAG}history` = '{self._spool_id}'"
            page = self._client.search_runs([experiment], query, max_results=1000, page_token=token)
            yield from page
            token = page.token
            if not token:
                return

    def _started(self) -> StudyStarted:
        if self._study is None:
            raise ValueError("`study_started` must be the first event of a spool, but another came before it.")
        return self._study


def is_refusal(error: Exception) -> bool:
    """Whether the same request will fail for ever, so that trying again is useless.

    Args:
        error: What `apply` or `log_rows` raised.

    Returns:
        True for what MLflow understood and refused, such as a parameter with another value than before, and for an
        artifact that is no longer there.
    """
    if isinstance(error, MlflowException):
        return error.error_code in {"INVALID_PARAMETER_VALUE", "MALFORMED_REQUEST"}
    return isinstance(error, FileNotFoundError)


def _metrics(row: ResultRow) -> Iterator[Metric]:
    for name, value in run_content.finite(row.metrics).items():
        yield Metric(metric_key(name), value, _milliseconds(row.time), row.env_steps)


def _tags(tags: dict[str, str]) -> list[RunTag]:
    return [RunTag(name, value) for name, value in tags.items()]


def _key(run: Run) -> RunKey:
    trial, seed = run.data.tags.get(f"{TAG}trial"), run.data.tags.get(f"{TAG}seed")
    return RunKey(None if trial is None else int(trial), None if seed is None else int(seed))


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)

"""Takes what Tune reports, writes it to the ledger and hands it to the tracker and the progress display."""

import functools
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Concatenate, ParamSpec

from ray.tune import Callback
from ray.tune.experiment import Trial as TuneTrial

from sweeps.calibration_record import write_record
from sweeps.history import History
from sweeps.ledger import StaleWriterError, Writer
from sweeps.records import Execution, ResultRow
from sweeps.running.budget import BudgetWatch
from sweeps.running.checkpoints import age_of
from sweeps.running.completion import progress_of
from sweeps.running.execution import ASSIGNMENT, Assignment, Job, Start
from sweeps.running.failures import failure_of
from sweeps.running.outcomes import INTERRUPTED, Outcomes
from sweeps.running.progress import Progress
from sweeps.running.rungs import Rungs
from sweeps.running.stopping import Stop
from sweeps.spec import StudySpec
from sweeps.tracking import Tracker

logger = logging.getLogger(__name__)

P = ParamSpec("P")


def _keeps_errors(
    method: Callable[Concatenate["Recorder", P], None],
) -> Callable[Concatenate["Recorder", P], None]:
    """Keeps the first exception of a recorder, which Tune would turn into a failure of the trial or into text."""

    @functools.wraps(method)
    def wrapper(self: "Recorder", *args: P.args, **kwargs: P.kwargs) -> None:
        if self.error is not None:
            return
        try:
            method(self, *args, **kwargs)
        except Exception as error:
            self.error = error
            self.stop.failed = True
            raise

    return wrapper


class Recorder(Callback):
    """Tune's callback of a study.

    Args:
        writer: The driver's right to write the study.
        spec: The study.
        tracker: Takes rows and trials.
        history: Rows of the unfinished trials.
        progress: The display.
        gpus: GPUs of a trial, for the study's budget.

    Attributes:
        stop: Flags that end the driver.
        error: What went wrong in the driver itself, or None; nothing more is recorded after it.
    """

    def __init__(
        self,
        writer: Writer,
        spec: StudySpec,
        tracker: Tracker,
        history: History,
        progress: Progress,
        *,
        gpus: float = 0.0,
    ) -> None:
        self.stop = Stop()
        self.error: Exception | None = None
        self._writer = writer
        self._tracker = tracker
        self._history = history
        self._progress = progress
        self._outcomes = Outcomes(writer, spec, tracker, history, progress)
        self._started: dict[int, Execution] = {}
        self._hopeless: dict[int, str] = {}
        self._left_out: dict[int, Mapping[int, str]] = {}
        self._rungs = Rungs(spec, writer, history)
        self._budget = None if spec.budget is None else BudgetWatch(spec.budget, writer, gpus)

    def on_step_begin(self, iteration: int, trials: list[TuneTrial], **info: Any) -> None:
        """Tune's loop goes round: hears whether to end, also while no trial reports."""
        if self._writer.is_stale and self.error is None:
            self.error = StaleWriterError(self._writer.token)
            self.stop.failed = True
        if self._writer.stop_requested and not self.stop.requested:
            self.stop.requested = True
            self.say("Stopping after the running iterations, as `lagsweep stop` asks; `lagsweep resume` goes on.")
        self._heed_budget()

    @_keeps_errors
    def on_trial_start(self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, **info: Any) -> None:
        """A worker has taken an execution, or a pack of them."""
        for job in assignment_of(trial).jobs:
            execution = job.execution
            self._writer.start(execution)
            self._started[execution.id] = execution
            self.stop.running.add(execution.id)
            record = self._writer.trial(execution.trial)
            self._tracker.trial_started(record)
            self._progress.trial_started(record)

    @_keeps_errors
    def on_trial_result(
        self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, result: dict[str, Any], **info: Any
    ) -> None:
        """An execution reports an iteration; the spool has its rows before the ledger counts them."""
        assignment = assignment_of(trial)
        rows: Sequence[ResultRow] = result.pop("rows")  # Tune keeps every trial's last result for ever
        starts: Sequence[Start] | None = result.pop("starts")
        calibration = result.pop("calibration")
        if calibration is not None:
            execution = assignment.first.execution
            write_record(self._tracker.folder, execution.trial, execution.attempt, calibration)
        doomed = dict(self._hopeless)  # they end with this iteration, as Tune ends its trials
        for job, start in zip(assignment.jobs, starts or (), strict=starts is not None):
            self._note_start(job.execution, start)
        for job in assignment.jobs:
            if job.execution.id in self._started:  # else it was stopped, and its pack trains on
                self._take(job, [row for row in rows if row.trial == job.execution.trial])
                if job.execution.id in doomed:
                    self._end(job.execution)
                    self._outcomes.finish(job, None if result["complete"] else doomed[job.execution.id])
        ending = self._hopeless.keys() | self._left_out.keys()
        if all(job.execution.id in ending for job in assignment.jobs if job.execution.id in self._started):
            self.stop.pruned.add(trial.trial_id)  # Tune asks before its next iteration is recorded

    @_keeps_errors
    def on_trial_complete(self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, **info: Any) -> None:
        """An execution has ended without an error: it is complete, or the driver was asked to end."""
        self.stop.pruned.discard(trial.trial_id)
        complete = trial.last_result.get("complete", False)
        for job in assignment_of(trial).jobs:
            reason = self._hopeless.get(job.execution.id)
            left_out = self._left_out.get(job.execution.id)
            if not self._end(job.execution):
                continue  # it was handed out and never started, and will be handed out again; or it was stopped before
            if complete or reason is not None:
                self._outcomes.finish(job, None if complete else reason)
            elif left_out is not None:
                self._outcomes.leave_out(job, left_out)
            else:
                self._outcomes.interrupt(job.execution)

    @_keeps_errors
    def on_trial_error(self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, **info: Any) -> None:
        """An execution has failed; one whose worker was lost goes on elsewhere from its last checkpoint."""
        failure, jobs = failure_of(trial), assignment_of(trial).jobs
        started = any(job.execution.id in self._started for job in jobs)
        for job in jobs:
            if self._end(job.execution) or not started:  # else it was stopped before
                self._outcomes.fail(job.execution, failure, packed=len(jobs) > 1)
        if self.failed_alike is not None and not self.stop.requested:
            self._end_driver(self.failed_alike)

    @_keeps_errors
    def on_step_end(self, iteration: int, trials: list[TuneTrial], **info: Any) -> None:
        """Tune's loop turns once a result, and at least ten times a second."""
        self._progress.refresh()

    @_keeps_errors
    def _heed_budget(self) -> None:
        spent = self._budget.spent() if self._budget is not None and not self.stop.requested else None
        if spent is not None:
            self._end_driver(spent, f"Stopping after the running iterations: {spent}")

    def _end_driver(self, reason: str, message: str | None = None) -> None:
        self.stop.requested, self.stop.reason = True, reason
        self.say(message or reason)

    @property
    def failed_alike(self) -> str | None:
        """What most trials fail of, or None."""
        return self._outcomes.failures.verdict

    def say(self, message: str) -> None:
        """Tells the user something."""
        self._progress.say(message)

    def release_started(self) -> None:
        """Lets the trials of what still trains wait for another attempt: the driver ends before them."""
        for execution in self._started.values():
            self._writer.release(execution, INTERRUPTED)
        self._started.clear()

    def _end(self, execution: Execution) -> bool:
        """Forgets an execution; whether it had started."""
        self.stop.running.discard(execution.id)
        self._hopeless.pop(execution.id, None)
        self._left_out.pop(execution.id, None)
        return self._started.pop(execution.id, None) is not None

    def _take(self, job: Job, rows: Sequence[ResultRow]) -> None:
        """Records what a trial reports, and whether it is without hope."""
        execution = job.execution
        new = self._history.add(rows)
        if new:
            self._tracker.rows(new)
        summaries = self._history.summarize_all(execution)
        self._writer.progress(execution, progress_of(summaries))
        self._progress.trial_reported(execution.trial, new, summaries)
        verdict = self._rungs.judge(job, summaries)
        if verdict.trial is not None:
            self._hopeless[execution.id] = verdict.trial
        elif verdict.seeds:
            self._left_out[execution.id] = verdict.seeds

    def _note_start(self, execution: Execution, start: Start) -> None:
        """Writes down what an execution started from, and says so where that is older than what it was given."""
        if start.checkpoint is not None or execution.resume_from is not None:
            self._writer.resumed(execution, start.checkpoint, start.saved_at)
        if age_of(start.checkpoint) < age_of(execution.resume_from):
            logger.warning(
                "Trial %d: checkpoint %s is damaged; attempt %d started %s.",
                execution.trial,
                execution.resume_from,
                execution.attempt,
                "anew" if start.checkpoint is None else f"from {Path(start.checkpoint).name}",
            )


def assignment_of(trial: TuneTrial) -> Assignment:
    """What a Tune trial was asked to do."""
    return trial.config[ASSIGNMENT]

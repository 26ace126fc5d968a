"""Takes what Tune reports, writes it to the ledger and hands it to the tracker and the progress display."""

import dataclasses
import functools
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Concatenate, ParamSpec

from ray.tune import Callback
from ray.tune.experiment import Trial as TuneTrial

from sweeps.analysis.summary import SeedSummary
from sweeps.calibration_record import write_record
from sweeps.history import History
from sweeps.ledger import SeedProgress, StaleWriterError, Writer
from sweeps.records import NODE_LOST, WORKER_LOST, Execution, ResultRow, Trial
from sweeps.running.budget import BudgetWatch, Failures
from sweeps.running.checkpoints import age_of
from sweeps.running.completion import progress_of, results_of
from sweeps.running.execution import ASSIGNMENT, Assignment, Job, Start
from sweeps.running.failures import Failure, failure_of
from sweeps.running.packs import PACK_FAILED
from sweeps.running.progress import Progress
from sweeps.running.rungs import Rungs
from sweeps.running.stopping import Stop
from sweeps.spec import RunSpec, StudySpec
from sweeps.tracking import Tracker

logger = logging.getLogger(__name__)

INTERRUPTED = "interrupted"

MAX_LOST = {WORKER_LOST: 3, NODE_LOST: 50}
"""How often a trial goes on after it lost its worker, or the machine under it.

A worker that dies alone may be the trial's own doing, as where it takes too much memory. A machine that is taken back
is not, and on spot instances it happens many times in a long trial; but a trial may also kill machines.
"""


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
        self._started: dict[int, Execution] = {}
        self._hopeless: dict[int, str] = {}
        self._left_out: dict[int, Mapping[int, str]] = {}
        self._spec = spec
        self._rungs = Rungs(spec, writer, history)
        self._failures = Failures()
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
            record = self._record(execution)
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
            execution = assignment.execution
            write_record(self._tracker.folder, execution.trial, execution.attempt, calibration)
        doomed = dict(self._hopeless)  # they end with this iteration, as Tune ends its trials
        for job, start in zip(assignment.jobs, starts or (), strict=starts is not None):
            self._note_start(job.execution, start)
        for job in assignment.jobs:
            if job.execution.id in self._started:  # else it was stopped, and its pack trains on
                self._take(job, [row for row in rows if row.trial == job.execution.trial])
                if job.execution.id in doomed:
                    self._end(job.execution)
                    self._finish(job, None if result["complete"] else doomed[job.execution.id])
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
                self._finish(job, None if complete else reason)
            elif left_out is not None:
                self._leave_out(job, left_out)
            else:
                self._writer.release(job.execution, INTERRUPTED)
                self._progress.trial_stopped(job.execution.trial, INTERRUPTED)

    @_keeps_errors
    def on_trial_error(self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, **info: Any) -> None:
        """An execution has failed; one whose worker was lost goes on elsewhere from its last checkpoint."""
        failure, jobs = failure_of(trial), assignment_of(trial).jobs
        started = any(job.execution.id in self._started for job in jobs)
        for job in jobs:
            if self._end(job.execution) or not started:  # else it was stopped before
                self._fail(job.execution, failure, packed=len(jobs) > 1)

    def _fail(self, execution: Execution, failure: Failure, *, packed: bool) -> None:
        self._tracker.attempt_failed(execution.trial, execution.attempt, failure.log)
        lost = NODE_LOST if failure.node_lost else WORKER_LOST
        if failure.worker_lost and self._times_lost(execution, lost) < MAX_LOST[lost]:
            self._writer.release(execution, f"{lost}: {failure.cause}")
            self._progress.trial_stopped(execution.trial, f"{lost}, goes on ({failure.cause})")
            return
        if packed:
            self._writer.release(execution, f"{PACK_FAILED}: {failure.cause}")
            self._progress.trial_stopped(execution.trial, f"goes on alone ({failure.cause})")
            return
        self._writer.fail(execution, failure.cause)
        self._close_trial(execution)
        self._failures.add(failure.cause)
        if self._failures.verdict is not None and not self.stop.requested:
            self.stop.requested, self.stop.reason = True, self._failures.verdict
            self.say(self._failures.verdict)

    @_keeps_errors
    def on_step_end(self, iteration: int, trials: list[TuneTrial], **info: Any) -> None:
        """Tune's loop turns about ten times a second."""
        self._progress.refresh()

    @_keeps_errors
    def _heed_budget(self) -> None:
        spent = self._budget.spent() if self._budget is not None and not self.stop.requested else None
        if spent is not None:
            self.stop.requested, self.stop.reason = True, spent
            self.say(f"Stopping after the running iterations: {spent}")

    @property
    def failed_alike(self) -> str | None:
        """What most trials fail of, or None."""
        return self._failures.verdict

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

    def _times_lost(self, execution: Execution, lost: str) -> int:
        attempts = self._writer.ledger.executions(self._writer.study, trial=execution.trial)
        return sum((failure or "").startswith(lost) for _, _, failure in attempts)

    def _take(self, job: Job, rows: Sequence[ResultRow]) -> None:
        """Records what a trial reports, and whether it is without hope."""
        execution = job.execution
        new = self._history.add(rows)
        if new:
            self._tracker.rows(new)
        summaries = self._summaries(execution)
        self._writer.progress(execution, progress_of(summaries))
        self._progress.trial_reported(execution.trial, new, summaries)
        verdict = self._rungs.judge(job, summaries)
        if verdict.trial is not None:
            self._hopeless[execution.id] = verdict.trial
        elif verdict.seeds:
            self._left_out[execution.id] = verdict.seeds

    def _leave_out(self, job: Job, reasons: Mapping[int, str]) -> None:
        execution = job.execution
        self._writer.stop_seeds(execution, self._measured(execution, self._summaries(execution), job.run), reasons)
        self._progress.trial_stopped(execution.trial, "goes on without some seeds")
        for seed, reason in reasons.items():
            self.say(f"trial {execution.trial}, seed {seed} stopped: {reason}")

    def _finish(self, job: Job, pruned: str | None) -> None:
        execution = job.execution
        self._failures.add_complete()
        record = self._record(execution)
        summaries = {run.seed: self._history.summarize(execution.trial, run.seed) for run in record.seed_runs}
        silent = [seed for seed in execution.seeds if summaries[seed].mean_return is None]
        if silent:
            steps = job.run.env_steps
            self._writer.fail(execution, f"no episode of seed {silent[0]} ended within {steps} env steps")
        elif any(not run.state.is_finished for run in record.seed_runs if run.seed not in execution.seeds):
            done = self._measured(execution, summaries, job.run)
            self._writer.complete_seeds(execution, done)
            self._progress.trial_paused(execution.trial)
            return
        else:
            limits = job.run.cost_limits
            done = self._measured(execution, summaries, job.run)
            results = results_of(list(summaries.values()), limits, self._spec.aggregate, self._spec.cost_bound)
            self._writer.complete(execution, done, **results, pruned=pruned)
        self._close_trial(execution)

    def _measured(self, execution: Execution, summaries: Mapping[int, SeedSummary], run: RunSpec) -> list[SeedProgress]:
        """Final state of an execution's seeds, with the measures of their whole runs."""
        return [
            dataclasses.replace(progress, measures=self._history.measure(execution.trial, progress.seed, run))
            for progress in progress_of({seed: summaries[seed] for seed in execution.seeds})
        ]

    def _close_trial(self, execution: Execution) -> None:
        self._history.drop(execution.trial)
        record = self._record(execution)
        self._tracker.trial_finished(record)
        self._progress.trial_finished(record)

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

    def _summaries(self, execution: Execution) -> dict[int, SeedSummary]:
        return {seed: self._history.summarize(execution.trial, seed) for seed in execution.seeds}

    def _record(self, execution: Execution) -> Trial:
        return self._writer.ledger.trials(self._writer.study, number=execution.trial)[0]


def assignment_of(trial: TuneTrial) -> Assignment:
    """What a Tune trial was asked to do."""
    return trial.config[ASSIGNMENT]

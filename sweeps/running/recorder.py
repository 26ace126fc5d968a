"""Takes what Tune reports, writes it to the ledger and hands it to the tracker and the progress display."""

import dataclasses
import functools
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Concatenate, ParamSpec

from ray.tune import Callback
from ray.tune.experiment import Trial as TuneTrial

from sweeps.analysis.summary import SeedSummary, feasible, interval
from sweeps.history import History
from sweeps.ledger import SeedProgress, StaleWriterError, Writer
from sweeps.records import Execution, ResultRow, State, Trial
from sweeps.running.execution import ASSIGNMENT, Assignment
from sweeps.running.failures import failure_of
from sweeps.running.progress import Progress
from sweeps.running.stopping import Stop
from sweeps.tracking import Tracker

logger = logging.getLogger(__name__)

INTERRUPTED = "interrupted"
WORKER_LOST = "worker lost"

MAX_LOST = 3
"""How often a trial goes on after it lost its worker; a trial that kills its own machines fails in the end."""


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
        tracker: Takes rows and trials.
        history: Rows of the unfinished trials.
        progress: The display.

    Attributes:
        stop: Flags that end the driver.
        error: What went wrong in the driver itself, or None; nothing more is recorded after it.
    """

    def __init__(self, writer: Writer, tracker: Tracker, history: History, progress: Progress) -> None:
        self.stop = Stop()
        self.error: Exception | None = None
        self._writer = writer
        self._tracker = tracker
        self._history = history
        self._progress = progress
        self._started: dict[int, Execution] = {}

    def on_step_begin(self, iteration: int, trials: list[TuneTrial], **info: Any) -> None:
        """Tune's loop goes round: hears whether to end, also while no trial reports."""
        if self._writer.is_stale and self.error is None:
            self.error = StaleWriterError(self._writer.token)
            self.stop.failed = True
        if self._writer.stop_requested and not self.stop.requested:
            self.stop.requested = True
            self.say("Stopping after the running iterations, as `lagsweep stop` asks; `lagsweep resume` goes on.")

    @_keeps_errors
    def on_trial_start(self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, **info: Any) -> None:
        """A worker has taken an execution."""
        execution = assignment_of(trial).execution
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
        execution = assignment_of(trial).execution
        rows: Sequence[ResultRow] = result.pop("rows")  # Tune keeps every trial's last result for ever
        self._note_start(execution, result.pop("resumed_from"))
        new = self._history.add(rows)
        if new:
            self._tracker.rows(new)
        summaries = self._summaries(execution)
        self._writer.progress(execution, _progress_of(summaries))
        self._progress.trial_reported(execution.trial, new, summaries)

    @_keeps_errors
    def on_trial_complete(self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, **info: Any) -> None:
        """An execution has ended without an error: it is complete, or the driver was asked to end."""
        assignment = assignment_of(trial)
        execution = assignment.execution
        if not self._end(execution):
            return  # it was handed out and never started; it will be handed out again
        if not trial.last_result.get("complete", False):
            self._writer.release(execution, INTERRUPTED)
            self._progress.trial_stopped(execution.trial, INTERRUPTED)
            return
        self._finish(assignment)

    @_keeps_errors
    def on_trial_error(self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, **info: Any) -> None:
        """An execution has failed; one whose worker was lost goes on elsewhere from its last checkpoint."""
        execution = assignment_of(trial).execution
        self._end(execution)
        failure = failure_of(trial)
        self._tracker.attempt_failed(execution.trial, execution.attempt, failure.log)
        if failure.worker_lost and self._times_lost(execution) < MAX_LOST:
            self._writer.release(execution, f"{WORKER_LOST}: {failure.cause}")
            self._progress.trial_stopped(execution.trial, f"lost its worker and goes on ({failure.cause})")
            return
        self._writer.fail(execution, failure.cause)
        self._close_trial(execution)

    @_keeps_errors
    def on_step_end(self, iteration: int, trials: list[TuneTrial], **info: Any) -> None:
        """Tune's loop turns about ten times a second."""
        self._progress.refresh()

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
        return self._started.pop(execution.id, None) is not None

    def _times_lost(self, execution: Execution) -> int:
        attempts = self._writer.ledger.executions(self._writer.study, trial=execution.trial)
        return sum((failure or "").startswith(WORKER_LOST) for _, _, failure in attempts)

    def _finish(self, assignment: Assignment) -> None:
        execution = assignment.execution
        record = self._record(execution)
        summaries = {run.seed: self._history.summarize(execution.trial, run.seed) for run in record.seed_runs}
        silent = [seed for seed in execution.seeds if summaries[seed].mean_return is None]
        if silent:
            steps = assignment.run.env_steps
            self._writer.fail(execution, f"no episode of seed {silent[0]} ended within {steps} env steps")
        elif any(run.state is not State.COMPLETE for run in record.seed_runs if run.seed not in execution.seeds):
            done = {seed: summaries[seed] for seed in execution.seeds}
            self._writer.complete_seeds(execution, _progress_of(done))
            self._progress.trial_paused(execution.trial)
            return
        else:
            limits = assignment.run.cost_limits
            costs = {name: interval([_cost(summary, name) for summary in summaries.values()]) for name in limits}
            self._writer.complete(
                execution,
                _progress_of({seed: summaries[seed] for seed in execution.seeds}),
                mean_return=interval([_return(summary) for summary in summaries.values()]),
                mean_cost=costs,
                feasible=feasible(costs, limits),
            )
        self._close_trial(execution)

    def _close_trial(self, execution: Execution) -> None:
        self._history.drop(execution.trial)
        record = self._record(execution)
        self._tracker.trial_finished(record)
        self._progress.trial_finished(record)

    def _note_start(self, execution: Execution, resumed_from: str | None) -> None:
        """Writes down and says once that an execution did not start from the checkpoint it was given."""
        known = self._started[execution.id]
        if resumed_from == known.resume_from:
            return
        self._writer.resumed(execution, resumed_from)
        self._started[execution.id] = dataclasses.replace(known, resume_from=resumed_from)
        start = "anew" if resumed_from is None else f"from {Path(resumed_from).name}"
        logger.warning(
            "Trial %d: checkpoint %s is damaged; attempt %d started %s.",
            execution.trial,
            known.resume_from,
            execution.attempt,
            start,
        )

    def _summaries(self, execution: Execution) -> dict[int, SeedSummary]:
        return {seed: self._history.summarize(execution.trial, seed) for seed in execution.seeds}

    def _record(self, execution: Execution) -> Trial:
        return self._writer.ledger.trials(self._writer.study, number=execution.trial)[0]


def assignment_of(trial: TuneTrial) -> Assignment:
    """What a Tune trial was asked to do."""
    return trial.config[ASSIGNMENT]


def _progress_of(summaries: dict[int, SeedSummary]) -> list[SeedProgress]:
    return [
        SeedProgress(
            seed=seed,
            env_steps=summary.env_steps,
            iterations=summary.iterations,
            multiplier=summary.multiplier,
            mean_return=summary.mean_return,
            mean_cost=summary.mean_cost,
        )
        for seed, summary in summaries.items()
    ]


def _return(summary: SeedSummary) -> float:
    assert summary.mean_return is not None
    return summary.mean_return


def _cost(summary: SeedSummary, name: str) -> float:
    assert summary.mean_cost is not None
    return summary.mean_cost[name]

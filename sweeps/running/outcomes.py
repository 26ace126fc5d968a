"""What becomes of an execution that has ended, and of its trial: in the ledger, for the tracker and on the display."""

import dataclasses
from collections.abc import Mapping

from sweeps.analysis.summary import SeedSummary
from sweeps.history import History
from sweeps.ledger import SeedProgress, Writer
from sweeps.records import NODE_LOST, WORKER_LOST, Execution
from sweeps.running.budget import Failures
from sweeps.running.completion import progress_of, results_of
from sweeps.running.execution import Job
from sweeps.running.failures import Failure
from sweeps.running.packs import PACK_FAILED
from sweeps.running.progress import Progress
from sweeps.spec import StudySpec
from sweeps.tracking import Tracker

INTERRUPTED = "interrupted"

MAX_LOST = {WORKER_LOST: 3, NODE_LOST: 50}
"""How often a trial goes on after it lost its worker, or the machine under it.

A worker that dies alone may be the trial's own doing, as where it takes too much memory. A machine that is taken back
is not, and on spot instances it happens many times in a long trial; but a trial may also kill machines.
"""


class Outcomes:
    """Writes down how executions end.

    Args:
        writer: The driver's right to write the study.
        spec: The study.
        tracker: Takes trials.
        history: Rows of the unfinished trials.
        progress: The display.

    Attributes:
        failures: Whether most trials fail alike.
    """

    def __init__(self, writer: Writer, spec: StudySpec, tracker: Tracker, history: History, progress: Progress) -> None:
        self.failures = Failures()
        self._writer = writer
        self._spec = spec
        self._tracker = tracker
        self._history = history
        self._progress = progress

    def finish(self, job: Job, pruned: str | None) -> None:
        """Ends an execution that is complete or without hope; its trial waits if it has other seeds to train.

        Args:
            job: What it trained.
            pruned: Why it is stopped before its budget is used; None: it is complete.
        """
        execution = job.execution
        self.failures.add_complete()
        record = self._writer.trial(execution.trial)
        summaries = {run.seed: self._history.summarize(execution.trial, run.seed) for run in record.seed_runs}
        silent = [seed for seed in execution.seeds if summaries[seed].mean_return is None]
        if silent:
            steps = job.run.env_steps
            self._writer.fail(execution, f"no episode of seed {silent[0]} ended within {steps} env steps")
            self._close(execution)
            return
        done = self._measured(job, summaries)
        if any(not run.state.is_finished for run in record.seed_runs if run.seed not in execution.seeds):
            self._writer.complete_seeds(execution, done)
            self._progress.trial_paused(execution.trial)
            return
        limits, how = job.run.cost_limits, self._spec
        results = results_of(list(summaries.values()), limits, how.aggregate, how.cost_bound)
        self._writer.complete(execution, done, **results, pruned=pruned)
        self._close(execution)

    def leave_out(self, job: Job, reasons: Mapping[int, str]) -> None:
        """Ends an execution whose trial goes on without some seeds.

        Args:
            job: What it trained.
            reasons: Seed → why it is stopped.
        """
        trial = job.execution.trial
        done = self._measured(job, self._history.summarize_all(job.execution))
        self._writer.stop_seeds(job.execution, done, reasons)
        self._progress.trial_stopped(trial, "goes on without some seeds")
        for seed, reason in reasons.items():
            self._progress.say(f"trial {trial}, seed {seed} stopped: {reason}")

    def interrupt(self, execution: Execution) -> None:
        """Ends an execution that goes on another time."""
        self._writer.release(execution, INTERRUPTED)
        self._progress.trial_stopped(execution.trial, INTERRUPTED)

    def fail(self, execution: Execution, failure: Failure, *, packed: bool) -> None:
        """Ends an execution that failed; its trial goes on where it is not to blame.

        Args:
            execution: The execution.
            failure: What happened.
            packed: Whether others trained in the same process, so that it is not known which is to blame.
        """
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
        self._close(execution)
        self.failures.add(failure.cause)

    def _times_lost(self, execution: Execution, lost: str) -> int:
        attempts = self._writer.ledger.executions(self._writer.study, trial=execution.trial)
        return sum((failure or "").startswith(lost) for _, _, failure in attempts)

    def _measured(self, job: Job, summaries: Mapping[int, SeedSummary]) -> list[SeedProgress]:
        """Final state of a job's seeds, with the measures of their whole runs."""
        trial = job.execution.trial
        return [
            dataclasses.replace(progress, measures=self._history.measure(trial, progress.seed, job.run))
            for progress in progress_of({seed: summaries[seed] for seed in job.execution.seeds})
        ]

    def _close(self, execution: Execution) -> None:
        self._history.drop(execution.trial)
        record = self._writer.trial(execution.trial)
        self._tracker.trial_finished(record)
        self._progress.trial_finished(record)

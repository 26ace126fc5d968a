"""Hands the executions of a study to Ray Tune: what waits in the ledger first, then what its searches suggest."""

from collections.abc import Callable, Mapping
from typing import Any

from ray.tune.search import Searcher

from environments.tasks import Path as EnvPath
from sweeps.ledger import Writer
from sweeps.records import Execution, State, Trial
from sweeps.running.checkpoints import Cadence, CheckpointStore, trial_folder
from sweeps.running.execution import ASSIGNMENT, Assignment, Job
from sweeps.running.packs import Packs
from sweeps.running.stopping import Stop
from sweeps.running.suggestions import next_suggestion
from sweeps.spec import StudySpec
from sweeps.spec.space import suggests


class ExecutionSearcher(Searcher):
    """Tune's source of trials. Its state is the ledger's; it holds a URL, not a connection, and may be pickled.

    Args:
        writer: The driver's right to write the study.
        spec: The study.
        checkpoints: Folder or URL of the study's checkpoints.
        cadence: When a worker takes a checkpoint.
        max_concurrent: Says how many executions may be handed out and not finished, at most. More would wait inside
            Tune, where a suggestion grows stale.
        stop: Says when to hand out nothing more.
        env_path: Which environments workers step.
        gpus: Share of a GPU that a worker's networks live on.
    """

    def __init__(
        self,
        writer: Writer,
        spec: StudySpec,
        *,
        checkpoints: str,
        cadence: Cadence,
        max_concurrent: Callable[[], int],
        stop: Stop,
        env_path: EnvPath = "auto",
        gpus: float = 0.0,
    ) -> None:
        super().__init__()
        self._writer = writer
        self._spec = spec
        self._checkpoints = checkpoints
        self._cadence = cadence
        self._max_concurrent = max_concurrent
        self._stop = stop
        self._env_path: EnvPath = env_path
        self._gpus = gpus
        self._live: dict[str, list[Execution]] = {}
        self._nothing_waits = False  # until an execution ends: only that lets a trial wait or a search go on
        self._suggests = suggests(spec)
        self._packs = Packs(spec, writer, checkpoints)

    def suggest(self, trial_id: str) -> Mapping[str, Any] | str | None:  # pyright: ignore[reportIncompatibleMethodOverride] - Ray's annotation leaves out its own FINISHED
        """The next execution.

        Args:
            trial_id: Tune's id of the trial that will run it.

        Returns:
            Tune's config; None while there is nothing to hand out but something still runs; FINISHED, which Tune
            takes as final, once nothing runs either or the driver is asked to end.
        """
        if self._stop.requested:
            return Searcher.FINISHED
        if self._nothing_waits or len(self._live) >= self._max_concurrent():
            return None  # Tune asks after every result, and a large study takes long to read
        trial = self._next_trial()
        if trial is None:
            self._nothing_waits = bool(self._live)
            return None if self._live else Searcher.FINISHED
        others = self._within_budget(trial, self._packs.companions(trial, without=self._running()))
        jobs = tuple(self._job(each) for each in (trial, *others))
        self._live[trial_id] = [job.execution for job in jobs]
        return {ASSIGNMENT: Assignment(jobs, self._cadence, self._env_path, self._gpus)}

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Frees the execution's place; what became of it is the recorder's to write.

        Args:
            trial_id: Tune's id of the trial.
            result: Its last result.
            error: Whether it failed.
        """
        self._live.pop(trial_id, None)
        self._nothing_waits = False

    def save(self, checkpoint_path: str) -> None:
        """Writes nothing: the ledger has it all.

        Args:
            checkpoint_path: Where Tune would want it.
        """

    def restore(self, checkpoint_path: str) -> None:
        """Reads nothing: the ledger has it all.

        Args:
            checkpoint_path: Where Tune would have it.
        """

    def _job(self, trial: Trial) -> Job:
        seeds, folder = trial.next_seeds, trial_folder(self._checkpoints, trial.number)
        execution = self._writer.ask(trial.number, seeds, CheckpointStore(folder, seeds).newest())
        stopped = tuple(seed for seed in seeds if seed in trial.stopped_seeds)
        return Job(execution, self._spec.resolve(trial.arm, trial.params), folder, stopped)

    def _running(self) -> list[int]:
        return [execution.trial for executions in self._live.values() for execution in executions]

    def _started(self) -> set[int]:
        """Trials that have started or are handed out."""
        times = self._writer.ledger.execution_times(self._writer.study)
        return {trial for trial, _, _ in times} | set(self._running())

    def _within_budget(self, first: Trial, others: list[Trial]) -> list[Trial]:
        """Those of a pack that may start beside its first trial."""
        most = None if self._spec.budget is None else self._spec.budget.trials
        if most is None or not others:
            return others
        started, allowed = self._started() | {first.number}, list[Trial]()
        for trial in others:
            if trial.number in started or len(started) < most:
                started.add(trial.number)
                allowed.append(trial)
        return allowed

    def _next_trial(self) -> Trial | None:
        running = self._running()
        most = None if self._spec.budget is None else self._spec.budget.trials
        if most is not None:
            started = self._started()
            if len(started) >= most:
                return self._interrupted_trial(started - set(running))
        waiting = self._writer.ledger.next_waiting(self._writer.study, without=running)
        return waiting or self._suggested_trial()

    def _interrupted_trial(self, started: set[int]) -> Trial | None:
        """A trial that waits to go on, where no further one may start."""
        trials = self._writer.ledger.trials(self._writer.study)
        return next((t for t in trials if t.number in started and t.state is State.WAITING), None)

    def _suggested_trial(self) -> Trial | None:
        ledger, study = self._writer.ledger, self._writer.study
        new_trial = next_suggestion(self._spec, ledger.trials(study)) if self._suggests else None
        if new_trial is None:
            return None
        retest = self._spec.retest if new_trial.retest_of is not None else None
        return self._writer.add_trial(new_trial, retest.seed_list if retest else self._spec.seed_list)

"""An execution in a worker: the Tune trainable that builds the algorithm, trains it and takes checkpoints.

A result carries the rows of one iteration and two counters, not RLlib's 460 keys. The algorithm is built in the first
`step`, never in `setup`, so that whatever goes wrong reaches the driver as a failed iteration with its exception, and
so that a warm worker (`reuse_actors`) takes over its next trial the same way as a cold one its first.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypedDict, cast

from ray.tune import Trainable

from algorithms.errors import NonFiniteError
from environments.tasks import Path as EnvPath
from sweeps.records import Execution, ResultRow
from sweeps.running.algorithm_config import algorithm_config
from sweeps.running.checkpoints import Cadence, Checkpoint, CheckpointStore, DamagedCheckpointError
from sweeps.running.gpu import require_gpu
from sweeps.running.worker_log import attached_to_errors
from sweeps.spec import RunSpec

if TYPE_CHECKING:
    from ray.rllib.algorithms import Algorithm

    from algorithms.lagrangian_algorithm import LagrangianAlgorithm
    from algorithms.ppo_lagrangian import PPOLagrangian, PPOLagrangianConfig

ASSIGNMENT = "assignment"
"""Key of the `Assignment` in Tune's config."""


@dataclass(frozen=True)
class Job:
    """One trial's part of what a worker is asked to do.

    Attributes:
        execution: Which seeds of which trial, and which attempt.
        run: What to train.
        checkpoints: Folder or URL of the trial's checkpoints.
        stopped: Seeds of the execution that train no more, and report nothing.
    """

    execution: Execution
    run: RunSpec
    checkpoints: str
    stopped: tuple[int, ...] = ()


@dataclass(frozen=True)
class Assignment:
    """What a worker is asked to do.

    Attributes:
        jobs: The part of each trial that trains in the same process: one, or a pack. Those of a pack have the same
            seeds, none of them stopped, start from the same iteration, and their runs differ in multiplier and limits
            only.
        cadence: When to take checkpoints.
        env_path: Which environments: `auto`, `fast` or `general`.
        gpus: Share of a GPU that the networks live on; 0 keeps them on the CPU.
    """

    jobs: tuple[Job, ...]
    cadence: Cadence
    env_path: EnvPath = "auto"
    gpus: float = 0.0

    @property
    def first(self) -> Job:
        """The job that speaks for all in what they share."""
        return self.jobs[0]

    @property
    def is_packed(self) -> bool:
        """Whether several trials train together."""
        return len(self.jobs) > 1


class Start(NamedTuple):
    """What an attempt began with.

    Attributes:
        checkpoint: Path or URL of the checkpoint, or None: anew.
        saved_at: When its last iteration was done, seconds since the epoch; None without one.
    """

    checkpoint: str | None = None
    saved_at: float | None = None


class Report(TypedDict):
    """What a worker tells the driver after an iteration; a Tune result.

    Attributes:
        rows: Rows of the iteration, one for each seed that trains of each trial. The first report of an attempt that
            continues from a checkpoint also holds the rows of the checkpoint's iteration, which may never have reached
            the driver.
        complete: Whether every seed has used its budget.
        done: The same, as Tune's word for "stop this".
        starts: What the attempt of each trial began with, in its first report; None in later ones.
        calibration: Arrays of a `CalibrationRecord`, by name, from the training of a multiplier network that has just
            used its budget; else None.
    """

    rows: list[ResultRow]
    complete: bool
    done: bool
    starts: tuple[Start, ...] | None
    calibration: dict[str, Any] | None


class ExecutionTrainable(Trainable):
    """Trains the seeds of one trial or of a pack of trials together; a worker serves one assignment after the other."""

    _assignment: Assignment
    _stores: list[CheckpointStore]
    _algorithm: "Algorithm | None"
    _unsaved: list[ResultRow]

    def setup(self, config: dict[str, Any]) -> None:
        """Takes the worker's first execution."""
        self._accept(config[ASSIGNMENT])

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Ends one execution and takes the next."""
        self._release()
        self._accept(new_config[ASSIGNMENT])
        return True

    def cleanup(self) -> None:
        """Ends the execution; one that was stopped before its end leaves a checkpoint of its last iteration."""
        self._release()

    def step(self) -> Report:  # pyright: ignore[reportIncompatibleMethodOverride] - a TypedDict is a dict at run time
        """Trains one iteration.

        Returns:
            The rows, one a seed of each trial.

        Raises:
            NonFiniteError: If a loss, a parameter or a metric is not finite; names the seed.
        """
        with attached_to_errors():
            if self._algorithm is not None:
                return self._report(self._train(), None)
            starts, replayed = self._build()
            if replayed and self._is_complete(replayed):  # it died between its last checkpoint and its last report
                return self._report(replayed, starts)
            return self._report(replayed + self._train(), starts)

    def _accept(self, assignment: Assignment) -> None:
        self._assignment = assignment
        self._stores = [CheckpointStore(job.checkpoints, job.execution.seeds) for job in assignment.jobs]
        self._algorithm = None
        self._unsaved = []
        self._saved_at = time.monotonic()
        self._saved_steps = 0

    def _build(self) -> tuple[tuple[Start, ...], list[ResultRow]]:
        """Builds the algorithm from the newest good checkpoints; returns those and the rows that lie in them."""
        try:
            return self._build_from([store.load() for store in self._stores])
        finally:
            for store in self._stores:
                store.release()

    def _build_from(self, checkpoints: list[Checkpoint | None]) -> tuple[tuple[Start, ...], list[ResultRow]]:
        found = [checkpoint for checkpoint in checkpoints if checkpoint is not None]
        iterations = {0 if checkpoint is None else checkpoint.iteration for checkpoint in checkpoints}
        if len(iterations) > 1:  # one was damaged; each trial goes on alone
            raise DamagedCheckpointError(f"the trials of a pack stand at different iterations {sorted(iterations)}")
        rows = [row for checkpoint in found for row in checkpoint.rows if self._trains(row.seed)]
        starts = tuple(Start() if each is None else Start(each.location, each.rows[0].time) for each in checkpoints)
        if not (rows and self._is_complete(rows)):
            self._algorithm = build_algorithm(self._assignment, [each.algorithm for each in found], self._storage)
            self._saved_at = time.monotonic()
            self._saved_steps = rows[0].env_steps if rows else 0
        return starts, rows

    def _train(self) -> list[ResultRow]:
        assert self._algorithm is not None
        self._unsaved = []  # an iteration that fails leaves nothing worth a checkpoint
        result = self._algorithm.train()
        now = time.time()
        jobs = self._assignment.jobs
        of_seeds = (row for row in result["seed_rows"] if self._trains(row["seed"]))
        rows = [result_row(jobs[row["member"]].execution, row, now) for row in of_seeds]
        self._unsaved = rows
        unsaved = rows[0].env_steps - self._saved_steps
        if self._is_complete(rows) or self._assignment.cadence.is_due(unsaved, time.monotonic() - self._saved_at):
            self._save()
        return rows

    def _save(self) -> None:
        for job, store, write in zip(self._assignment.jobs, self._stores, self._writers(), strict=True):
            rows = [row for row in self._unsaved if row.trial == job.execution.trial]
            store.save(job.execution.attempt, rows, write)
        self._saved_steps = self._unsaved[0].env_steps
        self._unsaved = []
        self._saved_at = time.monotonic()

    def _writers(self) -> list[Callable[[Path], object]]:
        """What writes each trial's part of the algorithm into a folder; each goes on alone from its own."""
        algorithm = self._algorithm
        assert algorithm is not None
        if self._assignment.is_packed:
            return [*cast("PPOLagrangian", algorithm).member_savers()]
        return [lambda folder: algorithm.save_to_path(str(folder))]

    def _release(self) -> None:
        if self._algorithm is None:
            return
        if self._unsaved:
            self._save()
        self._algorithm.stop()
        self._algorithm = None

    def _trains(self, seed: int) -> bool:
        return seed not in self._assignment.first.stopped

    def _is_complete(self, rows: list[ResultRow]) -> bool:
        return all(row.env_steps >= self._assignment.first.run.env_steps for row in rows)

    def _report(self, rows: list[ResultRow], starts: tuple[Start, ...] | None) -> Report:
        seeds = sum(len(job.execution.seeds) - len(job.stopped) for job in self._assignment.jobs)
        complete = self._is_complete(rows[-seeds:])
        trained = self._algorithm if complete else None
        calibration = None if trained is None else cast("LagrangianAlgorithm", trained).calibration()
        return Report(rows=rows, complete=complete, done=complete, starts=starts, calibration=calibration)


def build_algorithm(assignment: Assignment, sources: Sequence[Path] = (), storage: Any = None) -> "Algorithm":
    """Builds the algorithm of a run, or of a pack of runs.

    Args:
        assignment: What to train.
        sources: For each trial the folder that the algorithm wrote, to continue from; or none.
        storage: Tune's storage of the trial, so that the algorithm's folder lies there and not in the home folder.

    Returns:
        The algorithm, at the iteration at which `sources` were written.

    Raises:
        SweepError: If it is to compute on a GPU, and torch finds none.
    """
    if assignment.gpus:
        require_gpu()
    first = assignment.first
    config = algorithm_config(first.run, first.execution.seeds, assignment.env_path, stopped=first.stopped)
    config.learners(num_gpus_per_learner=assignment.gpus)
    paths = [str(source) for source in sources]
    if assignment.is_packed:
        from algorithms.lagrangian_config import Member  # RLlib takes seconds to import

        members = [Member(job.run.lagrangian, job.run.cost_limits) for job in assignment.jobs]
        cast("PPOLagrangianConfig", config).pack(members, paths)
    else:
        config.resume(paths[0] if paths else None)
    return cast("type[Algorithm]", config.algo_class)(config=config, storage=storage)


def result_row(execution: Execution, row: Mapping[str, Any], measured_at: float) -> ResultRow:
    """A row of the algorithm in plain numbers.

    Args:
        execution: Which trial and attempt.
        row: The algorithm's `seed_rows` entry.
        measured_at: Seconds since the epoch.

    Returns:
        The row.

    Raises:
        NonFiniteError: If a metric or an episode's return or cost is not finite; names the seed.
    """
    returns = tuple(float(value) for value in row["episode_returns"])
    costs = {name: tuple(float(value) for value in values) for name, values in row["episode_costs"].items()}
    metrics = {key: float(value) for key, value in row["metrics"].items()}
    named = [*metrics.items(), *(("the return of an episode", value) for value in returns)]
    named += [(f"the {name} of an episode", value) for name, values in costs.items() for value in values]
    for name, value in named:
        if not math.isfinite(value):
            raise NonFiniteError(f"seed {row['seed']}, iteration {row['iteration']}: {name} is {value}")
    return ResultRow(
        trial=execution.trial,
        seed=int(row["seed"]),
        iteration=int(row["iteration"]),
        env_steps=int(row["env_steps"]),
        time=measured_at,
        attempt=execution.attempt,
        metrics=metrics,
        episode_returns=returns,
        episode_costs=costs,
    )

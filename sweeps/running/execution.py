"""An execution in a worker: the Tune trainable that builds the algorithm, trains it and takes checkpoints.

A result carries the rows of one iteration and two counters, not RLlib's 460 keys. The algorithm is built in the first
`step`, never in `setup`, so that whatever goes wrong reaches the driver as a failed iteration with its exception, and
so that a warm worker (`reuse_actors`) takes over its next trial the same way as a cold one its first.
"""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, cast

from ray.tune import Trainable

from algorithms.errors import NonFiniteError
from environments.tasks import Path as EnvPath
from sweeps.records import Execution, ResultRow
from sweeps.running.algorithm_config import algorithm_config
from sweeps.running.checkpoints import Cadence, CheckpointStore
from sweeps.running.worker_log import attached_to_errors
from sweeps.spec import RunSpec

if TYPE_CHECKING:
    from ray.rllib.algorithms import Algorithm

    from algorithms.lagrangian_algorithm import LagrangianAlgorithm

ASSIGNMENT = "assignment"
"""Key of the `Assignment` in Tune's config."""


@dataclass(frozen=True)
class Assignment:
    """What a worker is asked to do.

    Attributes:
        execution: Which seeds of which trial, and which attempt.
        run: What to train.
        checkpoints: Folder or URL of the trial's checkpoints.
        cadence: When to take one.
        env_path: Which environments: `auto`, `fast` or `general`.
        gpus: Share of a GPU that the networks live on; 0 keeps them on the CPU.
    """

    execution: Execution
    run: RunSpec
    checkpoints: str
    cadence: Cadence
    env_path: EnvPath = "auto"
    gpus: float = 0.0


class Report(TypedDict):
    """What a worker tells the driver after an iteration; a Tune result.

    Attributes:
        rows: Rows of the iteration, one a seed. The first report of an attempt that continues from a checkpoint also
            holds the rows of the checkpoint's iteration, which may never have reached the driver.
        complete: Whether every seed has used its budget.
        done: The same, as Tune's word for "stop this".
        resumed_from: Path or URL of the checkpoint that this attempt started from, or None.
        calibration: Arrays of a `CalibrationRecord`, by name, from the training of a multiplier network that has just
            used its budget; else None.
    """

    rows: list[ResultRow]
    complete: bool
    done: bool
    resumed_from: str | None
    calibration: dict[str, Any] | None


class ExecutionTrainable(Trainable):
    """Trains the seeds of one trial together; a worker serves one execution after the other."""

    _assignment: Assignment
    _store: CheckpointStore
    _algorithm: "Algorithm | None"
    _unsaved: list[ResultRow]
    _resumed_from: str | None

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
            The rows, one a seed.

        Raises:
            NonFiniteError: If a loss, a parameter or a metric is not finite; names the seed.
        """
        with attached_to_errors():
            replayed: list[ResultRow] = []
            if self._algorithm is None:
                replayed = self._build()
                if replayed and self._is_complete(replayed):  # it died between its last checkpoint and its last report
                    return self._report(replayed)
            return self._report(replayed + self._train())

    def _accept(self, assignment: Assignment) -> None:
        self._assignment = assignment
        self._store = CheckpointStore(assignment.checkpoints, assignment.execution.seeds)
        self._algorithm = None
        self._unsaved = []
        self._resumed_from = None
        self._saved_at = time.monotonic()
        self._saved_steps = 0

    def _build(self) -> list[ResultRow]:
        """Builds the algorithm from the newest good checkpoint and returns the rows that lie in it."""
        checkpoint = self._store.load()
        rows = [] if checkpoint is None else list(checkpoint.rows)
        self._resumed_from = None if checkpoint is None else checkpoint.location
        if not (rows and self._is_complete(rows)):
            source = None if checkpoint is None else checkpoint.algorithm
            self._algorithm = build_algorithm(self._assignment, source, self._storage)
            self._saved_at = time.monotonic()
            self._saved_steps = rows[0].env_steps if rows else 0
        self._store.release()
        return rows

    def _train(self) -> list[ResultRow]:
        assert self._algorithm is not None
        self._unsaved = []  # an iteration that fails leaves nothing worth a checkpoint
        result = self._algorithm.train()
        now = time.time()
        rows = [result_row(self._assignment.execution, row, now) for row in result["seed_rows"]]
        self._unsaved = rows
        unsaved = rows[0].env_steps - self._saved_steps
        if self._is_complete(rows) or self._assignment.cadence.is_due(unsaved, time.monotonic() - self._saved_at):
            self._save()
        return rows

    def _save(self) -> None:
        self._store.save(self._assignment.execution.attempt, self._unsaved, self._write_algorithm)
        self._saved_steps = self._unsaved[0].env_steps
        self._unsaved = []
        self._saved_at = time.monotonic()

    def _write_algorithm(self, folder: Path) -> None:
        assert self._algorithm is not None
        self._algorithm.save_to_path(str(folder))

    def _release(self) -> None:
        if self._algorithm is None:
            return
        if self._unsaved:
            self._save()
        self._algorithm.stop()
        self._algorithm = None

    def _is_complete(self, rows: list[ResultRow]) -> bool:
        return all(row.env_steps >= self._assignment.run.env_steps for row in rows)

    def _report(self, rows: list[ResultRow]) -> Report:
        seeds = len(self._assignment.execution.seeds)
        complete = self._is_complete(rows[-seeds:])
        trained = self._algorithm if complete else None
        calibration = None if trained is None else cast("LagrangianAlgorithm", trained).calibration()
        return Report(
            rows=rows, complete=complete, done=complete, resumed_from=self._resumed_from, calibration=calibration
        )


def build_algorithm(assignment: Assignment, source: Path | None, storage: Any = None) -> "Algorithm":
    """Builds the algorithm of a run.

    Args:
        assignment: What to train.
        source: Folder that the algorithm wrote, to continue from, or None.
        storage: Tune's storage of the trial, so that the algorithm's folder lies there and not in the home folder.

    Returns:
        The algorithm, at the iteration at which `source` was written.
    """
    config = algorithm_config(assignment.run, assignment.execution.seeds, assignment.env_path)
    config.learners(num_gpus_per_learner=assignment.gpus).resume(None if source is None else str(source))
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

"""`Writer`: every transition of a study, each one transaction that first checks the driver's fencing token."""

import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, bindparam, func, insert, select, update

from sweeps.ledger.database import writing
from sweeps.ledger.errors import StaleWriterError
from sweeps.ledger.ledger import Ledger, NewTrial, add_trials, execution_of
from sweeps.ledger.tables import executions, lease, seed_runs, trials
from sweeps.records import Execution, Interval, State, Trial

DRIVER_LOST = "driver lost"


@dataclass(frozen=True)
class SeedProgress:
    """How far a seed run is.

    Attributes:
        seed: The seed.
        env_steps: Env steps done.
        iterations: Iterations done.
        multiplier: Last multiplier of each cost, by name.
        mean_return: Mean return of the last 5 % of iterations, or None where it is not known yet.
        mean_cost: The same of each cost, by name.
    """

    seed: int
    env_steps: int
    iterations: int
    multiplier: Mapping[str, float]
    mean_return: float | None = None
    mean_cost: Mapping[str, float] | None = None


class Writer:
    """The driver's right to write one study, for as long as its token is the newest.

    Every method raises `StaleWriterError`, and changes nothing, once another driver has taken over.

    Args:
        ledger: Where to write.
        study: Key of the study.
        token: The driver's fencing token.
    """

    def __init__(self, ledger: Ledger, study: int, token: int) -> None:
        self.ledger = ledger
        self.study = study
        self.token = token

    def take_over(self) -> int:
        """Fails the executions that an earlier driver left running, and lets their trials wait for another attempt.

        Returns:
            How many executions were lost.
        """
        older = and_(executions.c.study == self.study, executions.c.token != self.token)
        with self._transaction() as connection:
            running = and_(older, executions.c.state == State.RUNNING.value)
            lost = connection.execute(select(executions.c.id, executions.c.trial).where(running)).all()
            for row in lost:
                self._finish_execution(connection, row.id, State.FAIL, DRIVER_LOST)
                self._wait_again(connection, row.trial)
            asked = and_(older, executions.c.state == State.WAITING.value)
            connection.execute(update(executions).where(asked).values(token=self.token))
        return len(lost)

    def add_trial(self, new_trial: NewTrial, seeds: Sequence[int]) -> Trial:
        """Appends one trial.

        Args:
            new_trial: Its configuration.
            seeds: Its seeds.

        Returns:
            The trial, with the next number of the study.
        """
        with self._transaction() as connection:
            highest = connection.scalar(select(func.max(trials.c.number)).where(trials.c.study == self.study))
            number = 0 if highest is None else int(highest) + 1
            add_trials(connection, self.study, number, seeds, [new_trial])
        return self.ledger.trials(self.study, number=number)[0]

    def ask(self, trial: int, seeds: Sequence[int], resume_from: str | None) -> Execution:
        """Records that an execution is about to be handed out.

        An execution that an earlier driver asked for and never started is handed out again, as the same attempt.

        Args:
            trial: The trial's number.
            seeds: Seeds to train.
            resume_from: Folder of the checkpoint to start from, or None.

        Returns:
            The execution, waiting to be started.
        """
        mine = executions.c.study == self.study
        with self._transaction() as connection:
            asked = and_(mine, executions.c.trial == trial, executions.c.state == State.WAITING.value)
            values: dict[str, Any] = {"seeds": list(seeds), "resume_from": resume_from, "token": self.token}
            values["asked_at"] = time.time()
            known = connection.scalar(select(executions.c.id).where(asked))
            if known is not None:
                connection.execute(update(executions).where(mine, executions.c.id == known).values(**values))
            else:
                known = int(connection.scalar(select(func.coalesce(func.max(executions.c.id), 0)).where(mine)) or 0) + 1
                attempts = select(func.coalesce(func.max(executions.c.attempt), 0))
                attempt = int(connection.scalar(attempts.where(mine, executions.c.trial == trial)) or 0) + 1
                values |= {"id": known, "trial": trial, "attempt": attempt, "state": State.WAITING.value}
                connection.execute(insert(executions).values(study=self.study, **values))
            row = connection.execute(select(executions).where(mine, executions.c.id == known)).one()
        return execution_of(row)

    def start(self, execution: Execution) -> None:
        """Records that a worker has taken the execution."""
        with self._transaction() as connection:
            row = and_(executions.c.study == self.study, executions.c.id == execution.id)
            waiting = and_(row, executions.c.state == State.WAITING.value)
            started = update(executions).where(waiting).values(state=State.RUNNING.value, started_at=time.time())
            assert connection.execute(started).rowcount == 1
            self._set_trial(connection, execution.trial, State.RUNNING, None)
            self._set_seeds(connection, execution, State.RUNNING, None)

    def progress(self, execution: Execution, seeds: Sequence[SeedProgress]) -> None:
        """Records how far the seeds of a running execution are."""
        with self._transaction() as connection:
            self._write_progress(connection, execution, seeds)

    def resumed(self, execution: Execution, resume_from: str | None) -> None:
        """Corrects the checkpoint that an execution really started from, where the newest was damaged."""
        with self._transaction() as connection:
            row = and_(executions.c.study == self.study, executions.c.id == execution.id)
            connection.execute(update(executions).where(row).values(resume_from=resume_from))

    def complete(
        self,
        execution: Execution,
        seeds: Sequence[SeedProgress],
        *,
        mean_return: Interval,
        mean_cost: Mapping[str, Interval],
        feasible: bool,
    ) -> None:
        """Completes an execution and its trial.

        Args:
            execution: The execution.
            seeds: Final state of each of its seeds.
            mean_return: Aggregate over the trial's seeds.
            mean_cost: Aggregate over the trial's seeds of each cost, by name.
            feasible: Whether every aggregated cost is within its limit.
        """
        summary = {
            "mean_return": asdict(mean_return),
            "mean_cost": {name: asdict(cost) for name, cost in mean_cost.items()},
            "feasible": feasible,
        }
        with self._transaction() as connection:
            self._write_progress(connection, execution, seeds)
            self._finish_execution(connection, execution.id, State.COMPLETE, None)
            self._set_seeds(connection, execution, State.COMPLETE, None)
            self._set_trial(connection, execution.trial, State.COMPLETE, None, finished_at=time.time(), **summary)

    def fail(self, execution: Execution, failure: str) -> None:
        """Fails an execution and its trial.

        Args:
            execution: The execution.
            failure: The cause, one line.
        """
        with self._transaction() as connection:
            self._finish_execution(connection, execution.id, State.FAIL, failure)
            self._set_seeds(connection, execution, State.FAIL, failure)
            self._set_trial(connection, execution.trial, State.FAIL, failure, finished_at=time.time())

    def release(self, execution: Execution, reason: str) -> None:
        """Ends an execution before its trial is done and lets the trial wait for another attempt.

        Args:
            execution: The execution.
            reason: Why it ended, one line.
        """
        with self._transaction() as connection:
            self._finish_execution(connection, execution.id, State.FAIL, reason)
            self._wait_again(connection, execution.trial)

    def requeue_failed(self) -> list[int]:
        """Lets every failed trial wait for another attempt.

        Returns:
            Their numbers.
        """
        failed = and_(trials.c.study == self.study, trials.c.state == State.FAIL.value)
        with self._transaction() as connection:
            numbers = list(connection.scalars(select(trials.c.number).where(failed).order_by(trials.c.number)))
            for number in numbers:
                self._wait_again(connection, number)
        return numbers

    @contextmanager
    def _transaction(self) -> Generator[Connection]:
        with writing(self.ledger.engine).begin() as connection:
            # First, and as a write: it locks the lease, so that the right cannot move before this commits.
            mine = and_(lease.c.study == self.study, lease.c.token == self.token)
            if connection.execute(update(lease).where(mine).values(renewed_at=time.time())).rowcount != 1:
                raise StaleWriterError(
                    f"`this driver holds the study` must hold, but another took it over since token {self.token}.",
                    code="stale-writer",
                    help="this process stops; the other driver goes on with the study",
                )
            yield connection

    def _write_progress(self, connection: Connection, execution: Execution, seeds: Sequence[SeedProgress]) -> None:
        row = and_(
            seed_runs.c.study == self.study,
            seed_runs.c.trial == execution.trial,
            seed_runs.c.seed == bindparam("of_seed"),
        )
        columns = ("env_steps", "iterations", "multiplier", "mean_return", "mean_cost")
        statement = update(seed_runs).where(row).values({name: bindparam(f"new_{name}") for name in columns})
        values = [asdict(seed) for seed in seeds]
        connection.execute(
            statement,
            [{"of_seed": value["seed"]} | {f"new_{name}": value[name] for name in columns} for value in values],
        )

    def _finish_execution(self, connection: Connection, execution: int, state: State, failure: str | None) -> None:
        row = and_(executions.c.study == self.study, executions.c.id == execution)
        unfinished = and_(row, executions.c.state.in_([State.WAITING.value, State.RUNNING.value]))
        values = {"state": state.value, "failure": failure, "finished_at": time.time()}
        assert connection.execute(update(executions).where(unfinished).values(**values)).rowcount == 1

    def _set_trial(
        self, connection: Connection, trial: int, state: State, failure: str | None, **values: object
    ) -> None:
        row = and_(trials.c.study == self.study, trials.c.number == trial)
        connection.execute(update(trials).where(row).values(state=state.value, failure=failure, **values))

    def _set_seeds(self, connection: Connection, execution: Execution, state: State, failure: str | None) -> None:
        rows = and_(self._seeds_of(execution.trial), seed_runs.c.seed.in_(execution.seeds))
        connection.execute(update(seed_runs).where(rows).values(state=state.value, failure=failure))

    def _wait_again(self, connection: Connection, trial: int) -> None:
        self._set_trial(connection, trial, State.WAITING, None, finished_at=None)
        unfinished = and_(self._seeds_of(trial), seed_runs.c.state != State.COMPLETE.value)
        connection.execute(update(seed_runs).where(unfinished).values(state=State.WAITING.value, failure=None))

    def _seeds_of(self, trial: int) -> ColumnElement[bool]:
        return and_(seed_runs.c.study == self.study, seed_runs.c.trial == trial)

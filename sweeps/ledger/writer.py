"""`Writer`: every transition of a study, each one transaction that first checks the driver's fencing token."""

import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, and_, func, insert, select, update

from sweeps.ledger.database import writing
from sweeps.ledger.errors import StaleWriterError
from sweeps.ledger.ledger import Ledger, NewTrial, add_trials
from sweeps.ledger.outage import survives_outages
from sweeps.ledger.progress import SeedProgress
from sweeps.ledger.rows import execution_of
from sweeps.ledger.tables import executions, lease, seed_runs, trials
from sweeps.ledger.transitions import finish_execution, seeds_of, set_seeds, set_trial, wait_again, write_progress
from sweeps.records import DRIVER_LOST, Execution, Interval, State, Trial

LEASE_S = 60.0
"""Seconds for which the right to write lasts without a sign of life."""


class Writer:
    """The driver's right to write one study, for as long as its token is the newest.

    Every method raises `StaleWriterError`, and changes nothing, once another driver has taken over. Every method may
    be repeated: a database server may go away after it committed and before it said so.

    Args:
        ledger: Where to write.
        study: Key of the study.
        token: The driver's fencing token.
        lease_s: Seconds for which each transaction renews the right.
        usurps: Whether the driver before was not known to have ended.
        last_sign_at: When the driver before last gave a sign of life; seconds since the epoch.

    Attributes:
        is_stale: Whether another driver is known to have taken over.
        stop_requested: Whether somebody asked this driver to end.
    """

    def __init__(
        self,
        ledger: Ledger,
        study: int,
        token: int,
        *,
        lease_s: float = LEASE_S,
        usurps: bool = False,
        last_sign_at: float | None = None,
    ) -> None:
        self.ledger = ledger
        self.study = study
        self.token = token
        self.lease_s = lease_s
        self.usurps = usurps
        self._last_sign_at = last_sign_at
        self.is_stale = False
        self.stop_requested = False

    @property
    def patience_s(self) -> float:
        """Seconds to wait for a database server that is away."""
        return self.ledger.patience_s

    @survives_outages
    def renew(self) -> None:
        """Renews the lease, and hears whether to stop."""
        with self.transaction():
            pass

    @survives_outages
    def take_over(self) -> int:
        """Fails the executions that an earlier driver left running, and lets their trials wait for another attempt.

        Returns:
            How many executions were lost.
        """
        older = and_(executions.c.study == self.study, executions.c.token != self.token)
        with self.transaction() as connection:
            running = and_(older, executions.c.state == State.RUNNING.value)
            lost = connection.execute(select(executions.c.id, executions.c.trial).where(running)).all()
            for row in lost:
                finish_execution(connection, self.study, row.id, State.FAIL, DRIVER_LOST, at=self._last_sign_at)
                wait_again(connection, self.study, row.trial)
            asked = and_(older, executions.c.state == State.WAITING.value)
            connection.execute(update(executions).where(asked).values(token=self.token))
        return len(lost)

    @survives_outages
    def add_trial(self, new_trial: NewTrial, seeds: Sequence[int]) -> Trial:
        """Appends one trial, or finds the one that was appended under its key.

        Args:
            new_trial: Its configuration.
            seeds: Its seeds.

        Returns:
            The trial, with the next number of the study.
        """
        with self.transaction() as connection:
            of_key = and_(trials.c.study == self.study, trials.c.key == new_trial.key)
            number = connection.scalar(select(trials.c.number).where(of_key))
            if number is None:
                highest = connection.scalar(select(func.max(trials.c.number)).where(trials.c.study == self.study))
                number = 0 if highest is None else highest + 1
                add_trials(connection, self.study, number, seeds, [new_trial])
        return self.trial(number)

    def trial(self, number: int) -> Trial:
        """A trial of the study as it stands now."""
        return self.ledger.trials(self.study, number=number)[0]

    @survives_outages
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
        with self.transaction() as connection:
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

    @survives_outages
    def start(self, execution: Execution) -> None:
        """Records that a worker has taken the execution."""
        with self.transaction() as connection:
            row = and_(executions.c.study == self.study, executions.c.id == execution.id)
            unfinished = and_(row, executions.c.state.in_([State.WAITING.value, State.RUNNING.value]))
            started = update(executions).where(unfinished).values(state=State.RUNNING.value, started_at=time.time())
            assert connection.execute(started).rowcount == 1
            set_trial(connection, self.study, execution.trial, State.RUNNING, None)
            set_seeds(connection, self.study, execution, State.RUNNING, None)

    @survives_outages
    def progress(self, execution: Execution, seeds: Sequence[SeedProgress]) -> None:
        """Records how far the seeds of a running execution are."""
        with self.transaction() as connection:
            write_progress(connection, self.study, execution, seeds)

    @survives_outages
    def resumed(self, execution: Execution, resume_from: str | None, saved_at: float | None) -> None:
        """Records the checkpoint that an execution really started from; the newest may have been damaged.

        Args:
            execution: The execution.
            resume_from: Path or URL of the checkpoint, or None.
            saved_at: When its last iteration was done, seconds since the epoch; None without a checkpoint.
        """
        with self.transaction() as connection:
            row = and_(executions.c.study == self.study, executions.c.id == execution.id)
            values = {"resume_from": resume_from, "resumed_at": saved_at}
            connection.execute(update(executions).where(row).values(**values))

    @survives_outages
    def complete(
        self,
        execution: Execution,
        seeds: Sequence[SeedProgress],
        *,
        mean_return: Interval,
        mean_cost: Mapping[str, Interval],
        feasible: bool,
        pruned: str | None = None,
    ) -> None:
        """Completes an execution and its trial, or stops them for good.

        Args:
            execution: The execution.
            seeds: Final state of each of its seeds.
            mean_return: Aggregate over the trial's seeds.
            mean_cost: Aggregate over the trial's seeds of each cost, by name.
            feasible: Whether every aggregated cost is within its limit.
            pruned: Why the trial is stopped before its budget is used; None: it is complete.
        """
        state = State.COMPLETE if pruned is None else State.PRUNED
        summary = {
            "mean_return": asdict(mean_return),
            "mean_cost": {name: asdict(cost) for name, cost in mean_cost.items()},
            "feasible": feasible,
        }
        with self.transaction() as connection:
            write_progress(connection, self.study, execution, seeds)
            finish_execution(connection, self.study, execution.id, state, pruned)
            set_seeds(connection, self.study, execution, state, pruned)
            set_trial(connection, self.study, execution.trial, state, pruned, finished_at=time.time(), **summary)

    @survives_outages
    def pass_rung(self, trial: int, rung: str, seeds: Mapping[int, Mapping[str, float]]) -> None:
        """Records where the seeds of a trial stand at a rung.

        Args:
            trial: The trial's number.
            rung: The rung's share of the budget, as text.
            seeds: Seed → `return` and each cost by name.
        """
        with self.transaction() as connection:
            for seed, reached in seeds.items():
                row = and_(seeds_of(self.study, trial), seed_runs.c.seed == seed)
                known = connection.scalar(select(seed_runs.c.rungs).where(row)) or {}
                connection.execute(update(seed_runs).where(row).values(rungs={**known, rung: dict(reached)}))

    @survives_outages
    def complete_seeds(self, execution: Execution, seeds: Sequence[SeedProgress]) -> None:
        """Completes an execution whose trial has other seeds to train, and lets the trial wait for them.

        Args:
            execution: The execution.
            seeds: Final state of each of its seeds.
        """
        with self.transaction() as connection:
            write_progress(connection, self.study, execution, seeds)
            finish_execution(connection, self.study, execution.id, State.COMPLETE, None)
            set_seeds(connection, self.study, execution, State.COMPLETE, None)
            set_trial(connection, self.study, execution.trial, State.WAITING, None)

    @survives_outages
    def stop_seeds(self, execution: Execution, seeds: Sequence[SeedProgress], reasons: Mapping[int, str]) -> None:
        """Stops some seeds of an execution for good, ends it, and lets its trial wait to go on with the others.

        Args:
            execution: The execution.
            seeds: State of each of its seeds.
            reasons: Seed → why it is stopped.
        """
        with self.transaction() as connection:
            write_progress(connection, self.study, execution, seeds)
            named = ", ".join(map(str, reasons))
            finish_execution(connection, self.study, execution.id, State.PRUNED, f"stopped seeds {named}")
            for seed, reason in reasons.items():
                row = and_(seeds_of(self.study, execution.trial), seed_runs.c.seed == seed)
                connection.execute(update(seed_runs).where(row).values(state=State.PRUNED.value, failure=reason))
            wait_again(connection, self.study, execution.trial)

    @survives_outages
    def fail(self, execution: Execution, failure: str) -> None:
        """Fails an execution and its trial; the cause is one line."""
        with self.transaction() as connection:
            finish_execution(connection, self.study, execution.id, State.FAIL, failure)
            set_seeds(connection, self.study, execution, State.FAIL, failure)
            set_trial(connection, self.study, execution.trial, State.FAIL, failure, finished_at=time.time())

    @survives_outages
    def release(self, execution: Execution, reason: str) -> None:
        """Ends an execution before its trial is done and lets the trial wait again; one line says why."""
        with self.transaction() as connection:
            finish_execution(connection, self.study, execution.id, State.FAIL, reason)
            wait_again(connection, self.study, execution.trial)

    @survives_outages
    def requeue_failed(self) -> list[int]:
        """Lets every failed trial wait for another attempt.

        Returns:
            Their numbers.
        """
        failed = and_(trials.c.study == self.study, trials.c.state == State.FAIL.value)
        with self.transaction() as connection:
            numbers = list(connection.scalars(select(trials.c.number).where(failed).order_by(trials.c.number)))
            for number in numbers:
                wait_again(connection, self.study, number)
        return numbers

    @contextmanager
    def transaction(self) -> Generator[Connection]:
        """A transaction that only commits while this driver holds the study."""
        with writing(self.ledger.engine).begin() as connection:
            # First, and as a write: it locks the lease, so that the right cannot move before this commits.
            mine = and_(lease.c.study == self.study, lease.c.token == self.token)
            now = time.time()
            renewed = update(lease).where(mine).values(renewed_at=now, expires_at=now + self.lease_s)
            row = connection.execute(renewed.returning(lease.c.stop_requested_at)).one_or_none()
            if row is None:
                self.is_stale = True
                raise StaleWriterError(self.token)
            self.stop_requested = row.stop_requested_at is not None
            yield connection

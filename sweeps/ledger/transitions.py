"""The statements that transitions of a study are made of; whoever calls them holds the transaction."""

import time
from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection, and_, bindparam, update

from sweeps.ledger.progress import SeedProgress
from sweeps.ledger.tables import executions, seed_runs, trials
from sweeps.records import Execution, State

_PROGRESS = ("env_steps", "iterations", "multiplier", "mean_return", "mean_cost", "measures")

# Built once: every result of every trial runs it.
_WRITE_PROGRESS = (
    update(seed_runs)
    .where(*(seed_runs.c[name] == bindparam(f"of_{name}") for name in ("study", "trial", "seed")))
    .values({name: bindparam(f"new_{name}") for name in _PROGRESS})
)


def write_progress(connection: Connection, study: int, execution: Execution, seeds: Sequence[SeedProgress]) -> None:
    """Writes how far the seeds of an execution are."""
    rows = [
        {"of_study": study, "of_trial": execution.trial, "of_seed": seed.seed}
        | {f"new_{name}": getattr(seed, name) for name in _PROGRESS}
        for seed in seeds
    ]
    connection.execute(_WRITE_PROGRESS, rows)


def finish_execution(
    connection: Connection, study: int, execution: int, state: State, failure: str | None, *, at: float | None = None
) -> None:
    """Ends an execution, now or at another time; seconds since the epoch."""
    row = and_(executions.c.study == study, executions.c.id == execution)
    # One that has ended this way already may end again: the transaction is being repeated.
    unfinished = and_(row, executions.c.state.in_([State.WAITING.value, State.RUNNING.value, state.value]))
    values = {"state": state.value, "failure": failure, "finished_at": time.time() if at is None else at}
    assert connection.execute(update(executions).where(unfinished).values(**values)).rowcount == 1


def set_trial(
    connection: Connection, study: int, trial: int, state: State, failure: str | None, **values: object
) -> None:
    """Moves a trial to a state, with further columns."""
    row = and_(trials.c.study == study, trials.c.number == trial)
    connection.execute(update(trials).where(row).values(state=state.value, failure=failure, **values))


def set_seeds(connection: Connection, study: int, execution: Execution, state: State, failure: str | None) -> None:
    """Moves the seeds of an execution to a state; what was stopped stays stopped."""
    rows = and_(seeds_of(study, execution.trial), seed_runs.c.seed.in_(execution.seeds))
    going_on = seed_runs.c.state != State.PRUNED.value
    connection.execute(update(seed_runs).where(rows, going_on).values(state=state.value, failure=failure))


def wait_again(connection: Connection, study: int, trial: int) -> None:
    """Lets a trial wait for another attempt, with those of its seeds that are neither complete nor stopped."""
    set_trial(connection, study, trial, State.WAITING, None, finished_at=None)
    done = seed_runs.c.state.in_([State.COMPLETE.value, State.PRUNED.value])
    unfinished = and_(seeds_of(study, trial), ~done)
    connection.execute(update(seed_runs).where(unfinished).values(state=State.WAITING.value, failure=None))


def seeds_of(study: int, trial: int) -> ColumnElement[bool]:
    """The seed runs of a trial."""
    return and_(seed_runs.c.study == study, seed_runs.c.trial == trial)

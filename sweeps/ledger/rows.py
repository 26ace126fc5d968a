"""Rows of the ledger's tables as records.

Values are taken by position: a study of 10 000 trials and 10 seeds has 100 000 seed runs, and names cost more than half
of the time to read them.
"""

import gc
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Row

from sweeps.ledger.tables import seed_runs, trials
from sweeps.records import Execution, Interval, SeedRun, State, Trial

_STATES = {state.value: state for state in State}

SEED_RUN_COLUMNS = [
    seed_runs.c[name]
    for name in (
        *("trial", "seed", "state", "env_steps", "iterations", "mean_return", "mean_cost", "multiplier"),
        *("failure", "cohort", "measures", "rungs"),
    )
]
"""What `seed_run_of` takes after the trial's number."""

TRIAL_COLUMNS = [
    trials.c[name]
    for name in (
        *("number", "key", "arm", "params", "state", "mean_return", "mean_cost", "feasible", "failure", "continued"),
        "retest_of",
    )
]
"""What `trial_of` takes."""


@contextmanager
def many_rows() -> Generator[None]:
    """While rows become records: keeps the garbage collector from walking all of them again and again.

    None of them is garbage; of 100 000 seed runs it took two fifths of the time.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def seed_run_of(row: Any) -> SeedRun:
    """A row of `SEED_RUN_COLUMNS` without its first."""
    seed, state, *rest = row
    return SeedRun(seed, _STATES[state], *rest)


def trial_of(row: Any, runs: tuple[SeedRun, ...]) -> Trial:
    """A row of `TRIAL_COLUMNS` with its seed runs."""
    number, key, arm, params, state, mean_return, costs, feasible, failure, continued, retest_of = row
    return Trial(
        number=number,
        key=key,
        arm=arm,
        params={name: tuple(value) if isinstance(value, list) else value for name, value in params.items()},
        state=_STATES[state],
        seed_runs=runs,
        mean_return=None if mean_return is None else Interval(**mean_return),
        mean_cost=None if costs is None else {name: Interval(**cost) for name, cost in costs.items()},
        feasible=feasible,
        failure=failure,
        continued=continued,
        retest_of=retest_of,
    )


def execution_of(row: Row) -> Execution:
    """A row of `executions` as a record."""
    return Execution(
        id=row.id, trial=row.trial, attempt=row.attempt, seeds=tuple(row.seeds), resume_from=row.resume_from
    )

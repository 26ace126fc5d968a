"""A study grows or goes: larger budgets, more seeds and trials in one transaction; its deletion in another."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Select, and_, delete, func, insert, select, update

from sweeps.ledger.database import writing
from sweeps.ledger.ledger import Ledger, NewTrial, add_trials
from sweeps.ledger.tables import executions, lease, seed_runs, studies, trials
from sweeps.ledger.writer import Writer
from sweeps.records import State


@dataclass(frozen=True)
class Extension:
    """What a study becomes.

    Attributes:
        spec_json: Its specification from now on, as JSON.
        spec_sha256: Hash of it.
        seeds: All its seeds, those it had first.
        new_trials: Trials to append.
        raises_budget: Whether trials have more env steps to train than before.
    """

    spec_json: str
    spec_sha256: str
    seeds: Sequence[int]
    new_trials: Sequence[NewTrial]
    raises_budget: bool


def extend(writer: Writer, extension: Extension) -> None:
    """Makes a study larger. Complete trials wait again where seeds or env steps are added; failed ones stay failed.

    What trials had reached on the rungs of a smaller budget is forgotten: it says nothing about those of a larger one.

    Args:
        writer: The right to write the study.
        extension: What it becomes.

    Raises:
        StaleWriterError: If another driver has taken over; nothing changes then.
    """
    with writer.transaction() as connection:
        if extension.raises_budget:
            _raise_budget(connection, writer.study)
        _add_seeds(connection, writer.study, extension.seeds)
        highest = connection.scalar(select(func.max(trials.c.number)).where(trials.c.study == writer.study))
        first = 0 if highest is None else highest + 1
        add_trials(connection, writer.study, first, extension.seeds, extension.new_trials)
        values = {"spec_json": extension.spec_json, "spec_sha256": extension.spec_sha256}
        connection.execute(update(studies).where(studies.c.id == writer.study).values(**values))


def delete_study(ledger: Ledger, study: int) -> None:
    """Removes everything that the ledger knows of a study; its driver's lease must have been taken.

    Args:
        ledger: The ledger.
        study: Key of the study.
    """
    with writing(ledger.engine).begin() as connection:
        for table in (executions, seed_runs, trials, lease):
            connection.execute(delete(table).where(table.c.study == study))
        connection.execute(delete(studies).where(studies.c.id == study))


def _raise_budget(connection: Connection, study: int) -> None:
    trained = select(seed_runs.c.trial).where(seed_runs.c.study == study, seed_runs.c.iterations > 0)
    marked = and_(trials.c.study == study, trials.c.number.in_(trained))
    connection.execute(update(trials).where(marked).values(continued=True))
    _wait_again(connection, study, select(trials.c.number).where(trials.c.study == study))
    # A failed trial that is retried trains all its seeds for the larger budget too, with those that were complete.
    states = [State.WAITING.value, State.FAIL.value]
    unfinished = select(trials.c.number).where(trials.c.study == study, trials.c.state.in_(states))
    going_on = seed_runs.c.state != State.PRUNED.value  # what was stopped stays stopped
    runs = and_(seed_runs.c.study == study, seed_runs.c.trial.in_(unfinished), going_on)
    connection.execute(update(seed_runs).where(runs).values(state=State.WAITING.value, failure=None))
    connection.execute(update(seed_runs).where(seed_runs.c.study == study).values(rungs=None))


def _add_seeds(connection: Connection, study: int, seeds: Sequence[int]) -> None:
    of_study = select(trials.c.number).where(trials.c.study == study, trials.c.retest_of.is_(None))
    of_trials = and_(seed_runs.c.study == study, seed_runs.c.trial.in_(of_study))
    known = set(connection.scalars(select(seed_runs.c.seed).where(of_trials).distinct()))
    growing = of_study.where(trials.c.state != State.PRUNED.value)  # what was stopped stays as it is
    numbers = connection.scalars(growing).all()
    added = [(position, seed) for position, seed in enumerate(seeds) if seed not in known]
    if not added or not numbers:
        return
    cohort = 1 + connection.scalars(select(func.max(seed_runs.c.cohort)).where(seed_runs.c.study == study)).one()
    rows = [
        {"study": study, "trial": number, "seed": seed, "position": position, "cohort": cohort}
        | {"state": State.WAITING.value, "env_steps": 0, "iterations": 0}
        for number in numbers
        for position, seed in added
    ]
    connection.execute(insert(seed_runs), rows)
    _wait_again(connection, study, growing)


def _wait_again(connection: Connection, study: int, numbers: Select[tuple[int]]) -> None:
    """Lets complete trials wait; what they amounted to is computed anew when they are complete again."""
    complete = and_(trials.c.study == study, trials.c.number.in_(numbers), trials.c.state == State.COMPLETE.value)
    forgotten = {"mean_return": None, "mean_cost": None, "feasible": None, "finished_at": None}
    connection.execute(update(trials).where(complete).values(state=State.WAITING.value, **forgotten))

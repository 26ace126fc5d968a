"""`Ledger`: reads studies, trials and executions, and creates studies. Transitions are `Writer`'s."""

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, Row, func, insert, select
from sqlalchemy.exc import IntegrityError

from sweeps.errors import StudyExistsError
from sweeps.ledger.database import open_database, writing
from sweeps.ledger.tables import executions, lease, seed_runs, studies, trials
from sweeps.records import Execution, Interval, SeedRun, State, Trial


@dataclass(frozen=True)
class StudyRow:
    """A study as the ledger knows it.

    Attributes:
        id: Its key in the ledger.
        name: Its name, unique in the ledger.
        spec_json: Its specification, as JSON.
        spec_sha256: Hash of the specification.
        created_at: Seconds since the epoch.
    """

    id: int
    name: str
    spec_json: str
    spec_sha256: str
    created_at: float


@dataclass(frozen=True)
class NewTrial:
    """A trial to be added: a configuration without a number.

    Attributes:
        key: Stable identity of the configuration, unique in the study.
        arm: Name of the study's arm.
        params: The searched parameters and their values.
    """

    key: str
    arm: str
    params: Mapping[str, Any]


@dataclass(frozen=True)
class Holder:
    """The driver that may write a study.

    Attributes:
        token: Fencing token: grows with every holder.
        pid: Its process.
        host: Its machine.
        acquired_at: Seconds since the epoch.
    """

    token: int
    pid: int
    host: str
    acquired_at: float


class Ledger:
    """The ledger's readers. Pickles as its URL; a connection is opened where it is used.

    Args:
        url: SQLAlchemy URL.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._engine: Engine | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {"url": self.url, "_engine": None}

    @property
    def engine(self) -> Engine:
        """The open database; tables are created at first use."""
        if self._engine is None:
            self._engine = open_database(self.url)
        return self._engine

    def close(self) -> None:
        """Closes the connections; the ledger opens again when used."""
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None

    def create_study(
        self, name: str, spec_json: str, spec_sha256: str, seeds: Sequence[int], new_trials: Iterable[NewTrial]
    ) -> StudyRow:
        """Adds a study with the trials that are known from the start, in one transaction.

        Args:
            name: Name of the study.
            spec_json: Its specification, as JSON.
            spec_sha256: Hash of the specification.
            seeds: Seeds of every trial.
            new_trials: Trials in the order of their numbers.

        Returns:
            The study.

        Raises:
            StudyExistsError: If the ledger has a study of this name.
        """
        values: dict[str, Any] = {"name": name, "spec_json": spec_json, "spec_sha256": spec_sha256}
        values["created_at"] = time.time()
        with writing(self.engine).begin() as connection:
            try:
                study = connection.execute(insert(studies).values(**values).returning(studies.c.id)).scalar_one()
            except IntegrityError:
                raise StudyExistsError(
                    f"`a study's name is new` must hold, but {name!r} exists.",
                    code="study-exists",
                    help='load it (if_exists="load"), or use a new name',
                ) from None
            connection.execute(insert(lease).values(study=study, token=0))
            add_trials(connection, study, 0, seeds, new_trials)
        return StudyRow(id=study, **values)

    def study(self, name: str) -> StudyRow | None:
        """The study of this name, or None."""
        with self.engine.begin() as connection:
            row = connection.execute(select(studies).where(studies.c.name == name)).one_or_none()
        return None if row is None else StudyRow(**row._mapping)

    def studies(self) -> list[StudyRow]:
        """All studies, oldest first."""
        with self.engine.begin() as connection:
            return [StudyRow(**row._mapping) for row in connection.execute(select(studies).order_by(studies.c.id))]

    def trials(self, study: int, *, number: int | None = None, arm: str | None = None) -> list[Trial]:
        """Trials of a study with their seed runs, by number.

        Args:
            study: Key of the study.
            number: Only this one.
            arm: Only those of this arm.

        Returns:
            The trials as one transaction saw them.
        """
        chosen = select(trials).where(trials.c.study == study).order_by(trials.c.number)
        runs = select(seed_runs).where(seed_runs.c.study == study).order_by(seed_runs.c.trial, seed_runs.c.position)
        if number is not None:
            chosen, runs = chosen.where(trials.c.number == number), runs.where(seed_runs.c.trial == number)
        if arm is not None:
            chosen = chosen.where(trials.c.arm == arm)
        with self.engine.begin() as connection:
            trial_rows = connection.execute(chosen).all()
            run_rows = connection.execute(runs).all()
        by_trial: defaultdict[int, list[SeedRun]] = defaultdict(list)
        for row in run_rows:
            by_trial[row.trial].append(_seed_run(row))
        return [_trial(row, tuple(by_trial[row.number])) for row in trial_rows]

    def count_trials(self, study: int, *, arm: str | None = None) -> dict[State, int]:
        """How many trials stand where; every state is a key."""
        query = select(trials.c.state, func.count()).where(trials.c.study == study).group_by(trials.c.state)
        if arm is not None:
            query = query.where(trials.c.arm == arm)
        with self.engine.begin() as connection:
            counts = {State(state): int(count) for state, count in connection.execute(query)}
        return {state: counts.get(state, 0) for state in State}

    def next_waiting(self, study: int, *, without: Iterable[int] = ()) -> Trial | None:
        """The waiting trial with the lowest number that is not among `without`, or None."""
        query = select(trials.c.number).where(trials.c.study == study, trials.c.state == State.WAITING.value)
        query = query.where(trials.c.number.not_in(tuple(without))).order_by(trials.c.number).limit(1)
        with self.engine.begin() as connection:
            number = connection.scalar(query)
        return None if number is None else self.trials(study, number=number)[0]

    def executions(self, study: int, *, trial: int | None = None) -> list[tuple[Execution, State, str | None]]:
        """Executions of a study by id, each with its state and its failure.

        Args:
            study: Key of the study.
            trial: Only those of this trial.
        """
        query = select(executions).where(executions.c.study == study).order_by(executions.c.id)
        if trial is not None:
            query = query.where(executions.c.trial == trial)
        with self.engine.begin() as connection:
            return [(execution_of(row), State(row.state), row.failure) for row in connection.execute(query)]

    def holder(self, study: int) -> Holder | None:
        """The driver that last took the right to write and has not given it back, dead or alive."""
        with self.engine.begin() as connection:
            row = connection.execute(select(lease).where(lease.c.study == study)).one()
        if row.pid is None or row.released_at is not None:
            return None
        return Holder(token=row.token, pid=row.pid, host=row.host, acquired_at=row.acquired_at)


def add_trials(
    connection: Connection, study: int, first: int, seeds: Sequence[int], new_trials: Iterable[NewTrial]
) -> int:
    """Inserts trials with their seed runs, numbered from `first` on; returns how many."""
    now = time.time()
    numbered = list(enumerate(new_trials, start=first))
    if not numbered:
        return 0
    waiting = State.WAITING.value
    trial_rows = [
        {"study": study, "number": number, "key": new.key, "arm": new.arm, "params": dict(new.params)}
        | {"state": waiting, "created_at": now}
        for number, new in numbered
    ]
    run_rows = [
        {"study": study, "trial": number, "seed": seed, "position": position}
        | {"state": waiting, "env_steps": 0, "iterations": 0}
        for number, _ in numbered
        for position, seed in enumerate(seeds)
    ]
    connection.execute(insert(trials), trial_rows)
    connection.execute(insert(seed_runs), run_rows)
    return len(numbered)


def execution_of(row: Row) -> Execution:
    """A row of `executions` as a record."""
    return Execution(
        id=row.id, trial=row.trial, attempt=row.attempt, seeds=tuple(row.seeds), resume_from=row.resume_from
    )


def _seed_run(row: Row) -> SeedRun:
    return SeedRun(
        seed=row.seed,
        state=State(row.state),
        env_steps=row.env_steps,
        iterations=row.iterations,
        mean_return=row.mean_return,
        mean_cost=row.mean_cost,
        multiplier=row.multiplier,
        failure=row.failure,
    )


def _trial(row: Row, runs: tuple[SeedRun, ...]) -> Trial:
    costs = row.mean_cost
    return Trial(
        number=row.number,
        key=row.key,
        arm=row.arm,
        params={name: tuple(value) if isinstance(value, list) else value for name, value in row.params.items()},
        state=State(row.state),
        seed_runs=runs,
        mean_return=None if row.mean_return is None else Interval(**row.mean_return),
        mean_cost=None if costs is None else {name: Interval(**cost) for name, cost in costs.items()},
        feasible=row.feasible,
        failure=row.failure,
    )

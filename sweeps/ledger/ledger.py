"""`Ledger`: reads studies, trials and executions, and creates studies. Transitions are `Writer`'s."""

import itertools
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from sweeps.errors import StudyExistsError
from sweeps.ledger.database import open_database, reading, writing
from sweeps.ledger.holder import Holder, holder_of
from sweeps.ledger.outage import survives_outages
from sweeps.ledger.rows import SEED_RUN_COLUMNS, TRIAL_COLUMNS, execution_of, many_rows, seed_run_of, trial_of
from sweeps.ledger.tables import executions, lease, seed_runs, studies, trials
from sweeps.records import DRIVER_LOST, NODE_LOST, WORKER_LOST, Execution, SeedRun, State, Trial


@dataclass(frozen=True)
class StudyRow:
    """A study as the ledger knows it.

    Attributes:
        id: Its key in the ledger.
        name: Its name, unique in the ledger.
        spec_json: Its specification, as JSON.
        spec_sha256: Hash of the specification.
        created_at: Seconds since the epoch.
        checkpoints: Folder or URL of the study's checkpoints; None: in the study's folder.
    """

    id: int
    name: str
    spec_json: str
    spec_sha256: str
    created_at: float
    checkpoints: str | None = None


@dataclass(frozen=True)
class NewTrial:
    """A trial to be added: a configuration without a number.

    Attributes:
        key: Stable identity of the configuration, unique in the study.
        arm: Name of the study's arm.
        params: The searched parameters and their values.
        retest_of: Number of the trial that it runs again, or None.
    """

    key: str
    arm: str
    params: Mapping[str, Any]
    retest_of: int | None = None


class Ledger:
    """The ledger's readers. Pickles as its URL; a connection is opened where it is used.

    Attributes:
        url: SQLAlchemy URL.
        patience_s: Seconds to wait for a database server that is away; a driver has patience, a command has none.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.patience_s = 0.0
        self._engine: Engine | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {"url": self.url, "patience_s": self.patience_s, "_engine": None}

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

    @survives_outages
    def create_study(
        self,
        name: str,
        spec_json: str,
        spec_sha256: str,
        seeds: Sequence[int],
        new_trials: Iterable[NewTrial],
        *,
        checkpoints: str | None = None,
    ) -> StudyRow:
        """Adds a study with the trials that are known from the start, in one transaction.

        Args:
            name: Name of the study.
            spec_json: Its specification, as JSON.
            spec_sha256: Hash of the specification.
            seeds: Seeds of every trial.
            new_trials: Trials in the order of their numbers.
            checkpoints: Folder or URL of its checkpoints; None: in the study's folder.

        Returns:
            The study.

        Raises:
            StudyExistsError: If the ledger has a study of this name.
        """
        values: dict[str, Any] = {"name": name, "spec_json": spec_json, "spec_sha256": spec_sha256}
        values |= {"created_at": time.time(), "checkpoints": checkpoints}
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

    @survives_outages
    def study(self, name: str) -> StudyRow | None:
        """The study of this name, or None."""
        with reading(self.engine).begin() as connection:
            row = connection.execute(select(studies).where(studies.c.name == name)).one_or_none()
        return None if row is None else StudyRow(**row._mapping)

    @survives_outages
    def studies(self) -> list[StudyRow]:
        """All studies, oldest first."""
        with reading(self.engine).begin() as connection:
            return [StudyRow(**row._mapping) for row in connection.execute(select(studies).order_by(studies.c.id))]

    @survives_outages
    def trials(
        self,
        study: int,
        *,
        number: int | None = None,
        arm: str | None = None,
        state: State | None = None,
        with_seeds: bool = True,
    ) -> list[Trial]:
        """Trials of a study with their seed runs, by number.

        Args:
            study: Key of the study.
            number: Only this one.
            arm: Only those of this arm.
            state: Only those that stand there.
            with_seeds: Whether to read their seed runs too, which are most of the work.

        Returns:
            The trials as one transaction saw them.
        """
        chosen = select(*TRIAL_COLUMNS).where(trials.c.study == study).order_by(trials.c.number)
        runs = select(*SEED_RUN_COLUMNS).where(seed_runs.c.study == study)
        runs = runs.order_by(seed_runs.c.trial, seed_runs.c.position)
        wanted = {trials.c.number: number, trials.c.arm: arm, trials.c.state: None if state is None else state.value}
        conditions = [column == value for column, value in wanted.items() if value is not None]
        if conditions:
            numbers = select(trials.c.number).where(trials.c.study == study, *conditions)
            chosen, runs = chosen.where(*conditions), runs.where(seed_runs.c.trial.in_(numbers))
        by_trial: defaultdict[int, list[SeedRun]] = defaultdict(list)
        with many_rows(), reading(self.engine).begin() as connection:
            trial_rows = connection.execute(chosen).all()
            for trial, *row in connection.execute(runs) if with_seeds else ():
                by_trial[trial].append(seed_run_of(row))
            return [trial_of(row, tuple(by_trial[row[0]])) for row in trial_rows]

    @survives_outages
    def count_trials(self, study: int, *, arm: str | None = None) -> dict[State, int]:
        """How many trials stand where; every state is a key."""
        query = select(trials.c.state, func.count()).where(trials.c.study == study).group_by(trials.c.state)
        if arm is not None:
            query = query.where(trials.c.arm == arm)
        with reading(self.engine).begin() as connection:
            counts = {State(state): int(count) for state, count in connection.execute(query)}
        return {state: counts.get(state, 0) for state in State}

    @survives_outages
    def next_waiting(self, study: int, *, without: Iterable[int] = ()) -> Trial | None:
        """The waiting trial with the lowest number that is not among `without`, or None."""
        query = select(trials.c.number).where(trials.c.study == study, trials.c.state == State.WAITING.value)
        query = query.where(trials.c.number.not_in(tuple(without))).order_by(trials.c.number).limit(1)
        with reading(self.engine).begin() as connection:
            number = connection.scalar(query)
        return None if number is None else self.trials(study, number=number)[0]

    @survives_outages
    def executions(self, study: int, *, trial: int | None = None) -> list[tuple[Execution, State, str | None]]:
        """Executions of a study by id, each with its state and its failure.

        Args:
            study: Key of the study.
            trial: Only those of this trial.
        """
        query = select(executions).where(executions.c.study == study).order_by(executions.c.id)
        if trial is not None:
            query = query.where(executions.c.trial == trial)
        with reading(self.engine).begin() as connection:
            return [(execution_of(row), State(row.state), row.failure) for row in connection.execute(query)]

    @survives_outages
    def env_steps(self, study: int) -> int:
        """Env steps done, over all trials and seeds."""
        total = select(func.sum(seed_runs.c.env_steps)).where(seed_runs.c.study == study)
        with reading(self.engine).begin() as connection:
            return int(connection.scalar(total) or 0)

    @survives_outages
    def execution_times(self, study: int) -> list[tuple[int, float, float]]:
        """Trial, start and end of every execution that has started; the end of one that runs is now."""
        columns = (executions.c.trial, executions.c.started_at, executions.c.finished_at)
        query = select(*columns).where(executions.c.study == study, executions.c.started_at.is_not(None))
        now = time.time()
        with reading(self.engine).begin() as connection:
            return [(trial, start, end or now) for trial, start, end in connection.execute(query)]

    @survives_outages
    def lost_times(self, study: int) -> list[float]:
        """Seconds of training that each attempt lost which was killed, with its driver or its worker.

        Counted from the checkpoint that the trial's next attempt started from, or from the attempt's own start, to the
        last sign of life. An attempt without a successor has lost nothing yet.
        """
        columns = ("trial", "state", "failure", "started_at", "finished_at", "resumed_at")
        query = select(*(executions.c[name] for name in columns)).where(executions.c.study == study)
        query = query.where(executions.c.started_at.is_not(None)).order_by(executions.c.trial, executions.c.attempt)
        with reading(self.engine).begin() as connection:
            attempts = connection.execute(query).all()
        lost: list[float] = []
        for one, following in itertools.pairwise(attempts):
            if one.trial == following.trial and (one.failure or "").startswith((DRIVER_LOST, WORKER_LOST, NODE_LOST)):
                lost.append(max(0.0, one.finished_at - max(one.started_at, following.resumed_at or 0.0)))
        return lost

    @survives_outages
    def holder(self, study: int) -> Holder | None:
        """The driver that holds the right to write, as far as this machine can tell.

        One whose process is gone or whose lease has run out holds nothing.
        """
        with reading(self.engine).begin() as connection:
            holder = holder_of(connection.execute(select(lease).where(lease.c.study == study)).one())
        return None if holder is None or holder.is_dead or holder.has_expired else holder

    @survives_outages
    def request_stop(self, study: int) -> Holder | None:
        """Asks the driver of a study to end.

        Returns:
            The driver; None where there is none, and nothing is asked.
        """
        holder = self.holder(study)
        if holder is not None:
            row = (lease.c.study == study) & (lease.c.token == holder.token)
            with writing(self.engine).begin() as connection:
                connection.execute(update(lease).where(row).values(stop_requested_at=time.time()))
        return holder


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
        | {"state": waiting, "created_at": now, "retest_of": new.retest_of}
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

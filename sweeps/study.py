"""`Study`: a study that lives in a storage folder, to be created, loaded, run and read.

    create_study(StudySpec.from_yaml("pid-gains.yaml")).run()
    load_study("pid-gains").trials_dataframe()

The storage folder holds `ledger.db`, MLflow's store and one folder a study under `studies/`. It is the argument
`storage`, or LAGSWEEP_STORAGE, or `lagsweep-runs` where the process runs.
"""

import contextlib
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from rich.console import Console

from environments.tasks import Path as EnvPath
from sweeps.errors import NoFeasibleTrial, NotFoundError, StudyExistsError, suggest
from sweeps.ledger import Ledger, NewTrial, StudyRow, Writer, driving
from sweeps.records import State, Trial
from sweeps.running.checkpoints import Cadence
from sweeps.spec import StudySpec
from sweeps.spec.difference import differences
from sweeps.spec.search import OptunaSearch
from sweeps.spec.space import grid_points, num_trials, trial_key
from sweeps.status import Status
from sweeps.storage import has_ledger, open_ledger, storage_folder
from sweeps.trial_table import best_of, to_dataframe

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Status", "Study", "create_study", "list_studies", "load_study"]


class Study:
    """A study in a storage folder; get one by `create_study` or `load_study`.

    Attributes:
        name: Its name.
        spec: What it is.
        storage: The storage folder, absolute.
    """

    def __init__(self, row: StudyRow, ledger: Ledger, storage: Path) -> None:
        self.name = row.name
        self.spec = StudySpec.model_validate_json(row.spec_json)
        self.storage = storage
        self._row = row
        self._ledger = ledger

    def __repr__(self) -> str:
        return f"<Study {self.name!r} in {self.storage}>"

    @property
    def folder(self) -> Path:
        """The study's own folder: specification, spool, checkpoints, report."""
        return self.storage / "studies" / self.name

    def run(
        self,
        max_concurrent: int | None = None,
        cpus_per_trial: float = 1.0,
        gpus_per_trial: float = 0.0,
        address: str | None = None,
        progress: bool = True,
        *,
        cadence: Cadence | None = None,
        env_path: EnvPath = "auto",
    ) -> Status:
        """Runs what waits, until nothing is left; trials that a killed driver left running go on from a checkpoint.

        The first Ctrl-C lets running iterations end, the second ends at once; `resume` goes on later.

        Args:
            max_concurrent: Trials at once, at most; None: as many as fit.
            cpus_per_trial: CPU cores of a trial.
            gpus_per_trial: GPUs of a trial; a fraction shares one.
            address: Ray's address; None takes RAY_ADDRESS, and without it a Ray of this process's own.
            progress: Whether to show progress on standard error.
            cadence: When to take checkpoints; None: every minute. The last iteration always leaves one.
            env_path: Which environments: `auto` takes the fast ones where the task has them, `fast` insists on them,
                `general` takes the task's own. A trial that goes on with others than before restarts its episodes.

        Returns:
            How the study stands at the end; failed trials do not raise.

        Raises:
            StudyBusyError: If another process drives the study.
            UnreachableError: If Ray does not answer.
            SweepError: If `env_path` is `fast` and the task has no fast environments.
            ValueError: If a number is out of range.
            KeyboardInterrupt: If Ctrl-C ended it.
        """
        from sweeps.running.driver import drive, settle  # Ray and MLflow: only where something runs
        from sweeps.running.executor import Resources

        resources = Resources(cpus=cpus_per_trial, gpus=gpus_per_trial, max_concurrent=max_concurrent)
        console = Console(stderr=True, quiet=not progress)
        with self._driving() as writer:
            counts = self._counts()
            if counts[State.WAITING]:
                drive(
                    self.spec,
                    writer,
                    storage=self.storage,
                    folder=self.folder,
                    counts=counts,
                    resources=resources,
                    cadence=cadence or Cadence(),
                    address=address,
                    env_path=env_path,
                    console=console,
                )
            else:
                console.print(f"{self.name}: nothing is left to run.", highlight=False)
                settle(self.spec, writer, storage=self.storage, folder=self.folder)
        return self.status()

    def resume(self, **options: Any) -> Status:
        """Goes on with an unfinished study; does nothing to a finished one.

        Args:
            **options: Those of `run`.

        Returns:
            How the study stands at the end.
        """
        return self.run(**options)

    def retry(self, **options: Any) -> Status:
        """Runs failed trials again, from their last checkpoint, and whatever else waits.

        Args:
            **options: Those of `run`.

        Returns:
            How the study stands at the end.
        """
        with self._driving() as writer:
            writer.requeue_failed()
        return self.run(**options)

    @property
    def trials(self) -> list[Trial]:
        """All trials by number, as they stand now."""
        return self._ledger.trials(self._row.id)

    @property
    def best_trial(self) -> Trial:
        """The complete, feasible trial with the highest mean return; the first of equals.

        Raises:
            NoFeasibleTrial: If there is none.
        """
        best = best_of(self.trials)
        if best is None:
            limits = ", ".join(f"{name} <= {limit:g}" for name, limit in self.spec.cost_limits.items())
            raise NoFeasibleTrial(
                f"`a complete trial keeps {limits}` must hold, but none of study {self.name!r} does.",
                code="no-feasible-trial",
                help="raise the cost limit, search larger multipliers, or train longer",
            )
        return best

    def trials_dataframe(self) -> "pd.DataFrame":
        """One row a trial.

        Returns:
            Columns `number`, `arm`, one for each searched parameter, `state`, `return`, `return_low`, `return_high`,
            `<cost>`, `<cost>_low`, `<cost>_high` for each cost, `feasible`, `failure`; low and high are the ends of
            the 95 % interval over seeds.
        """
        return to_dataframe(self.trials, list(self.spec.cost_limits))

    def status(self) -> Status:
        """How the study stands now."""
        trials = self.trials
        counts = self._counts()
        seeds = len(self.spec.seed_list)
        return Status(
            name=self.name,
            counts=counts,
            env_steps=sum(run.env_steps for trial in trials for run in trial.seed_runs),
            env_steps_total=sum(counts.values()) * seeds * self.spec.env_steps,
            holder=self._ledger.holder(self._row.id),
            best=best_of(trials),
        )

    def _counts(self) -> dict[State, int]:
        """Trials by state; those that Optuna has yet to suggest count as waiting."""
        counts = self._ledger.count_trials(self._row.id)
        planned = sum(num_trials(arm) for arm in self.spec.arms.values())
        return counts | {State.WAITING: counts[State.WAITING] + max(0, planned - sum(counts.values()))}

    @contextlib.contextmanager
    def _driving(self) -> Generator[Writer]:
        with driving(self._ledger, self._row, self.folder / "driver.lock") as writer:
            writer.take_over()
            yield writer


def create_study(
    spec: StudySpec, storage: str | Path | None = None, *, if_exists: Literal["fail", "load"] = "fail"
) -> Study:
    """Creates a study with every trial that is known from the start.

    Args:
        spec: What it is.
        storage: The storage folder; None takes LAGSWEEP_STORAGE or `lagsweep-runs`.
        if_exists: What to do where a study of this name exists: `fail`, or `load` it if its specification is the same.

    Returns:
        The study; nothing runs yet.

    Raises:
        StudyExistsError: If it exists, or exists with another specification; says what differs.
    """
    if if_exists not in ("fail", "load"):
        raise ValueError(f"`if_exists` must be 'fail' or 'load', but got {if_exists!r}.")
    folder = storage_folder(storage)
    folder.mkdir(parents=True, exist_ok=True)
    ledger = open_ledger(folder)
    row = ledger.study(spec.name)
    if row is None:
        row = ledger.create_study(
            spec.name, spec.model_dump_json(exclude_none=True), spec.sha256, spec.seed_list, _grid_trials(spec)
        )
    elif row.spec_sha256 != spec.sha256:
        raise _changed(spec, StudySpec.model_validate_json(row.spec_json))
    elif if_exists == "fail":
        raise StudyExistsError(
            f"`a study's name is new` must hold, but {spec.name!r} exists in {folder}.",
            code="study-exists",
            help='load it (if_exists="load"), or use a new name',
        )
    study = Study(row, ledger, folder)
    study.folder.mkdir(parents=True, exist_ok=True)
    (study.folder / "spec.yaml").write_text(spec.to_yaml(), encoding="utf-8")  # for people; the ledger's counts
    return study


def load_study(name: str, storage: str | Path | None = None) -> Study:
    """Loads a study.

    Args:
        name: Its name.
        storage: The storage folder; None takes LAGSWEEP_STORAGE or `lagsweep-runs`.

    Returns:
        The study.

    Raises:
        NotFoundError: If there is none of this name; names the nearest.
    """
    studies = {study.name: study for study in list_studies(storage)}
    if name not in studies:
        known = suggest(name, studies) if studies else "there is none: lagsweep run STUDY.yaml creates one"
        where = storage_folder(storage)
        raise NotFoundError(f"no study {name!r} in {where}.", code="no-study", help=known)
    return studies[name]


def list_studies(storage: str | Path | None = None) -> list[Study]:
    """All studies of a storage folder, oldest first.

    Args:
        storage: The storage folder; None takes LAGSWEEP_STORAGE or `lagsweep-runs`.

    Returns:
        The studies; none where the folder has no ledger.
    """
    folder = storage_folder(storage)
    if not has_ledger(folder):
        return []
    ledger = open_ledger(folder)
    return [Study(row, ledger, folder) for row in ledger.studies()]


def _grid_trials(spec: StudySpec) -> list[NewTrial]:
    return [
        NewTrial(trial_key(name, params), name, params)
        for name, arm in spec.arms.items()
        if not isinstance(arm.search, OptunaSearch)
        for params in grid_points(arm)
    ]


def _changed(new: StudySpec, old: StudySpec) -> StudyExistsError:
    return StudyExistsError(
        f"study {new.name!r} exists with another specification; changed: {'; '.join(differences(old, new))}.",
        code="study-changed",
        help="use a new name, or the specification it was created with (studies/<name>/spec.yaml in its storage)",
    )

"""`Study`: one study of a storage folder, its life and its results."""

import contextlib
import shutil
import time
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from environments.tasks import Path as EnvPath
from sweeps.errors import NoFeasibleTrial
from sweeps.ledger import Holder, Ledger, StudyRow, Writer, delete_study, driving, extend
from sweeps.records import State, Trial
from sweeps.running.checkpoints import Cadence
from sweeps.spec import StudySpec
from sweeps.spec.space import suggests
from sweeps.status import Status
from sweeps.study.growth import extension, grown
from sweeps.trial_table import best_of, to_dataframe

if TYPE_CHECKING:
    import pandas as pd

    from sweeps.policy import Policy


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

    @property
    def checkpoints(self) -> str:
        """Folder or URL of the study's checkpoints."""
        return self._row.checkpoints or str(self.folder / "checkpoints")

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
        retries: bool = False,
    ) -> Status:
        """Runs what waits, until nothing is left; trials that a killed driver left running go on from a checkpoint.

        The first Ctrl-C lets running iterations end, the second ends at once; `resume` goes on later.

        Args:
            max_concurrent: Trials at once, at most; None: as many as fit.
            cpus_per_trial: CPU cores of a trial.
            gpus_per_trial: GPUs of a trial; a fraction shares one.
            address: Ray's address; None takes RAY_ADDRESS, and without it a Ray of this process's own.
            progress: Whether to show progress on standard error.
            cadence: When to take checkpoints; None: every half minute. The last iteration always leaves one.
            env_path: Which environments: `auto` takes the fast ones where the task has them, `fast` insists on them,
                `general` takes the task's own. A trial that goes on with others than before restarts its episodes.
            retries: Whether failed trials run again too; what `retry` sets.

        Returns:
            How the study stands at the end; failed trials do not raise. It is unfinished where `stop` ended it.

        Raises:
            StudyBusyError: If another process drives the study.
            UnreachableError: If Ray does not answer.
            SweepError: If `env_path` is `fast` and the task has no fast environments.
            ValueError: If a number is out of range.
            KeyboardInterrupt: If Ctrl-C ended it.
        """
        from sweeps.running.driver import drive  # Ray and MLflow: only where something runs
        from sweeps.running.executor import Resources
        from sweeps.tracking.settle import settle

        resources = Resources(cpus=cpus_per_trial, gpus=gpus_per_trial, max_concurrent=max_concurrent)
        console = Console(stderr=True, quiet=not progress)
        with self._driving() as writer:
            if retries:
                writer.requeue_failed()
            counts = self._counts()
            if counts[State.WAITING]:
                drive(
                    self,
                    writer,
                    counts=counts,
                    resources=resources,
                    cadence=cadence or Cadence(),
                    address=address,
                    env_path=env_path,
                    console=console,
                )
            else:
                console.print(f"{self.name}: nothing is left to run.", highlight=False)
                settle(self.spec, self.trials, storage=self.storage, folder=self.folder)
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
        return self.run(**options, retries=True)

    def extend(
        self,
        *,
        trials: int | None = None,
        seeds: int | Sequence[int] | None = None,
        env_steps: int | None = None,
        arms: Mapping[str, Any] | None = None,
        arm: str | None = None,
        **values: Sequence[Any],
    ) -> None:
        """Makes the study larger; `resume` then trains what was added, going on from checkpoints.

        Trials that train beyond the budget that they began with are marked *continued*.

        Args:
            trials: So many more trials for Optuna to suggest.
            seeds: So many more seeds for every trial, or those; they train beside the ones that are complete.
            env_steps: So many more env steps for every seed.
            arms: Further arms by name, as in a study file.
            arm: The arm that gets `trials` and `values`, where several could.
            **values: Axis of a grid → further values, as in `multiplier=[0.5, 0.7]`.

        Raises:
            SpecError: If nothing is added or a value breaks a rule.
            StudyBusyError: If another process drives the study.
        """
        self.become(
            grown(self.spec, trials=trials, seeds=seeds, env_steps=env_steps, arms=arms, arm=arm, values=values)
        )

    def become(self, spec: StudySpec) -> None:
        """Takes a specification that only adds to this study's.

        Args:
            spec: The larger specification.

        Raises:
            StudyExistsError: If it changes what is there; says what differs.
            StudyBusyError: If another process drives the study.
        """
        known = self._ledger.trials(self._row.id, with_seeds=False)
        change = extension(self.spec, spec, known)
        with self._driving() as writer:
            extend(writer, change)
        self.spec = spec
        self.write_spec()

    def write_spec(self) -> None:
        """Writes the study file into the study's folder, for people; the ledger's counts."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "spec.yaml").write_text(self.spec.to_yaml(), encoding="utf-8")

    def stop(self, timeout_s: float | None = None) -> bool:
        """Asks whoever drives the study to end: running iterations end and leave checkpoints, `resume` goes on later.

        Args:
            timeout_s: Seconds to wait for it to end; None: as long as it takes, 0: only ask.

        Returns:
            Whether nobody drives the study any more.
        """
        return self._ledger.request_stop(self._row.id) is None or self.wait(timeout_s)

    def wait(self, timeout_s: float | None = None) -> bool:
        """Waits until nobody drives the study.

        Args:
            timeout_s: Seconds to wait at most; None: as long as it takes.

        Returns:
            Whether nobody drives it.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while self.holder is not None:
            if deadline is not None and time.monotonic() >= deadline:
                return False
            time.sleep(0.25)
        return True

    def delete(self) -> None:
        """Removes the study: its trials, its runs and registered model in MLflow, its checkpoints and its folder.

        Raises:
            StudyBusyError: If another process drives the study.
        """
        from sweeps.running.checkpoint_place import place_of
        from sweeps.tracking.removal import remove_experiment
        from sweeps.tracking.store import find_store

        with self._driving():
            remove_experiment(find_store(self.storage), self.name)
            place_of(self.checkpoints).clear()
            delete_study(self._ledger, self._row.id)
            shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def holder(self) -> Holder | None:
        """The process that drives the study, or None."""
        return self._ledger.holder(self._row.id)

    def sync(self, timeout_s: float = 3600.0) -> None:
        """Sends MLflow what it has not got, and closes the runs that a killed driver left open.

        A driver does so itself while it runs; this is for afterwards, from any process.

        Args:
            timeout_s: Seconds to wait for MLflow, but at most 15 while it does not answer.

        Raises:
            StudyBusyError: If another process drives the study.
            UnreachableError: If MLflow did not take everything; nothing is lost.
        """
        from sweeps.tracking.settle import sync

        with self._driving():
            sync(self.spec, self.trials, storage=self.storage, folder=self.folder, timeout_s=timeout_s)

    @property
    def trials(self) -> list[Trial]:
        """All trials by number, as they stand now."""
        return self._ledger.trials(self._row.id)

    def select_trials(self, state: State, *, with_seeds: bool = True) -> list[Trial]:
        """The trials that stand in a state, by number; without their seed runs the fastest."""
        return self._ledger.trials(self._row.id, state=state, with_seeds=with_seeds)

    @property
    def best_trial(self) -> Trial:
        """The best of the complete, feasible trials in the study's first objective; the first of equals.

        Where the study runs its best trials again on fresh seeds, the best of those.

        Raises:
            NoFeasibleTrial: If there is none.
        """
        return self.best_trials[0]

    @property
    def best_trials(self) -> list[Trial]:
        """The feasible trials that no other one beats in every objective of the study, best in the first one first.

        Raises:
            NoFeasibleTrial: If there is none.
        """
        best = self._best_trials()
        if not best:
            limits = ", ".join(f"{name} <= {limit:g}" for name, limit in self.spec.cost_limits.items())
            raise NoFeasibleTrial(
                f"`a complete trial keeps {limits}` must hold, but none of study {self.name!r} does.",
                code="no-feasible-trial",
                help="raise the cost limit, search larger multipliers, or train longer",
            )
        return best

    def best_policy(
        self,
        *,
        episodes: int | None = None,
        cost_limits: Mapping[str, float] | None = None,
        explore: bool = False,
        require_feasible: bool = True,
    ) -> "Policy":
        """The policy to deploy: of the best trials' seeds the best return that surely keeps the limits. Needs no Ray.

        Without arguments it is the champion that the driver chose when it ended, as MLflow has it. Else each candidate
        runs the same held-out episodes; see `sweeps.choice.choose`.

        Args:
            episodes: Episodes of each evaluation, ≥ 2; None takes the driver's choice, or 50 where it made none.
            cost_limits: Limits of the deployment; None takes those of training. Larger ones leave a margin.
            explore: Whether policies are judged with exploration noise.
            require_feasible: Whether to refuse when none surely keeps the limits.

        Returns:
            The policy; its `choice` holds the evaluations, with and without noise.

        Raises:
            NotFoundError: If no policy was written yet: no complete trial, or its driver has not ended.
            NoFeasibleTrial: If no policy surely keeps the limits and one must.
        """
        from sweeps.choice import best_policy  # MuJoCo: only where something steps
        from sweeps.tracking.store import find_store

        policy = best_policy(
            self.folder,
            episodes=episodes,
            cost_limits=cost_limits,
            explore=explore,
            require_feasible=require_feasible,
        )
        policy.tracking_uri = find_store(self.storage).uri
        return policy

    def _repr_html_(self) -> str:
        """How a notebook shows it: how it stands and its trials."""
        from sweeps.analysis.notebook import study_html

        return study_html(self)

    def trials_dataframe(self) -> "pd.DataFrame":
        """One row a trial.

        Returns:
            The columns of `sweeps.trial_table.to_dataframe`.
        """
        return to_dataframe(self.trials, self.spec)

    def status(self) -> Status:
        """How the study stands now."""
        counts = self._counts()
        seeds = len(self.spec.seed_list)
        best = self._best_trials()
        lost = self._ledger.lost_times(self._row.id)
        return Status(
            name=self.name,
            counts=counts,
            env_steps=self._ledger.env_steps(self._row.id),
            env_steps_total=sum(counts.values()) * seeds * self.spec.env_steps,
            holder=self.holder,
            best=best[0] if best else None,
            kills=len(lost),
            lost_s=sum(lost),
        )

    def _best_trials(self) -> list[Trial]:
        is_default = self.spec.objectives == {"return": "maximize"} and self.spec.aggregate == "mean"
        if is_default and self.spec.retest is None:  # without the many seed runs
            best = best_of(self._ledger.trials(self._row.id, with_seeds=False))
            return [] if best is None else [self._trial(best.number)]
        from sweeps.analysis.best import best_trials

        return best_trials(self.spec, self.trials)

    def _trial(self, number: int) -> Trial:
        return self._ledger.trials(self._row.id, number=number)[0]

    def _counts(self) -> dict[State, int]:
        """Trials by state; those that are yet to be suggested count as waiting."""
        counts = self._ledger.count_trials(self._row.id)
        if not suggests(self.spec):
            return counts
        from sweeps.running.suggestions import num_to_suggest  # Optuna: only where something searches

        return counts | {State.WAITING: counts[State.WAITING] + num_to_suggest(self.spec, self.trials)}

    @contextlib.contextmanager
    def _driving(self) -> Generator[Writer]:
        with driving(self._ledger, self._row) as writer:
            writer.take_over()
            yield writer

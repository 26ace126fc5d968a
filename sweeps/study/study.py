"""`Study`: one study of a storage folder, its life and its results."""

import contextlib
import shutil
from collections.abc import Generator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console

from environments.tasks import Path as EnvPath
from sweeps.ledger import Writer, delete_study, driving, extend
from sweeps.records import State
from sweeps.running.checkpoints import Cadence
from sweeps.running.resources import Resources
from sweeps.spec import StudySpec
from sweeps.status import Status
from sweeps.study.growth import extension, grown
from sweeps.study.reader import StudyReader

if TYPE_CHECKING:  # Ray: only where something is submitted
    from sweeps.cluster.client import Submission


class Study(StudyReader):
    """A study in a storage folder; get one by `create_study` or `load_study`.

    Attributes:
        name: Its name.
        spec: What it is.
        storage: The storage folder, absolute.
    """

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
            gpus_per_trial: GPUs of a trial, at most 1; a fraction shares one.
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
            SpecError: If a number is out of range.
            KeyboardInterrupt: If Ctrl-C ended it.
        """
        from sweeps.running.driver import drive  # Ray and MLflow: only where something runs
        from sweeps.tracking.settle import settle

        resources = Resources(cpus=cpus_per_trial, gpus=gpus_per_trial, max_concurrent=max_concurrent)
        console = Console(stderr=True, quiet=not progress)
        with self._driving() as writer:
            if retries:
                writer.requeue_failed()
            counts = self._counts(self._to_come())
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

    def submit(self, address: str | None = None, *, allow_open: bool = False, **options: Any) -> "Submission":
        """Runs the same study on a Ray cluster, with the cluster's own ledger and storage.

        Args:
            address: URL of the head's dashboard, such as `http://head:8265`; None takes RAY_API_SERVER_ADDRESS, else a
                RAY_ADDRESS that is such a URL.
            allow_open: Whether a cluster that asks nobody for a token will do.
            **options: Those of `SweepClient.submit`.

        Returns:
            The job that runs it.

        Raises:
            AuthenticationError: If the cluster refuses the token, or asks nobody for one.
            UnreachableError: If it does not answer.
            StudyExistsError: If the cluster knows the study with another specification.
        """
        from sweeps.cluster.client import SweepClient

        return SweepClient(address, allow_open=allow_open).submit(self.spec, **options)

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
            arm: The arm that gets `trials` and `values`, where several could; None: all arms of one grid get values.
            **values: Axis of a grid → further values, as in `multiplier=[0.5, 0.7]` or `update=["nupi"]`.

        Raises:
            SpecError: If nothing is added or a value breaks a rule.
            StudyBusyError: If another process drives the study.
        """
        with self._driving() as writer:
            larger = grown(
                self.spec, trials=trials, seeds=seeds, env_steps=env_steps, arms=arms, arm=arm, values=values
            )
            self._become(writer, larger)

    def become(self, spec: StudySpec) -> None:
        """Takes a specification that only adds to this study's.

        Args:
            spec: The larger specification.

        Raises:
            StudyExistsError: If it changes what is there; says what differs.
            StudyBusyError: If another process drives the study.
        """
        with self._driving() as writer:
            self._become(writer, spec)

    def _become(self, writer: Writer, spec: StudySpec) -> None:
        known = self._ledger.trials(self._row.id, with_seeds=False)
        extend(writer, extension(self.spec, spec, known))
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

    def _repr_html_(self) -> str:
        """How a notebook shows it: how it stands and its trials."""
        from sweeps.analysis.notebook import study_html

        return study_html(self)

    @contextlib.contextmanager
    def _driving(self) -> Generator[Writer]:
        with driving(self._ledger, self._row) as writer:
            writer.take_over()
            self._reread()  # another process may have extended it since
            yield writer

    def _reread(self) -> None:
        row = self._ledger.study(self.name)
        if row is not None and row.id == self._row.id:
            self._row, self.spec = row, StudySpec.model_validate_json(row.spec_json)

"""The runs of a study in MLflow: found by their tags before they are created, with the status that MLflow shows."""

from collections.abc import Iterator
from typing import NamedTuple

from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from sweeps.tracking.run_content import TAG


class RunKey(NamedTuple):
    """What a run stands for: the study (no trial), a trial (no seed) or a seed of a trial."""

    trial: int | None = None
    seed: int | None = None


class Runs:
    """Runs of one history of a study, by what they stand for.

    Every method but `forget` may raise what MLflow raises, and ConnectionError where what answers cannot be MLflow: it
    agrees to everything and names nothing. Trying again may help; sending it the rows would lose them.
    """

    def __init__(self, client: MlflowClient, artifact_root: str | None, history: str) -> None:
        self._client = client
        self._artifact_root = artifact_root
        self._history = history
        self._experiment: str | None = None
        self._runs: dict[RunKey, str] = {}
        self._status: dict[str, str] = {}

    def forget(self) -> None:
        """Drops what was learned from MLflow: an answer may have been lost, or a run deleted."""
        self._experiment = None
        self._runs.clear()
        self._status.clear()

    def experiment(self, study: str) -> str:
        """Finds the study's experiment and its runs, or creates it.

        Args:
            study: The study's name.

        Returns:
            The experiment's id.
        """
        if self._experiment is None:
            experiment = self._find_or_create(study)
            for run in self._search(experiment):
                key = _key(run)
                if key is not None:
                    self._note(key, run)
            self._experiment = experiment
        return self._experiment

    def find(self, key: RunKey) -> str | None:
        """The id of a run, or None; `experiment` comes first."""
        return self._runs.get(key)

    def create(self, key: RunKey, start_ms: int, tags: dict[str, str], name: str) -> str:
        """Creates a run and returns its id; `experiment` comes first."""
        assert self._experiment is not None
        run = self._client.create_run(self._experiment, start_ms, tags, name)
        if not run.info.run_id or run.info.experiment_id != self._experiment:
            raise ConnectionError(f"`a run that is created has an id` must hold, but got {run.info.run_id!r}.")
        return self._note(key, run)

    def set_status(self, run: str, status: str, now_ms: int) -> None:
        """Gives a run its status, and its end where it has ended; asks nothing where it has it already."""
        if self._status.get(run) == status:
            return
        if status == "RUNNING":
            self._client.update_run(run, status=status)
        else:
            self._client.set_terminated(run, status, end_time=now_ms)
        self._status[run] = status

    def running(self) -> list[str]:
        """Ids of the runs of trials and seeds that MLflow shows as running; `experiment` comes first."""
        return [run for key, run in self._runs.items() if key != RunKey() and self._status[run] == "RUNNING"]

    def _note(self, key: RunKey, run: Run) -> str:
        run_id: str = run.info.run_id
        self._runs[key] = run_id
        self._status[run_id] = run.info.status
        return run_id

    def _find_or_create(self, name: str) -> str:
        found = self._client.get_experiment_by_name(name)
        if found is None:
            root = self._artifact_root
            created = self._client.create_experiment(name, None if root is None else f"{root.rstrip('/')}/{name}")
            if not created:
                raise ConnectionError("`an experiment that is created has an id` must hold, but got none.")
            return created
        if found.name != name or not found.experiment_id:
            raise ConnectionError(f"`MLflow answers with the experiment {name!r}` must hold, but got {found.name!r}.")
        if found.lifecycle_stage == "deleted":
            self._client.restore_experiment(found.experiment_id)
        return found.experiment_id

    def _search(self, experiment: str) -> Iterator[Run]:
        token: str | None = None
        while True:
            query = f"tags.`{TAG}history` = '{self._history}'"
            page = self._client.search_runs([experiment], query, max_results=1000, page_token=token)
            yield from (run for run in page if run.data.tags.get(f"{TAG}history") == self._history)
            token = page.token
            if not token:
                return


def _key(run: Run) -> RunKey | None:
    """What a run stands for; None where somebody has changed the tags that say it."""
    trial, seed = run.data.tags.get(f"{TAG}trial"), run.data.tags.get(f"{TAG}seed")
    try:
        return RunKey(None if trial is None else int(trial), None if seed is None else int(seed))
    except ValueError:
        return None

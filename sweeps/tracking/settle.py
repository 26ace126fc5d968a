"""What a study still owes MLflow, paid by whoever holds the right to drive it."""

from collections import deque
from collections.abc import Iterable, Mapping
from functools import partial
from itertools import islice
from pathlib import Path

from sweeps.errors import UnreachableError
from sweeps.history import read_history
from sweeps.records import Trial
from sweeps.spec import StudySpec
from sweeps.tracking.events import StudyStopped
from sweeps.tracking.run_params import run_params
from sweeps.tracking.shipped import SavedOffset
from sweeps.tracking.spool import SPOOL_NAME, read_events, read_id
from sweeps.tracking.store import find_store, without_credentials
from sweeps.tracking.tracker import Tracker
from sweeps.tracking.trial_objectives import trial_objectives


def open_tracker(spec: StudySpec, storage: Path, folder: Path, tags: Mapping[str, str]) -> Tracker:
    """The tracker of a study.

    Args:
        spec: The study.
        storage: The storage folder, which decides where MLflow is unless `MLFLOW_TRACKING_URI` does.
        folder: The study's folder.
        tags: Further facts about this start.

    Returns:
        The tracker, not started.
    """
    store = find_store(storage)
    return Tracker(
        folder,
        store.uri,
        store.artifact_root,
        spec.name,
        spec.to_yaml(),
        {"spec_sha256": spec.sha256, **tags},
        params_of=partial(run_params, spec),
        objectives_of=partial(trial_objectives, spec),
        env_steps=spec.env_steps,
    )


def settle(spec: StudySpec, trials: Iterable[Trial], *, storage: Path, folder: Path, timeout_s: float = 60.0) -> int:
    """Tells MLflow what earlier drivers could not: rows that wait, trials that finished, runs that nobody works on.

    Args:
        spec: The study, which no process drives but this one.
        trials: Its trials as the ledger has them.
        storage: The storage folder.
        folder: The study's folder.
        timeout_s: Seconds to wait for MLflow, but at most 15 while it does not answer.

    Returns:
        Events that MLflow has not got; they stay in the spool.
    """
    spool = folder / SPOOL_NAME
    if len(list(islice(read_events(spool), 2))) < 2:  # nothing was ever run
        return 0
    _, unreported = read_history(spool, set(), [trial for trial in trials if trial.state.is_finished])
    if not unreported and _is_sent(spool, storage) and _ended_orderly(spool):
        return 0
    tracker = open_tracker(spec, storage, folder, {})
    tracker.start(training=False)
    for trial in unreported:
        tracker.trial_finished(trial)
    return tracker.close(timeout_s)


def sync(spec: StudySpec, trials: Iterable[Trial], *, storage: Path, folder: Path, timeout_s: float) -> None:
    """Settles a study, or says why that is not possible.

    Args:
        spec: The study, which no process drives but this one.
        trials: Its trials as the ledger has them.
        storage: The storage folder.
        folder: The study's folder.
        timeout_s: Seconds to wait for MLflow, but at most 15 while it does not answer.

    Raises:
        UnreachableError: If MLflow did not take everything.
    """
    left = settle(spec, trials, storage=storage, folder=folder, timeout_s=timeout_s)
    if left:
        raise UnreachableError(
            f"`MLflow takes every event` must hold, but {left} of study {spec.name!r} wait for MLflow at "
            f"{without_credentials(find_store(storage).uri)}.",
            code="mlflow-unreachable",
            help="check MLFLOW_TRACKING_URI and the server, then sync again; nothing is lost meanwhile",
        )


def _is_sent(spool: Path, storage: Path) -> bool:
    size = spool.stat().st_size
    return SavedOffset(spool.parent, find_store(storage).uri, read_id(spool)).load(size) == size


def _ended_orderly(spool: Path) -> bool:
    """Whether the last driver closed the study's runs; files may have been added since."""
    return isinstance(deque(read_events(spool), maxlen=1)[0], StudyStopped)

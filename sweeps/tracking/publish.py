"""Adds files to a study in MLflow when no driver runs: reports that are written later."""

import time
from collections.abc import Sequence
from pathlib import Path

from sweeps.errors import UnreachableError
from sweeps.tracking.events import ArtifactAdded
from sweeps.tracking.quiet import prepare_environment, quiet_mlflow
from sweeps.tracking.spool import SPOOL_NAME, read_events, read_id
from sweeps.tracking.store import Store, without_credentials


def publish(store: Store, folder: Path, paths: Sequence[Path]) -> None:
    """Adds files to the study's run in MLflow, at once.

    Args:
        store: Where MLflow keeps the study.
        folder: The study's folder, with its spool.
        paths: Files or folders.

    Raises:
        UnreachableError: If MLflow does not take them.
        SpoolError: If the folder holds no readable spool.
    """
    prepare_environment()
    # MLflow takes seconds to import: only what talks to it pays.
    from sweeps.tracking.mlflow_runs import MlflowRuns
    from sweeps.tracking.trouble import TROUBLE

    spool = folder / SPOOL_NAME
    history, events = read_id(spool), list(read_events(spool))
    try:
        with quiet_mlflow():
            runs = MlflowRuns(store.uri, store.artifact_root, folder.resolve(), history)
            for event in events:
                runs.remember(event)
            for path in paths:
                runs.apply(ArtifactAdded(time=time.time(), path=str(path.resolve())))
    except TROUBLE as error:
        raise UnreachableError(
            f"MLflow at {without_credentials(store.uri)} must take the files, but {without_credentials(str(error))}",
            code="mlflow-unreachable",
            help="the files themselves are written; publish them again when MLflow answers",
        ) from error

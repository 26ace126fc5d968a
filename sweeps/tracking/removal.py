"""Taking a study out of MLflow."""

import shutil
import uuid
from pathlib import Path

from sweeps.errors import UnreachableError
from sweeps.tracking.quiet import prepare_environment, quiet_mlflow
from sweeps.tracking.store import Store, without_credentials


def remove_experiment(store: Store, name: str) -> None:
    """Deletes the experiment of a study with its runs, and its artifacts where they lie in a local folder.

    MLflow keeps a deleted experiment until `mlflow gc`, and its name with it: it gets another one first, so that a new
    study may have the old name.

    Args:
        store: The tracking store.
        name: The study's name; without an experiment of that name nothing is done.

    Raises:
        UnreachableError: If MLflow does not answer.
    """
    if store.is_embedded and not Path(store.uri.removeprefix("sqlite:///")).exists():
        return
    prepare_environment()
    from mlflow import MlflowClient  # a second of imports
    from mlflow.exceptions import MlflowException

    with quiet_mlflow():
        client = MlflowClient(store.uri)
        try:
            experiment = client.get_experiment_by_name(name)
            if experiment is None:
                return
            client.rename_experiment(experiment.experiment_id, f"{name} (deleted {uuid.uuid4().hex[:8]})")
            client.delete_experiment(experiment.experiment_id)
        except MlflowException as error:
            raise UnreachableError(
                f"MLflow at {without_credentials(store.uri)} did not delete the experiment {name!r}: "
                f"{without_credentials(str(error))}",
                code="mlflow-unreachable",
                help="check MLFLOW_TRACKING_URI; nothing of the study was deleted",
            ) from error
    if store.artifact_root is not None:
        shutil.rmtree(Path(store.artifact_root) / name, ignore_errors=True)

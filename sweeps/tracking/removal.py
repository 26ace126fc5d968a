"""Taking a study out of MLflow."""

import shutil
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from sweeps.errors import UnreachableError
from sweeps.tracking.quiet import prepare_environment, quiet_mlflow
from sweeps.tracking.run_content import model_name
from sweeps.tracking.store import Store, without_credentials

if TYPE_CHECKING:
    from mlflow import MlflowClient


def remove_experiment(store: Store, name: str) -> None:
    """Deletes the experiment of a study with its runs, its registered model, and its artifacts in a local folder.

    MLflow keeps a deleted experiment until `mlflow gc`, and its name with it: it gets another one first, so that a new
    study may have the old name.

    Args:
        store: The tracking store.
        name: The study's name; where MLflow has no experiment or no model of it, there is nothing to delete.

    Raises:
        UnreachableError: If MLflow does not answer.
    """
    if store.is_embedded and not Path(store.uri.removeprefix("sqlite:///")).exists():
        return
    prepare_environment()
    from mlflow import MlflowClient  # a second of imports
    from mlflow.exceptions import MlflowException

    with quiet_mlflow():
        client = MlflowClient(store.uri, registry_uri=store.uri)
        try:
            _remove_model(client, model_name(name))  # the first, because its versions name runs of the experiment
            experiment = client.get_experiment_by_name(name)
            if experiment is None:
                return
            client.rename_experiment(experiment.experiment_id, f"{name} (deleted {uuid.uuid4().hex[:8]})")
            client.delete_experiment(experiment.experiment_id)
        except MlflowException as error:
            raise UnreachableError(
                f"MLflow at {without_credentials(store.uri)} did not delete the study {name!r}: "
                f"{without_credentials(str(error))}",
                code="mlflow-unreachable",
                help="check MLFLOW_TRACKING_URI; nothing of the study was deleted",
            ) from error
    if store.artifact_root is not None:
        shutil.rmtree(Path(store.artifact_root) / name, ignore_errors=True)


def _remove_model(client: "MlflowClient", name: str) -> None:
    """Deletes a registered model with all of its versions and aliases, where there is one."""
    from mlflow.exceptions import MlflowException

    try:
        client.delete_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise

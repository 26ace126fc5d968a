"""The best policy of a study in MLflow's model registry, under the alias `champion`."""

import hashlib
import shutil
import tempfile
from pathlib import Path

from mlflow.exceptions import MlflowException
from mlflow.models import Model
from mlflow.tracking import MlflowClient

from sweeps.policy import DESCRIPTION_NAME, WEIGHTS_NAME
from sweeps.tracking.run_content import TAG, model_name

CHAMPION = "champion"
"""Alias of the version that is the study's best policy so far."""

_ARTIFACT = "policy"
_SHA256 = f"{TAG}policy_sha256"


def register_champion(client: MlflowClient, study: str, run: str, policy: Path, trial: int) -> None:
    """Adds a policy to its trial's run and makes it the champion; a policy that is registered is not registered again.

    Args:
        client: MLflow.
        study: The study's name.
        run: Id of the trial's run.
        policy: Folder of the policy.
        trial: The trial's number.

    Raises:
        MlflowException: If MLflow does not answer, or refuses it.
        OSError: If the policy cannot be read.
    """
    name, digest = model_name(study), _digest(policy)
    version = _registered(client, name, run, digest)
    if version is None:
        with tempfile.TemporaryDirectory(prefix="lagsweep-policy-") as folder:
            _write_model(policy, Path(folder))
            client.log_artifacts(run, folder, _ARTIFACT)
        tags = {_SHA256: digest, f"{TAG}study": study, f"{TAG}trial": str(trial)}
        created = client.create_model_version(name, f"runs:/{run}/{_ARTIFACT}", run, tags=tags)
        version = str(created.version)
    client.set_registered_model_alias(name, CHAMPION, version)


def _registered(client: MlflowClient, name: str, run: str, digest: str) -> str | None:
    """The version that holds this policy, or None; the registered model exists afterwards."""
    try:
        client.get_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        client.create_registered_model(name)
    versions = client.search_model_versions(f"name = '{name}'")
    found = [version for version in versions if version.run_id == run and version.tags.get(_SHA256) == digest]
    return str(found[0].version) if found else None


def _write_model(policy: Path, folder: Path) -> None:
    """Copies a policy and adds what lets `mlflow.pyfunc.load_model` load it: a loader's name, no pickled code."""
    for name in (DESCRIPTION_NAME, WEIGHTS_NAME):
        shutil.copyfile(policy / name, folder / name)
    model = Model(artifact_path=_ARTIFACT)
    model.add_flavor("python_function", loader_module="sweeps.policy")
    model.save(str(folder / "MLmodel"))


def _digest(policy: Path) -> str:
    digest = hashlib.sha256()
    for name in (DESCRIPTION_NAME, WEIGHTS_NAME):
        digest.update((policy / name).read_bytes())
    return digest.hexdigest()

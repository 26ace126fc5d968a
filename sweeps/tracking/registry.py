"""The best policy of a study in MLflow's model registry, under the alias `champion`."""

import hashlib
import shutil
import tempfile
from pathlib import Path

from mlflow.exceptions import MlflowException
from mlflow.models import Model
from mlflow.tracking import MlflowClient

from sweeps.choice import RECORD, write_choice
from sweeps.errors import NotFoundError, UnreachableError
from sweeps.policy import DESCRIPTION_NAME, WEIGHTS_NAME, Policy
from sweeps.policy_files import read_policy
from sweeps.tracking.quiet import quiet_mlflow
from sweeps.tracking.run_content import TAG, model_name
from sweeps.tracking.store import without_credentials
from sweeps.tracking.trouble import TROUBLE

CHAMPION = "champion"
"""Alias of the version that is the study's best policy so far."""

_ARTIFACT = "policy"
_SHA256 = f"{TAG}policy_sha256"


def register_champion(client: MlflowClient, study: str, run: str, policy: Path, trial: int) -> str:
    """Adds a policy to its trial's run and makes it the champion; a policy that is registered is not registered again.

    Args:
        client: MLflow.
        study: The study's name.
        run: Id of the trial's run.
        policy: Folder of the policy.
        trial: The trial's number.

    Returns:
        The version.

    Raises:
        MlflowException: If MLflow does not answer, or refuses it.
        OSError: If the policy cannot be read.
    """
    name, digest = model_name(study), _digest(policy)
    version = _registered(client, name, run, digest)
    if version is None:
        artifact = f"{_ARTIFACT}/{digest[:12]}"  # of this version alone: another seed of the trial may follow
        with tempfile.TemporaryDirectory(prefix="lagsweep-policy-") as folder:
            _write_model(policy, Path(folder))
            client.log_artifacts(run, folder, artifact)
        seed = read_policy(policy)[0].seed
        tags = {_SHA256: digest, f"{TAG}study": study, f"{TAG}trial": str(trial), f"{TAG}seed": str(seed)}
        tags[f"{TAG}chosen_by"] = "held-out episodes" if (policy / RECORD).exists() else "training"
        created = client.create_model_version(name, f"runs:/{run}/{artifact}", run, tags=tags)
        version = str(created.version)
    client.set_registered_model_alias(name, CHAMPION, version)
    return version


def register_policy(uri: str, policy: Policy) -> str:
    """Makes a policy the champion of its study.

    Args:
        uri: MLflow's tracking URI.
        policy: The policy.

    Returns:
        The version of the study's registered model.

    Raises:
        UnreachableError: If MLflow does not answer, or refuses it.
        NotFoundError: If it does not know the policy's trial.
    """
    told = policy.description
    try:
        with quiet_mlflow():
            client = MlflowClient(tracking_uri=uri, registry_uri=uri)
            run = _run_of(client, told.study, told.trial)
            if run is None:
                raise NotFoundError(
                    f"`MLflow knows trial {told.trial} of study {told.study}` must hold, but at "
                    f"{without_credentials(uri)} it does not.",
                    code="no-run",
                    help=f"lagsweep sync {told.study}",
                )
            with tempfile.TemporaryDirectory(prefix="lagsweep-policy-") as folder:
                policy.save(Path(folder))
                if policy.choice is not None:
                    write_choice(Path(folder), policy.choice)
                return register_champion(client, told.study, run, Path(folder), told.trial)
    except TROUBLE as error:
        raise UnreachableError(
            f"MLflow at {without_credentials(uri)} must take the policy, but {without_credentials(str(error))}",
            code="mlflow-unreachable",
        ) from error


def _run_of(client: MlflowClient, study: str, trial: int) -> str | None:
    """The id of a trial's run, the latest where a study of this name ran before."""
    experiment = client.get_experiment_by_name(study)
    if experiment is None:
        return None
    query = f"tags.`{TAG}kind` = 'trial' and tags.`{TAG}trial` = '{trial}'"
    found = client.search_runs([experiment.experiment_id], query, max_results=1, order_by=["start_time DESC"])
    return str(found[0].info.run_id) if found else None


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
    for name in (DESCRIPTION_NAME, WEIGHTS_NAME, RECORD):
        if (policy / name).exists():
            shutil.copyfile(policy / name, folder / name)
    model = Model(artifact_path=_ARTIFACT)
    model.add_flavor("python_function", loader_module="sweeps.policy")
    model.save(str(folder / "MLmodel"))


def _digest(policy: Path) -> str:
    digest = hashlib.sha256()
    for name in (DESCRIPTION_NAME, WEIGHTS_NAME):
        digest.update((policy / name).read_bytes())
    return digest.hexdigest()

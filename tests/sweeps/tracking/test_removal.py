"""A deleted study leaves MLflow, and its name is free there."""

from pathlib import Path

import pytest
from mlflow import MlflowClient

from sweeps.errors import UnreachableError
from sweeps.tracking.removal import remove_experiment
from sweeps.tracking.run_content import model_name
from sweeps.tracking.store import Store

pytestmark = pytest.mark.filterwarnings("ignore")  # of MLflow's client


def test_an_experiment_goes_with_its_artifacts_and_its_name_is_free(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/mlflow.db", str(tmp_path / "mlartifacts"))
    remove_experiment(store, "ring")  # there is no store yet, and none is made
    assert not (tmp_path / "mlflow.db").exists()
    client = MlflowClient(store.uri, registry_uri=store.uri)
    experiment = client.create_experiment("ring", f"{store.artifact_root}/ring")
    kept = client.create_experiment("other", f"{store.artifact_root}/other")
    for name in ("ring", "other"):
        (tmp_path / "mlartifacts" / name).mkdir(parents=True)
        client.create_registered_model(model_name(name))
        client.create_model_version(model_name(name), f"runs:/{'0' * 32}/policy")
        client.set_registered_model_alias(model_name(name), "champion", "1")

    remove_experiment(store, "ring")
    remove_experiment(store, "ring")  # nothing is left to remove

    assert client.get_experiment(experiment).lifecycle_stage == "deleted"
    assert client.get_experiment(kept).lifecycle_stage == "active"
    assert [path.name for path in (tmp_path / "mlartifacts").iterdir()] == ["other"]
    assert client.create_experiment("ring") != experiment
    assert [model.name for model in client.search_registered_models()] == ["lagsweep-other"]
    assert client.create_registered_model("lagsweep-ring").latest_versions == []


def test_a_server_that_does_not_answer_is_said_without_its_password() -> None:
    with pytest.raises(UnreachableError, match=r"MLflow at http://127\.0\.0\.1:9 did not delete") as caught:
        remove_experiment(Store("http://ann:secret@127.0.0.1:9", None), "ring")
    assert "secret" not in caught.value.message

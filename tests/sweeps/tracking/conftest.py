"""A real MLflow on SQLite for each test, without paying for its first-use migrations each time."""

import shutil

import pytest
from mlflow.tracking import MlflowClient

from sweeps.tracking.store import Store
from tests.sweeps.tracking.tracked import make_tracker


@pytest.fixture(scope="session")
def migrated_database(tmp_path_factory):
    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    MlflowClient(tracking_uri=f"sqlite:///{path}", registry_uri=f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def store(tmp_path, migrated_database):
    shutil.copy(migrated_database, tmp_path / "mlflow.db")
    return Store(f"sqlite:///{tmp_path / 'mlflow.db'}", str(tmp_path / "mlartifacts"))


@pytest.fixture
def client(store):
    return MlflowClient(tracking_uri=store.uri, registry_uri=store.uri)


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "studies" / "demo"
    path.mkdir(parents=True)
    return path


@pytest.fixture
def tracker(store, folder):
    tracker = make_tracker(store, folder)
    tracker.start()
    yield tracker
    tracker.close()

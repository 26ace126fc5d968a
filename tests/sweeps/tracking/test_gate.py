"""MLflow's server for a team: PostgreSQL, artifacts through the server into a bucket, a login before everything."""

import asyncio
import base64
import configparser
import json
import re
import subprocess
import sys
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3
import psutil
import pytest
from mlflow.tracking import MlflowClient
from moto.server import ThreadedMotoServer

from sweeps.records import ResultRow, SeedRun, State, Trial
from sweeps.tracking import Tracker
from sweeps.tracking.gate import OPEN_PATHS, RequireLogin
from sweeps.tracking.server import Address, _environment, _free_port, start, stop
from sweeps.tracking.store import served_store
from sweeps.tracking.team import AUTH_NAME

ROUTES = """
import json
from sweeps.tracking.gate import create_app
app = create_app().app
from mlflow.server import app as flask_app
from starlette.routing import Mount
found = {(m, rule.rule) for rule in flask_app.url_map.iter_rules() for m in rule.methods}
def native(routes):
    for route in routes:
        if hasattr(route, "effective_candidates"):  # a router within a router
            yield from native(route.effective_candidates())
        elif not isinstance(route, Mount):
            yield route
found |= {(m, route.path) for route in native(app.routes) for m in getattr(route, "methods", None) or ["GET"]}
print(json.dumps(sorted(found)))
"""


def called(scope, knows):
    """Status that a gate before an application which answers 200 gives."""
    sent = []

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200})

    async def send(message):
        sent.append(message)

    asyncio.run(RequireLogin(app, knows)({"headers": [], "path": "/", **scope}, None, send))
    return sent[0].get("status", sent[0]["type"])


@pytest.mark.parametrize(
    ("scope", "status"),
    [
        ({"type": "http"}, 401),
        ({"type": "http", "path": "/health"}, 200),
        ({"type": "http", "path": "/health/../api"}, 401),
        ({"type": "http", "path": "/healthy"}, 401),
        ({"type": "http", "headers": [(b"authorization", b"Basic " + base64.b64encode(b"ann:right"))]}, 200),
        ({"type": "http", "headers": [(b"authorization", b"Basic " + base64.b64encode(b"ann:wrong"))]}, 401),
        ({"type": "http", "headers": [(b"authorization", b"Basic !!!")]}, 401),
        ({"type": "http", "headers": [(b"authorization", b"Bearer right")]}, 401),
        ({"type": "websocket"}, "websocket.close"),
        ({"type": "lifespan"}, 200),
    ],
)
def test_the_gate_lets_pass_who_is_known(scope, status):
    assert called(scope, lambda name, password: (name, password) == ("ann", "right")) == status


BUCKET_SECRET = "bucket-secret-0815"


@pytest.fixture(scope="module")
def bucket():
    """A bucket on an S3 server of this machine, and the environment with which MLflow finds it."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    endpoint = "http://{}:{}".format(*server.get_host_and_port())
    keys = {"aws_access_key_id": "key", "aws_secret_access_key": BUCKET_SECRET}
    bucket = boto3.resource("s3", endpoint_url=endpoint, region_name="us-east-1", **keys).create_bucket(Bucket="team")
    environment = {name.upper(): value for name, value in keys.items()}
    environment |= {"MLFLOW_S3_ENDPOINT_URL": endpoint, "AWS_DEFAULT_REGION": "us-east-1"}
    yield bucket, environment | {"MLFLOW_ARTIFACTS_DESTINATION": "s3://team/mlflow"}
    server.stop()


@pytest.fixture(scope="module")
def team(postgres, bucket, tmp_path_factory):
    """A storage folder, its server on PostgreSQL and a bucket behind a login, and the environment that it has."""
    storage = tmp_path_factory.mktemp("team")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.setenv("MLFLOW_BACKEND_STORE_URI", postgres.create_database())
        for name, value in bucket[1].items():
            patch.setenv(name, value)
        address = Address(port=_free_port(5900), login=True, allowed_hosts="mlflow.example,127.0.0.1:*")
        server = start(storage, address)
        environment = _environment(storage, served_store(storage), address)
    try:
        yield storage, server, environment
    finally:
        stop(storage, server)


def admin_password(storage):
    config = configparser.ConfigParser()
    config.read(storage / AUTH_NAME)
    return config["mlflow"]["admin_password"]


def status(url, method="GET", password=None, host=None):
    request = urllib.request.Request(url, method=method)
    if password is not None:
        request.add_header("Authorization", "Basic " + base64.b64encode(f"admin:{password}".encode()).decode())
    if host is not None:
        request.add_header("Host", host)
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_no_route_answers_without_a_login(team):
    storage, server, environment = team
    constants = {
        "_MLFLOW_SERVER_FILE_STORE": environment["MLFLOW_BACKEND_STORE_URI"],
        "_MLFLOW_SERVER_REGISTRY_STORE": environment["MLFLOW_BACKEND_STORE_URI"],
        "_MLFLOW_SERVER_ARTIFACT_ROOT": environment["MLFLOW_DEFAULT_ARTIFACT_ROOT"],
        "_MLFLOW_SERVER_ARTIFACT_DESTINATION": environment["MLFLOW_ARTIFACTS_DESTINATION"],
        "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
        "_MLFLOW_SGI_NAME": "uvicorn",
        "_MLFLOW_AUTH_ADMIN_BOOTSTRAPPED": "true",
    }
    listed = subprocess.run(
        [sys.executable, "-c", ROUTES], env=environment | constants, capture_output=True, text=True, check=False
    )
    assert listed.returncode == 0, listed.stderr
    routes = json.loads(listed.stdout.splitlines()[-1])
    filled = {(method, re.sub(r"<[^>]*>|\{[^}]*\}", "1", path)) for method, path in routes}
    assert len(filled) > 300  # both of MLflow's frameworks, and what it serves by several prefixes
    assert {("GET", "/"), ("POST", "/api/2.0/mlflow/runs/log-batch"), ("POST", "/v1/traces")} <= filled
    with ThreadPoolExecutor(8) as pool:
        answers = dict(
            zip(sorted(filled), pool.map(lambda r: status(server.url + r[1], r[0]), sorted(filled)), strict=True)
        )
    assert {path for (_, path), answer in answers.items() if answer != 401} == OPEN_PATHS
    password = admin_password(storage)
    assert status(server.url, password=password) == 200
    assert status(server.url, password="wrong") == 401
    assert status(server.url, password=password, host="mlflow.example") == 200
    assert status(server.url, password=password, host="evil.example") == 403


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow")
def test_a_study_is_tracked_through_the_login_into_the_bucket_and_no_secret_shows(team, bucket, postgres, monkeypatch):
    storage, server, _ = team
    password = admin_password(storage)
    folder = storage / "studies" / "demo"
    uri = server.url.replace("//", f"//admin:{password}@")
    trial = Trial(0, "ga", "ga", {"lr": 0.1}, State.RUNNING, (SeedRun(0, State.RUNNING),))
    tracker = Tracker(folder, uri, None, "demo", "name: demo\n", {})
    tracker.start()
    tracker.trial_started(trial)
    tracker.rows([ResultRow(0, 0, i, 100 * i, 1.7e9 + i, 1, {"train/return": float(i)}, (1.0,)) for i in (1, 2, 3)])
    tracker.attempt_failed(0, 1, f"ConnectionError: cannot reach {uri} nor {postgres.url('x')}")
    tracker.trial_finished(trial)
    seen = command_lines()
    assert tracker.close(timeout_s=120) == 0

    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "admin")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", password)
    client = MlflowClient(tracking_uri=server.url)
    experiment = client.get_experiment_by_name("demo")
    runs = client.search_runs([experiment.experiment_id])
    (parent,) = [run for run in runs if run.data.tags["lagsweep.kind"] == "trial"]
    (child,) = [run for run in runs if run.data.tags["lagsweep.kind"] == "seed"]
    assert [p.value for p in client.get_metric_history(child.info.run_id, "train/return")] == [1.0, 2.0, 3.0]
    assert len(client.list_artifacts(parent.info.run_id, "results")) == 2
    assert experiment.artifact_location.startswith("mlflow-artifacts:")
    kept = [object.key for object in bucket[0].objects.all()]
    assert all(key.startswith("mlflow/") for key in kept)
    results = [key.partition(f"{parent.info.run_id}/artifacts/")[2] for key in kept if "/results/" in key]
    assert sorted(results) == ["results/episodes.parquet", "results/rows.parquet"]
    assert not (storage / "mlartifacts").exists()  # this client knows nothing of the bucket: the server writes there

    said = [str(run.to_dictionary()) for run in runs] + [str(dict(experiment.tags)), *seen]
    for run in runs:
        path = client.download_artifacts(run.info.run_id, "")
        said += [file.read_bytes().decode(errors="replace") for file in files(path)]
    said += [file.read_bytes().decode(errors="replace") for file in files(storage) if file.name != AUTH_NAME]
    assert len(said) > 20
    for secret in (password, postgres.password, BUCKET_SECRET):
        assert not [text[:200] for text in said if secret in text]
    assert (storage / AUTH_NAME).stat().st_mode & 0o077 == 0


def files(folder):
    return [path for path in Path(folder).rglob("*") if path.is_file()]


def command_lines():
    return [" ".join(process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"])]

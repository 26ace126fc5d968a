"""The stack as a whole: a study goes through it, nobody comes in without a secret, no secret comes out, it all ends."""

import base64
import json
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest
import requests
from mlflow.tracking import MlflowClient
from pyarrow.fs import FileSelector, FileSystem, FileType

from tests.deployment.stack import Stack, answer, end

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

STUDY = """
name: smoke
task: analytic/ring
cost_limit: 100.0
env_steps: 2000
seeds: 2
hyperparameters: {steps_per_iteration: 500, num_envs: 2, num_epochs: 2, minibatch_size: 64}
lagrangian: {update: fixed}
search: {kind: grid, multiplier: [0.0, 1.0]}
"""

# Ray's own list of what needs no token, and the page that asks for it.
OPEN = {"/", "/favicon.ico", "/api/authentication_mode", "/api/authenticate", "/-/healthz"}
HEALTH = {"/api/healthz", "/api/gcs_healthz", "/api/local_raylet_healthz"}

ROUTES = """
import json
import ray.dashboard.http_server_head, ray.dashboard.http_server_agent
from ray.dashboard import utils
from ray.dashboard.optional_utils import DashboardAgentRouteTable, DashboardHeadRouteTable
from ray.dashboard.subprocesses.module import SubprocessModule
from ray.dashboard.subprocesses.routes import SubprocessRouteTable
for kind in (utils.DashboardHeadModule, utils.DashboardAgentModule, SubprocessModule):
    utils.get_all_modules(kind)
def routes(*tables):
    return [(m, path) for table in tables for m, paths in table._bind_map.items() for path in paths]
found = {"head": routes(DashboardHeadRouteTable, SubprocessRouteTable), "agent": routes(DashboardAgentRouteTable)}
print(json.dumps(found))
"""


def token(stack: Stack) -> str:
    return stack.secrets["ray_token"]


def crawl(base: str, routes: list[list[str]], headers: dict[str, str]) -> dict[tuple[str, str], int]:
    """How every route answers, its parameters filled in."""
    filled = sorted({(method, re.sub(r"\{[^}]*\}", "1", path)) for method, path in routes})
    with ThreadPoolExecutor(4) as pool:
        return dict(zip(filled, pool.map(lambda r: answer(base + r[1], r[0], headers), filled), strict=True))


@pytest.fixture(scope="module")
def routes() -> dict[str, list[list[str]]]:
    """Every route of Ray's dashboard and of its agent, from Ray's own tables."""
    listed = subprocess.run([sys.executable, "-c", ROUTES], capture_output=True, text=True, check=True)
    return json.loads(listed.stdout.splitlines()[-1])


@pytest.mark.parametrize(("headers", "refused"), [({}, 401), ({"Authorization": "Bearer " + "0" * 43}, 403)])
def test_no_route_of_ray_answers_without_the_right_token(stack, routes, headers, refused):
    answers = crawl(stack.jobs, routes["head"], headers)
    assert len(answers) > 60
    assert {("POST", "/api/jobs/"), ("GET", "/api/v0/actors"), ("GET", "/api/v0/logs")} <= set(answers)
    assert {path for (_, path), status in answers.items() if status != refused} <= OPEN | HEALTH
    ports = re.findall(r"--listen-port=(\d+)", " ".join(command_lines(stack)))
    assert len(ports) == 2  # of the head and of the worker
    agent = f"http://127.0.0.1:{ports[0]}"
    answers = crawl(agent, routes["agent"], headers)
    assert ("POST", "/api/job_agent/jobs/") in answers
    assert {path for (_, path), status in answers.items() if status != refused} <= HEALTH


def test_a_wrong_token_buys_no_cookie(stack):
    wrong = requests.post(f"{stack.jobs}/api/authenticate", headers={"Authorization": "Bearer wrong"}, timeout=60)
    assert wrong.status_code in {401, 403}
    assert not wrong.cookies
    assert answer(f"{stack.jobs}/api/jobs/", headers={"Authorization": f"Bearer {token(stack)}"}) == 200


def test_every_listening_socket_refuses_strangers(stack):
    """Whatever listens, whether or not anybody knows of it, gives a stranger no page but those that are meant."""
    answered: dict[str, str] = {}
    for process in stack.family():
        try:
            sockets = [s.laddr for s in process.net_connections("tcp") if s.status == psutil.CONN_LISTEN]
        except psutil.Error:
            continue
        for place in sockets:
            host = "127.0.0.1" if place.ip in {"0.0.0.0", "::"} else place.ip.removeprefix("::ffff:")
            for path in ("/", "/metrics", "/api/jobs/"):
                try:
                    response = requests.get(f"http://{host}:{place.port}{path}", timeout=10)
                except requests.RequestException:
                    continue  # no HTTP is spoken there
                if response.ok:
                    answered[f"{place.port}{path}"] = " ".join(process.cmdline())[:120]
    # The page that asks for the token is all, whatever its address: Ray's metrics too are switched off.
    jobs = stack.jobs.rpartition(":")[2]
    assert set(answered) == {f"{jobs}/"}, answered


def test_mlflow_refuses_strangers_and_a_reader_who_writes(stack):
    calls = "/api/2.0/mlflow/experiments/search?max_results=1"
    assert answer(stack.mlflow + calls) == 401
    assert answer(stack.mlflow + calls, headers=basic("admin", "wrong")) == 401
    admin = ("admin", stack.secrets["mlflow_password"])
    reader = ("reader", "a-password-of-a-reader")
    made = requests.post(
        f"{stack.mlflow}/api/2.0/mlflow/users/create",
        json={"username": reader[0], "password": reader[1]},
        auth=admin,
        timeout=60,
    )
    assert made.status_code == 200, made.text
    created = requests.post(
        f"{stack.mlflow}/api/2.0/mlflow/experiments/create", json={"name": "mine"}, auth=admin, timeout=60
    ).json()["experiment_id"]
    assert answer(stack.mlflow + calls, headers=basic(*reader)) == 200
    for verb, body in {
        "experiments/delete": {"experiment_id": created},
        "experiments/update": {"experiment_id": created, "new_name": "yours"},
        "runs/create": {"experiment_id": created},
        "users/create": {"username": "x", "password": "a-password-of-nobody"},
    }.items():
        refused = requests.post(f"{stack.mlflow}/api/2.0/mlflow/{verb}", json=body, auth=reader, timeout=60)
        assert refused.status_code == 403, (verb, refused.text)


def basic(name: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


def test_a_client_without_the_token_or_with_a_wrong_one_is_told_so(stack, tmp_path):
    study = tmp_path / "smoke.yaml"
    study.write_text(STUDY)
    wrong = tmp_path / "token"
    wrong.write_text("0" * 43)
    for environment in ({"RAY_AUTH_TOKEN_PATH": str(wrong)}, {"RAY_AUTH_TOKEN_PATH": str(tmp_path / "none")}):
        said = stack.client("lagsweep", "submit", str(study), "--address", stack.jobs, **environment)
        assert said.returncode == 4, said.stderr
        assert "token" in said.stderr


@pytest.fixture(scope="module")
def submitted(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, list[str]]:
    """A study that went through the stack: what its client saw, and every command line meanwhile."""
    study = tmp_path_factory.mktemp("client") / "smoke.yaml"
    study.write_text(STUDY)
    seen: list[str] = []
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(stack.client, "lagsweep", "submit", str(study), "--address", stack.jobs)
        while not running.done():
            seen += command_lines(stack)
            time.sleep(0.5)
        said = running.result()
    assert said.returncode == 0, said.stdout + said.stderr
    return said.stdout + said.stderr, seen


def test_a_study_goes_from_the_client_to_mlflow_and_the_object_store(stack, submitted):
    status = json.loads(stack.run("lagsweep", "status", "smoke", "--output", "json").stdout)
    assert status["finished"]
    assert status["trials"]["complete"] == 2
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_USERNAME", "admin")
        patch.setenv("MLFLOW_TRACKING_PASSWORD", stack.secrets["mlflow_password"])
        client = MlflowClient(tracking_uri=stack.mlflow)
        experiment = client.get_experiment_by_name("smoke")
        runs = client.search_runs([experiment.experiment_id])
        seeds = [run for run in runs if run.data.tags["lagsweep.kind"] == "seed"]
        assert [run.info.status for run in seeds] == ["FINISHED"] * 4  # two trials of two seeds
        for run in seeds:
            steps = [point.step for point in client.get_metric_history(run.info.run_id, "train/return")]
            assert sorted(steps) == [500, 1000, 1500, 2000]
    assert objects(stack, "lagsweep/checkpoints/smoke")  # t0000/a1-i000004/manifest.json, …
    assert {path.split("/")[3] for path in objects(stack, "lagsweep/checkpoints/smoke")} == {"t0000", "t0001"}
    assert [path for path in objects(stack, "lagsweep/mlflow") if path.endswith("rows.parquet")]


def objects(stack: Stack, below: str) -> list[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(stack.folder / "node" / "s3_credentials"))
        store, _ = FileSystem.from_uri(stack.bucket)
        found = store.get_file_info(FileSelector(below, recursive=True))
    return [info.path for info in found if info.type is FileType.File]


def test_no_secret_comes_out(stack, submitted):
    """In no command line, log, job's metadata, file of the storage folder, object or run of MLflow."""
    said, seen = submitted
    headers = {"Authorization": f"Bearer {token(stack)}"}
    jobs = requests.get(f"{stack.jobs}/api/jobs/", headers=headers, timeout=60).text
    assert "smoke-1" in jobs
    texts = {"client": said, "jobs": jobs, "commands": "\n".join([*seen, *command_lines(stack)])}
    for path in stack.folder.rglob("*"):
        if path.is_file() and path.parent.name not in {"secrets", "node", "mlflow"} | {"sockets"}:
            texts[str(path)] = path.read_bytes().decode(errors="replace")
    assert any("job-driver-smoke-1" in name for name in texts)
    store = stack.run("lagsweep", "trials", "smoke", "--output", "json").stdout
    texts["trials"] = store
    for part, secret in stack.secrets.items():
        assert not [name for name, text in texts.items() if secret in text], part


def command_lines(stack: Stack) -> list[str]:
    lines: list[str] = []
    for process in stack.family():
        try:
            lines.append(" ".join(process.cmdline()))
        except psutil.Error:
            continue
    return lines


def test_zz_all_of_it_ends_when_its_containers_are_stopped(stack):
    """Last, since nothing runs after it; `end` sends what compose.yaml sends, and kills what is left."""
    family = stack.family()
    assert len(family) > 10
    assert end(stack) == []
    assert not [process for process in family if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]

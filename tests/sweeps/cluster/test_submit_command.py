import http.server
import threading
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from sweeps.cli import app
from sweeps.cluster.jobs import Entrypoint

STUDY = """\
name: ring
task: analytic/ring
cost_limit: 12.0
env_steps: 400
seeds: 2
hyperparameters: {steps_per_iteration: 200, num_envs: 2, num_epochs: 4, minibatch_size: 64}
lagrangian: {update: pid}
"""


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RAY_AUTH_TOKEN", "abc")
    monkeypatch.delenv("RAY_API_SERVER_ADDRESS", raising=False)
    path = tmp_path / "ring.yaml"
    path.write_text(STUDY)
    return path


def submit(*words: object) -> Result:
    return CliRunner().invoke(app, ["submit", *map(str, words)])


def test_without_an_address_the_variables_of_ray_jobs_name_the_cluster(
    study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    nowhere = submit(study)
    assert (nowhere.exit_code, "must name the cluster, but neither does" in nowhere.stderr) == (2, True)
    monkeypatch.setenv("RAY_ADDRESS", "http://127.0.0.1:2")
    assert "no Ray dashboard answers at http://127.0.0.1:2" in submit(study).stderr
    monkeypatch.setenv("RAY_API_SERVER_ADDRESS", "http://127.0.0.1:1")
    assert "no Ray dashboard answers at http://127.0.0.1:1" in submit(study).stderr


def test_a_head_that_does_not_answer_ends_with_5(study: Path) -> None:
    said = submit(study, "--address", "http://127.0.0.1:1")
    assert (said.exit_code, "no Ray dashboard answers at http://127.0.0.1:1" in said.stderr) == (5, True)


WRONG = ["head:8265", "ray://head:10001", "http://", "127.0.0.1:6379", "http://[::1", "http://head:99999"]


@pytest.mark.parametrize("address", [*WRONG, "http://ann:hunter2@head:8265"])
def test_an_address_is_a_dashboards_url(study: Path, address: str) -> None:
    said = submit(study, "--address", address)
    assert (said.exit_code, "for example http://head:8265" in said.stderr) == (2, True)
    assert "hunter2" not in said.stderr


class _NoRay(http.server.BaseHTTPRequestHandler):
    body = b""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, format: str, *args: object) -> None: ...


@pytest.mark.parametrize("body", [b'{"version": "3.1"}', b"[]", b"<html></html>", b"null"])
def test_what_is_no_ray_is_told_apart(study: Path, body: bytes) -> None:
    handler = type("Handler", (_NoRay,), {"body": body})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        said = submit(study, "--address", f"http://127.0.0.1:{server.server_port}")
        server.shutdown()
    assert (said.exit_code, "is no Ray dashboard" in said.stderr) == (5, True)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ('{"a": -1}', "`a >= 0` must hold"),
        ('{"a": NaN}', "but got nan"),
        ('{"a": Infinity}', "but got inf"),
        ('{"CPU": 1}', "custom ones"),
    ],
)
def test_what_a_driver_cannot_reserve_is_refused(study: Path, text: str, rule: str) -> None:
    said = submit(study, "--address", "http://127.0.0.1:1", "--entrypoint-resources", text)
    assert (said.exit_code, rule in said.stderr) == (2, True)


def test_a_wrong_study_is_refused_before_anybody_is_asked(study: Path) -> None:
    study.write_text(STUDY.replace("update: pid", "update: pdi"))
    said = submit(study, "--address", "http://127.0.0.1:1")
    assert (said.exit_code, "did you mean `pid`?" in said.stderr) == (2, True)


@pytest.mark.parametrize("text", ["on_demand", "[1]", '{"on_demand": "1"}', '{"on_demand": true}'])
def test_resources_of_the_driver_are_numbers_by_name(study: Path, text: str) -> None:
    said = submit(study, "--address", "http://127.0.0.1:1", "--entrypoint-resources", text)
    assert (said.exit_code, "must be a JSON object of numbers" in said.stderr) == (2, True)


def test_a_driver_reserves_no_less_than_nothing() -> None:
    with pytest.raises(ValueError, match=r"`on_demand >= 0` must hold, and be finite, but got -1\.0"):
        Entrypoint(resources={"on_demand": -1.0})
    with pytest.raises(ValueError, match=r"`entrypoint_num_cpus >= 0` must hold"):
        Entrypoint(cpus=-0.1)


@pytest.mark.usefixtures("study")
def test_drive_without_a_file_is_for_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_JOB_CONFIG_JSON_ENV_VAR", raising=False)
    said = CliRunner().invoke(app, ["drive"])
    assert (said.exit_code, "lagsweep drive STUDY.yaml" in said.stderr) == (2, True)

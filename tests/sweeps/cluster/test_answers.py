"""Answers of a cluster's jobs. The head here speaks the Jobs API and runs nothing: no test decides how Ray behaves."""

import http.server
import json
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import ray
from typer.testing import CliRunner

from sweeps.cli import app
from sweeps.cluster.answers import RemoteError, parse_answer, read_lines
from sweeps.cluster.client import SweepClient
from sweeps.cluster.jobs import JobError
from sweeps.errors import ExitCode, NotFoundError, SweepError

UNKNOWN = json.dumps(
    {"error": NotFoundError("no study 'ring' in the ledger.", code="no-study", help="none").to_dict()}, indent=2
)


def test_lines_of_a_job_are_looks_among_other_words() -> None:
    lines = ['{"name": "ring", "driver": null}', "a warning", "{ not JSON", "[1]", '{"name": "ring"}']
    assert list(read_lines(lines)) == [{"name": "ring", "driver": None}, {"name": "ring"}]


def test_an_error_of_several_lines_is_raised_after_the_looks_before_it() -> None:
    lines = read_lines(["a warning", '{"name": "ring"}', "{", *UNKNOWN.splitlines(), "another warning"])
    assert next(lines) == {"name": "ring"}
    with pytest.raises(RemoteError, match="no study 'ring'") as raised:
        next(lines)
    assert (raised.value.code, raised.value.exit_code) == ("no-study", ExitCode.NOT_FOUND)


def test_a_job_without_json_gave_no_answer() -> None:
    with pytest.raises(JobError, match="lagsweep: command not found") as raised:
        list(read_lines(["sh: 1: lagsweep: command not found"]))
    assert raised.value.code == "no-answer"
    with pytest.raises(JobError, match="it did not end in time"):
        parse_answer("", "mark", "lagsweep list")
    assert parse_answer('noise\nmark\n{"a": 1}\nmark\n', "mark", "lagsweep list") == {"a": 1}


class _Head(http.server.BaseHTTPRequestHandler):
    """A cluster whose only study waits for a node; short jobs say that the ledger does not have it."""

    stopped: list[str]
    commands: dict[str, str]

    def do_GET(self) -> None:
        *_, name, last = self.path.rstrip("/").split("/")
        if self.path == "/api/version":
            self._send({"version": "4", "ray_version": ray.__version__, "ray_commit": ""})
        elif self.path == "/api/jobs/":
            self._send(
                [self._job("ring-1", "STOPPED" if "ring-1" in self.stopped else "PENDING", lagsweep_study="ring")]
            )
        elif last == "logs":
            mark = next(word for word in self.commands[name].split() if word.startswith("answer-"))
            self._send({"logs": f"{mark}\n{UNKNOWN}\n{mark}\n"})
        else:
            self._send(self._job(last, "FAILED"))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path.endswith("/stop"):
            self.stopped.append(self.path.split("/")[-2])
            self._send({"stopped": True})
        else:
            job = json.loads(body)
            self.commands[job["submission_id"]] = job["entrypoint"]
            self._send({"submission_id": job["submission_id"], "job_id": None})

    def _job(self, submission_id: str, status: str, **metadata: str) -> dict[str, object]:
        return {
            "type": "SUBMISSION",
            "submission_id": submission_id,
            "status": status,
            "entrypoint": "",
            "metadata": metadata,
        }

    def _send(self, answer: object) -> None:
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None: ...


@pytest.fixture
def head(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, list[str]]]:
    """Address of a head, and the jobs that it was asked to stop."""
    monkeypatch.setenv("RAY_AUTH_TOKEN", "abc")
    monkeypatch.delenv("LAGSWEEP_LEDGER", raising=False)
    stopped: list[str] = []
    handler = type("Head", (_Head,), {"stopped": stopped, "commands": {}})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", stopped
        server.shutdown()


def test_a_study_whose_job_waits_for_a_node_is_stopped(head: tuple[str, list[str]]) -> None:
    address, stopped = head
    said = CliRunner().invoke(app, ["stop", "ring", "--address", address])
    assert (said.exit_code, said.stdout) == (0, "ring: its job, which no driver ran, was ended\n")
    assert "ring-1" in stopped
    again = CliRunner().invoke(app, ["stop", "ring", "--address", address])  # no job waits any more
    assert (again.exit_code, "no study 'ring'" in again.stderr) == (ExitCode.NOT_FOUND, True)


VERBS = [["status", "ring"], ["watch", "ring"], ["logs", "ring"], ["list"], ["stop", "ring"], ["doctor"]]


@pytest.mark.parametrize("words", VERBS)
def test_every_command_finds_the_cluster_as_ray_jobs_does_and_the_machine_where_that_is_asked(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LAGSWEEP_LEDGER", raising=False)
    monkeypatch.setenv("LAGSWEEP_STORAGE", str(tmp_path))
    monkeypatch.setenv("RAY_API_SERVER_ADDRESS", "http://127.0.0.1:1")
    said = CliRunner().invoke(app, words)
    assert (said.exit_code, "no Ray dashboard answers at http://127.0.0.1:1" in said.output) == (5, True)
    if words != ["doctor"]:  # which takes its time
        here = CliRunner().invoke(app, [*words, "--address", "local"])
        assert here.exit_code == (0 if words == ["list"] else 3)


def test_a_given_address_wins_over_the_variables(
    head: tuple[str, list[str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Whether a cluster is open is asked of the given one; nothing must then go to another."""
    monkeypatch.setenv("RAY_ADDRESS", "http://127.0.0.1:1")
    monkeypatch.setenv("RAY_API_SERVER_ADDRESS", "http://127.0.0.1:2")
    assert SweepClient(head[0], allow_open=True).has_job("ring")


@pytest.mark.filterwarnings("ignore:ssl=None is deprecated:DeprecationWarning")  # of Ray's client, about its own call
def test_a_command_on_the_cluster_asks_no_further_one(
    head: tuple[str, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "lagsweep"
    program.write_text('#!/bin/sh\nprintf "%s" "asks ${RAY_API_SERVER_ADDRESS-nobody}"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    sent: list[str] = []
    client = SweepClient(head[0], allow_open=True)
    submit = client.jobs.submit
    monkeypatch.setattr(client.jobs, "submit", lambda command, *rest: [sent.append(command), submit(command, *rest)])
    with pytest.raises(SweepError):
        client.ask(["status", "ring"])
    with pytest.raises(SweepError):  # this head speaks no websocket
        list(client.stream(["watch", "ring"]))
    monkeypatch.setenv("RAY_API_SERVER_ADDRESS", "http://head:8265")
    for command in sent:
        said = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=True)
        assert "asks nobody" in said.stdout
    assert len(sent) == 2


def test_a_client_stops_a_study_whose_job_waits(head: tuple[str, list[str]]) -> None:
    address, stopped = head
    client = SweepClient(address, allow_open=True)
    assert client.has_job("ring")
    assert client.stop("ring") == {"name": "ring", "driver": None, "ended": True}
    assert "ring-1" in stopped
    assert not client.has_job("ring")
    with pytest.raises(SweepError, match="no study 'ring'"):
        client.stop("ring")

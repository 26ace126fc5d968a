"""MLflow's interface on the embedded store."""

import io
import json
import os
import socket
import urllib.request

import psutil
import pytest
from rich.console import Console

from sweeps.errors import NotFoundError, UnreachableError
from sweeps.tracking import ui


@pytest.fixture(autouse=True)
def embedded_store(monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def printed(storage, **options):
    console = Console(file=io.StringIO(), width=200)
    ui.serve(storage, console=console, **options)
    return console.file.getvalue()


def test_a_storage_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(NotFoundError, match="`storage` must be a folder"):
        ui.start(tmp_path / "none")


def test_a_server_named_by_the_environment_is_pointed_to(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://ann:secret@mlflow.example")
    assert printed(tmp_path) == "MLflow is at https://mlflow.example (MLFLOW_TRACKING_URI).\n"


def test_a_port_of_another_program_is_left_to_it():
    with socket.socket() as other:
        other.bind((ui.HOST, 0))
        other.listen()
        taken = other.getsockname()[1]
        assert taken < ui._free_port(taken) < taken + 100


@pytest.mark.parametrize(
    "state",
    [
        "",
        "{}",
        '{"pid": "x", "created": 0, "url": ""}',
        '{"pid": 999999999, "created": 0, "url": "http://127.0.0.1:9"}',
    ],
)
def test_a_stale_note_of_a_server_is_ignored(tmp_path, state):
    (tmp_path / ui.STATE_NAME).write_text(state)
    assert ui._running(tmp_path, ui.find_store(tmp_path)) is None


def test_a_process_that_got_the_number_of_an_ended_server_is_not_taken_for_it(tmp_path):
    own = {"pid": os.getpid(), "created": psutil.Process().create_time(), "url": "http://127.0.0.1:9"}
    (tmp_path / ui.STATE_NAME).write_text(json.dumps(own))
    assert ui._running(tmp_path, ui.find_store(tmp_path)) is None


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_serves_on_loopback_once_and_ends_with_its_workers(tmp_path):
    first = ui._free_port(5600)
    server = ui.start(tmp_path, port=first)
    family = [psutil.Process(server.pid), *psutil.Process(server.pid).children(recursive=True)]
    try:
        assert server.url == f"http://127.0.0.1:{first}"
        with urllib.request.urlopen(server.url, timeout=30) as page:
            assert b"MLflow" in page.read()
        listening = {c.laddr.ip for p in family for c in p.net_connections("inet") if c.status == psutil.CONN_LISTEN}
        assert listening == {"127.0.0.1"}
        # Again on the same folder: the same server. On another one: its own, on the next free port.
        again = ui.start(tmp_path, port=first)
        assert (again.url, again.pid, again.process) == (server.url, server.pid, None)
        assert printed(tmp_path) == f"MLflow already serves {tmp_path} at {server.url}\n"
        (tmp_path / "other").mkdir()
        other = ui.start(tmp_path / "other", port=first)
        ui.stop(tmp_path / "other", other)
        assert other.url > server.url
    finally:
        ui.stop(tmp_path, server)
    assert not [process for process in family if process.is_running()]
    assert not (tmp_path / ui.STATE_NAME).exists()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_server_that_cannot_start_names_its_log(tmp_path):
    (tmp_path / "mlflow.db").write_text("no database " * 1000)
    with pytest.raises(UnreachableError, match="must answer") as caught:
        ui.start(tmp_path, port=5700)
    assert "ui.log" in (caught.value.help or "")
    assert (tmp_path / "ui.log").stat().st_size > 0

"""MLflow's interface on the embedded store."""

import functools
import http.server
import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.request

import psutil
import pytest
from rich.console import Console

from sweeps.errors import NotFoundError, SweepError, UnreachableError
from sweeps.tracking import server as mlflow_server
from sweeps.tracking.server import Address
from sweeps.tracking.store import served_store
from sweeps.tracking.ui import serve


@pytest.fixture(autouse=True)
def embedded_store(monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def printed(storage, **options):
    console = Console(file=io.StringIO(), width=200)
    serve(storage, console=console, **options)
    return console.file.getvalue()


def test_a_storage_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(NotFoundError, match="`storage` must be a folder"):
        mlflow_server.start(tmp_path / "none")


def test_a_server_named_by_the_environment_is_pointed_to(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://ann:secret@mlflow.example")
    assert printed(tmp_path) == "MLflow is at https://mlflow.example (MLFLOW_TRACKING_URI).\n"


def test_a_port_of_another_program_is_left_to_it():
    with socket.socket() as other:
        other.bind((mlflow_server.HOST, 0))
        other.listen()
        taken = other.getsockname()[1]
        assert taken < mlflow_server._free_port(taken) < taken + 100


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
    (tmp_path / mlflow_server.STATE_NAME).write_text(state)
    assert mlflow_server._running(tmp_path, served_store(tmp_path), Address()) is None


def test_a_process_that_got_the_number_of_an_ended_server_is_not_taken_for_it(tmp_path):
    store = mlflow_server._identity(served_store(tmp_path))
    own = {"pid": os.getpid(), "created": psutil.Process().create_time() - 60.0, "url": "http://127.0.0.1:9"}
    own["store"] = store
    (tmp_path / mlflow_server.STATE_NAME).write_text(json.dumps(own))
    assert mlflow_server._running(tmp_path, served_store(tmp_path), Address()) is None


def test_a_server_that_lets_others_in_than_asked_for_is_not_taken(tmp_path):
    (tmp_path / "health").write_text("OK")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=tmp_path)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as answering:
        threading.Thread(target=answering.serve_forever, daemon=True).start()
        url, store = f"http://127.0.0.1:{answering.server_port}", served_store(tmp_path)
        state = {"pid": os.getpid(), "created": psutil.Process().create_time(), "url": url}
        state |= {"store": mlflow_server._identity(store), **mlflow_server._manner(Address())}
        (tmp_path / mlflow_server.STATE_NAME).write_text(json.dumps(state))
        for other in (Address(login=True), Address(host="::1"), Address(allowed_hosts="mlflow.example")):
            with pytest.raises(SweepError, match="`one server a storage folder` must hold") as caught:
                mlflow_server.start(tmp_path, other)
            assert caught.value.help == f"end process {os.getpid()} first"
        assert mlflow_server.start(tmp_path, Address(port=5900)).url == url
        answering.shutdown()


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.7", "::", "mlflow.example"])
def test_others_are_not_served_without_a_login(host):
    with pytest.raises(SweepError, match="`--host` must be a loopback address without `--login`"):
        Address(host=host)
    assert Address(host=host, login=True).host == host
    assert Address(host="::1").login is Address(host="localhost").login is False


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_command_takes_its_server_along(tmp_path, number):
    command = [sys.executable, "-m", "sweeps.cli", "ui", "--storage", str(tmp_path), "--output", "json"]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=functools.partial(signal.signal, signal.SIGINT, signal.SIG_IGN),  # as a shell starts it with `&`
    ) as process:
        assert process.stdout is not None
        said = json.loads(process.stdout.readline())
        assert said["serves"]
        family = psutil.Process(process.pid).children(recursive=True)
        assert family

        process.send_signal(number)

        assert process.wait(30) == 0
    assert not psutil.wait_procs(family, timeout=5)[1]
    assert not (tmp_path / mlflow_server.STATE_NAME).exists()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_serves_on_loopback_once_and_ends_with_its_workers(tmp_path):
    first = mlflow_server._free_port(5600)
    server = mlflow_server.start(tmp_path, Address(port=first))
    family = [psutil.Process(server.pid), *psutil.Process(server.pid).children(recursive=True)]
    try:
        assert server.url == f"http://127.0.0.1:{first}"
        with urllib.request.urlopen(server.url, timeout=30) as page:
            assert b"MLflow" in page.read()
        listening = {c.laddr.ip for p in family for c in p.net_connections("inet") if c.status == psutil.CONN_LISTEN}
        assert listening == {"127.0.0.1"}
        # Again on the same folder: the same server. On another one: its own, on the next free port.
        again = mlflow_server.start(tmp_path, Address(port=first))
        assert (again.url, again.pid, again.process) == (server.url, server.pid, None)
        assert printed(tmp_path) == f"MLflow already serves {tmp_path} at {server.url}\n"
        (tmp_path / "other").mkdir()
        other = mlflow_server.start(tmp_path / "other", Address(port=first))
        mlflow_server.stop(tmp_path / "other", other)
        assert other.url > server.url
    finally:
        mlflow_server.stop(tmp_path, server)
    assert not [process for process in family if process.is_running()]
    assert not (tmp_path / mlflow_server.STATE_NAME).exists()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_server_that_cannot_start_names_its_log(tmp_path):
    (tmp_path / "mlflow.db").write_text("no database " * 1000)
    with pytest.raises(UnreachableError, match="must answer") as caught:
        mlflow_server.start(tmp_path, Address(port=5700))
    assert "ui.log" in (caught.value.help or "")
    assert (tmp_path / "ui.log").stat().st_size > 0

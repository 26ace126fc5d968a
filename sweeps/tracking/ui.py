"""MLflow's web interface on the embedded store, for one person on this machine."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import psutil
from rich.console import Console

from sweeps.errors import NotFoundError, UnreachableError
from sweeps.tracking.store import Store, find_store, without_credentials

HOST = "127.0.0.1"
STATE_NAME = "ui.json"
"""File in the storage folder that names the running server."""

_LOG_NAME = "ui.log"
_PORTS_TRIED = 100
_POLL_S = 0.2


@dataclass(frozen=True)
class Server:
    """MLflow's server on an embedded store.

    Attributes:
        url: Where a browser finds it.
        pid: Its process.
        process: The same as a child of ours; None where it ran before.
    """

    url: str
    pid: int
    process: subprocess.Popen[bytes] | None


def start(storage: Path, port: int = 5000, timeout_s: float = 300.0) -> Server:
    """Starts MLflow's server on the store of a storage folder, or finds the one that already serves it.

    It listens on the loopback interface only. A port that another program holds is left to it: the next free one is
    taken.

    Args:
        storage: The storage folder.
        port: The first port to try.
        timeout_s: How long to wait for its first answer, seconds; creating a new store takes some of it.

    Returns:
        The server; it answers.

    Raises:
        NotFoundError: If there is no such folder.
        UnreachableError: If it does not start; names its log.
    """
    if not storage.is_dir():
        raise NotFoundError(
            f"`storage` must be a folder, but {storage} is none.",
            code="no-storage",
            help="name it with --storage or LAGSWEEP_STORAGE, or run a study first",
        )
    store = find_store(storage)
    running = _running(storage, store)
    if running is not None:
        return running
    port = _free_port(port)
    url = f"http://{HOST}:{port}"
    log = storage / _LOG_NAME
    with log.open("wb") as output:
        process = subprocess.Popen(
            _command(store, port), env=_environment(), stdout=output, stderr=output, start_new_session=True
        )
    _wait_for(url, process, log, timeout_s)
    created = psutil.Process(process.pid).create_time()
    (storage / STATE_NAME).write_text(json.dumps({"pid": process.pid, "created": created, "url": url}))
    return Server(url, process.pid, process)


def stop(storage: Path, server: Server) -> None:
    """Ends a server and the workers that it started.

    Args:
        storage: The storage folder.
        server: What `start` returned.
    """
    try:
        parent = psutil.Process(server.pid)
        family = [*parent.children(recursive=True), parent]
    except psutil.NoSuchProcess:
        family = []
    for process in family:
        _end(process, force=False)
    _, stubborn = psutil.wait_procs(family, timeout=10)
    for process in stubborn:
        _end(process, force=True)
    if server.process is not None:
        server.process.wait()
    (storage / STATE_NAME).unlink(missing_ok=True)


def serve(storage: Path, port: int = 5000, console: Console | None = None) -> None:
    """Serves MLflow's interface until Ctrl-C, and prints where it is.

    Where it already runs, or `MLFLOW_TRACKING_URI` names a server, only the address is printed.

    Args:
        storage: The storage folder.
        port: The first port to try.
        console: Where to print; standard output by default.

    Raises:
        NotFoundError: If there is no such folder.
        UnreachableError: If the server does not start.
    """
    console = console or Console()
    store = find_store(storage)
    if not store.is_embedded:
        console.print(f"MLflow is at {without_credentials(store.uri)} (MLFLOW_TRACKING_URI).", soft_wrap=True)
        return
    server = start(storage, port)
    if server.process is None:
        console.print(f"MLflow already serves {storage} at {server.url}", soft_wrap=True)
        return
    console.print(f"MLflow serves {storage} at {server.url} (Ctrl-C ends it)", soft_wrap=True)
    try:
        server.process.wait()
    except KeyboardInterrupt:
        console.print("MLflow's interface has ended; the data stay.")
    finally:
        stop(storage, server)


def _command(store: Store, port: int) -> list[str]:
    assert store.artifact_root is not None
    options = {"--backend-store-uri": store.uri, "--default-artifact-root": store.artifact_root}
    options |= {"--artifacts-destination": store.artifact_root, "--host": HOST, "--port": str(port), "--workers": "1"}
    return [sys.executable, "-m", "mlflow", "server", *(word for option in options.items() for word in option)]


def _environment() -> dict[str, str]:
    # Nothing leaves this machine, and no background jobs are needed to look at curves.
    return {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}


def _running(storage: Path, store: Store) -> Server | None:
    """The server that an earlier call started on this store, if it still answers."""
    try:
        state = json.loads((storage / STATE_NAME).read_text())
        process = psutil.Process(int(state["pid"]))
        # A number is given again after its process has ended: start time and command line tell them apart.
        ours = abs(process.create_time() - float(state["created"])) < 1.0 and store.uri in process.cmdline()
        url = str(state["url"])
    except (FileNotFoundError, ValueError, KeyError, TypeError, psutil.Error):
        return None
    return Server(url, process.pid, None) if ours and _answers(url) else None


def _free_port(first: int) -> int:
    for port in range(first, min(first + _PORTS_TRIED, 65536)):
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind((HOST, port))
            except OSError:
                continue
            return port
    raise UnreachableError(
        f"a port from {first} on must be free, but {_PORTS_TRIED} are taken.",
        code="no-port",
        help="name another --port",
    )


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path, timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while not _answers(url):
        if process.poll() is not None or time.monotonic() > deadline:
            _end_family(process)
            raise UnreachableError(
                f"MLflow's server must answer at {url} within {timeout_s:g} s, but it did not.",
                code="ui-failed",
                help=f"its last words are in {log}",
            )
        time.sleep(_POLL_S)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=5) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _end_family(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        for child in psutil.Process(process.pid).children(recursive=True):
            _end(child, force=True)
        process.kill()
    process.wait()


def _end(process: psutil.Process, *, force: bool) -> None:
    try:
        process.kill() if force else process.terminate()
    except psutil.NoSuchProcess:
        return

"""MLflow's server on a storage folder: for one person on this machine, or behind a login for a team."""

import hashlib
import ipaddress
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

from sweeps.errors import NotFoundError, SweepError, UnreachableError
from sweeps.tracking.store import Store, served_store
from sweeps.tracking.team import prepare_login

HOST = "127.0.0.1"
STATE_NAME = "ui.json"
"""File in the storage folder that names the running server."""

_LOG_NAME = "ui.log"
_PORTS_TRIED = 100
_POLL_S = 0.2


@dataclass(frozen=True)
class Address:
    """Where a server listens, and to whom it answers.

    Attributes:
        port: The first port to try.
        host: Address of the interface to listen on.
        login: Whether nothing answers without a login.
        allowed_hosts: Names, separated by commas, by which browsers may call it; None: MLflow's default, this machine
            and private networks.
    """

    port: int = 5000
    host: str = HOST
    login: bool = False
    allowed_hosts: str | None = None

    def __post_init__(self) -> None:
        """Checks that nobody else is served without a login.

        Raises:
            SweepError: If `host` is not this machine's loopback and there is no login.
        """
        if not (self.login or _is_loopback(self.host)):
            raise SweepError(
                f"`--host` must be a loopback address without `--login`, but got {self.host}.",
                code="open-server",
                help="add --login: others would read and change everything without it",
            )


@dataclass(frozen=True)
class Server:
    """MLflow's server on a storage folder.

    Attributes:
        url: Where a browser finds it.
        pid: Its process.
        process: The same as a child of ours; None where it ran before.
    """

    url: str
    pid: int
    process: subprocess.Popen[bytes] | None


def start(storage: Path, address: Address | None = None, timeout_s: float = 300.0) -> Server:
    """Starts MLflow's server on the store of a storage folder, or finds the one that already serves it.

    A port that another program holds is left to it: the next free one is taken.

    Args:
        storage: The storage folder.
        address: Where to listen; by default on the loopback interface only.
        timeout_s: How long to wait for its first answer, seconds; creating a new store takes some of it.

    Returns:
        The server; it answers.

    Raises:
        NotFoundError: If there is no such folder.
        UnreachableError: If it does not start; names its log.
        SweepError: If one serves it that listens elsewhere, or answers others.
    """
    address = address or Address()
    if not storage.is_dir():
        raise NotFoundError(
            f"`storage` must be a folder, but {storage} is none.",
            code="no-storage",
            help="name it with --storage or LAGSWEEP_STORAGE, or run a study first",
        )
    store = served_store(storage)
    running = _running(storage, store, address)
    if running is not None:
        return running
    port = _free_port(address.port, address.host)
    url = f"http://{_reachable(address.host)}:{port}"
    log = storage / _LOG_NAME
    # The log may quote what others should not read.
    with os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as output:
        process = subprocess.Popen(
            _command(address, port),
            env=_environment(storage, store, address),
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    _wait_for(url, process, log, timeout_s)
    created = psutil.Process(process.pid).create_time()
    state = {"pid": process.pid, "created": created, "url": url, "store": _identity(store), **_manner(address)}
    (storage / STATE_NAME).write_text(json.dumps(state))
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


def _command(address: Address, port: int) -> list[str]:
    """What to run: everybody on the machine can read it, so no store is named here."""
    place = ["--host", address.host, "--port", str(port), "--workers", "1"]
    program = ["sweeps.tracking.gate"] if address.login else ["mlflow", "server"]
    return [sys.executable, "-m", *program, *place]


def _environment(storage: Path, store: Store, address: Address) -> dict[str, str]:
    assert store.artifact_root is not None
    # A client elsewhere cannot write into a folder of this machine: it sends artifacts to the server.
    root = "mlflow-artifacts:/" if address.login else store.artifact_root
    ours = {
        "MLFLOW_BACKEND_STORE_URI": store.uri,
        "MLFLOW_DEFAULT_ARTIFACT_ROOT": root,
        "MLFLOW_ARTIFACTS_DESTINATION": store.artifact_root,
        # Nothing leaves this machine, and no background jobs are needed to look at curves.
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    if address.allowed_hosts is not None:
        ours["MLFLOW_SERVER_ALLOWED_HOSTS"] = address.allowed_hosts
    return {**os.environ, **ours, **(prepare_login(storage, store) if address.login else {})}


def _identity(store: Store) -> str:
    """Names a store without its password."""
    return hashlib.sha256(store.uri.encode()).hexdigest()


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _reachable(host: str) -> str:
    """Where this machine reaches a server that listens on `host`; 0.0.0.0 is every interface."""
    return HOST if host in {"0.0.0.0", "::"} else host


def _manner(address: Address) -> dict[str, object]:
    """Whom a server lets in; its port does not matter."""
    return {"host": address.host, "login": address.login, "allowed_hosts": address.allowed_hosts}


def _running(storage: Path, store: Store, address: Address) -> Server | None:
    """The server that an earlier call started on this store, if it still answers; raises if it lets others in."""
    try:
        state = json.loads((storage / STATE_NAME).read_text())
        process = psutil.Process(int(state["pid"]))
        # A number is given again after its process has ended: the start time tells them apart.
        ours = abs(process.create_time() - float(state["created"])) < 1.0 and state["store"] == _identity(store)
        url = str(state["url"])
    except (FileNotFoundError, ValueError, KeyError, TypeError, psutil.Error):
        return None
    if not (ours and _answers(url)):
        return None
    wanted = _manner(address)
    if differing := [f"{name} {state.get(name)}" for name in wanted if state.get(name) != wanted[name]]:
        raise SweepError(
            f"`one server a storage folder` must hold, but {url} serves {storage} with {', '.join(differing)}.",
            code="other-server",
            help=f"end process {process.pid} first",
        )
    return Server(url, process.pid, None)


def _free_port(first: int, host: str = HOST) -> int:
    for port in range(first, min(first + _PORTS_TRIED, 65536)):
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind((host, port))
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
    try:
        while not _answers(url):
            if process.poll() is not None or time.monotonic() > deadline:
                raise UnreachableError(
                    f"MLflow's server must answer at {url} within {timeout_s:g} s, but it did not.",
                    code="ui-failed",
                    help=f"its last words are in {log}",
                )
            time.sleep(_POLL_S)
    except BaseException:  # also Ctrl-C: nothing of it stays
        _end_family(process)
        raise


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

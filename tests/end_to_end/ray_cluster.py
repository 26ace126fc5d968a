"""A Ray cluster of several nodes on this machine, started as a user starts one: `ray start`, with a token.

Its head has no CPU for trials, so that drivers live there and trials elsewhere. Every process is a child of one of ours
and is ended by its id.
"""

import contextlib
import json
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import requests

from sweeps.running.scratch import scratch_folder

_STARTS = 3
_START_S = 150.0
_STARTED = "Ray runtime started."
_STORE_BYTES = str(100 * 2**20)


class RayCluster:
    """A head and worker nodes.

    Attributes:
        address: URL of its dashboard.
        token_path: File with its token.
    """

    def __init__(self, folder: Path, variables: dict[str, str]) -> None:
        self.token_path = folder / "token"
        self.token_path.write_text(secrets.token_hex(32))
        self.token_path.chmod(0o600)
        self._folder = folder
        self._variables = os.environ | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            "OMP_NUM_THREADS": "1",
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN_PATH": str(self.token_path),
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_agent_register_timeout_ms": "120000",
            **variables,
        }
        self._variables.pop("RAY_ADDRESS", None)
        self._nodes: list[subprocess.Popen[bytes]] = []
        self._logs: dict[int, Path] = {}
        self._port = 0
        self.address = ""

    @property
    def workers(self) -> list[subprocess.Popen[bytes]]:
        """The worker nodes."""
        return self._nodes[1:]

    def start(self) -> None:
        """Starts the head, again where this machine was too slow for it."""
        for last in (False,) * (_STARTS - 1) + (True,):
            try:
                self._start_head()
            except TimeoutError:
                self.shutdown()
                if last:
                    raise
            else:
                return

    def add_node(self, cpus: int = 1, **resources: float) -> None:
        """Starts a worker node, again where this machine was too slow for it."""
        offer = ["--num-cpus", str(cpus), "--resources", json.dumps(resources)]
        for last in (False,) * (_STARTS - 1) + (True,):
            node = self._run("--address", f"127.0.0.1:{self._port}", *offer)
            deadline = time.monotonic() + _START_S
            while node.poll() is None and _STARTED not in self.log(node) and time.monotonic() < deadline:
                time.sleep(0.5)
            if node.poll() is None and _STARTED in self.log(node):
                self._nodes.append(node)
                return
            self._end(node)
            if last:
                raise TimeoutError(self.log(node))

    def kill_node(self, node: subprocess.Popen[bytes]) -> None:
        """Kills every process of a node at once, as a power cut does."""
        self._nodes.remove(node)
        processes = [process for process in psutil.process_iter() if _session_of(process) == node.pid]
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.suspend()  # or the survivors would see the first ones die, and say so
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        node.wait()

    def shutdown(self) -> None:
        """Ends all processes."""
        for node in reversed(self._nodes):
            self._end(node)
        self._nodes.clear()

    def _end(self, node: subprocess.Popen[bytes]) -> None:
        """Ends a node and all that belongs to it: a `ray start` that failed may leave processes of its session."""
        processes = [process for process in psutil.process_iter() if _session_of(process) == node.pid]
        if node.poll() is None:
            node.terminate()
        _, alive = psutil.wait_procs(processes, timeout=20)
        for process in alive:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(alive, timeout=10)
        node.wait(timeout=10)

    def log(self, node: subprocess.Popen[bytes]) -> str:
        """What a node's `ray start` said."""
        return self._logs[node.pid].read_text()

    def _start_head(self) -> None:
        self._port, dashboard, client = (_free_port() for _ in range(3))
        self.address = f"http://127.0.0.1:{dashboard}"
        ports = ["--port", str(self._port), "--dashboard-port", str(dashboard), "--ray-client-server-port", str(client)]
        head = ["--head", *ports, "--dashboard-host", "127.0.0.1"]
        self._nodes.append(self._run(*head, "--num-cpus", "0", "--resources", '{"head": 1}'))
        deadline = time.monotonic() + _START_S
        while not self._answers():
            if time.monotonic() > deadline or self._nodes[0].poll() is not None:
                raise TimeoutError(self.log(self._nodes[0]))
            time.sleep(0.5)

    def _answers(self) -> bool:
        headers = {"Authorization": f"Bearer {self.token_path.read_text()}"}
        try:
            return requests.get(f"{self.address}/api/version", headers=headers, timeout=5).ok
        except requests.RequestException:
            return False

    def _run(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Starts a node with a folder of its own, as each has on its own machine: there its shipped code lies."""
        number = len(self._logs)
        temporary = self._folder / str(number)
        temporary.mkdir()
        ray = [str(Path(sys.executable).parent / "ray"), "start", "--block", "--disable-usage-stats"]
        ray += ["--dashboard-agent-listen-port", str(_free_port())]  # nodes of one machine need one each
        command = [*ray, "--temp-dir", str(temporary), "--object-store-memory", _STORE_BYTES, *arguments]
        path = self._folder / f"start-{number}.log"
        with path.open("wb") as log:
            node = subprocess.Popen(command, stdout=log, stderr=log, env=self._variables, start_new_session=True)
        self._logs[node.pid] = path
        return node


@contextmanager
def ray_cluster(**variables: str) -> Iterator[RayCluster]:
    """A head, whose processes see these environment variables; nothing of it is left afterwards."""
    with scratch_folder() as folder:
        cluster = RayCluster(folder, variables)
        try:
            cluster.start()
            yield cluster
        finally:
            cluster.shutdown()


def _session_of(process: psutil.Process) -> int | None:
    try:
        return os.getsid(process.pid)
    except ProcessLookupError:
        return None


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]

"""The stack of docker/compose.yaml without containers: the same entry scripts, the same services, on loopback.

PostgreSQL comes from a wheel; the object store is moto's S3 server, which does not check keys (SeaweedFS does).
"""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from moto.server import ThreadedMotoServer

from tests.deployment.places import DOCKER, PROGRAMS, ROOT
from tests.postgres import _BIN as POSTGRES_PROGRAMS
from tests.postgres import Postgres

_ENTRYPOINT = DOCKER / "entrypoint.sh"
_START_S = 240.0


@dataclass(frozen=True)
class Stack:
    """A running stack.

    Attributes:
        folder: Its private folder, with `node` and `mlflow` (secrets of each), `storage`, logs.
        jobs: URL of Ray's Jobs API.
        gcs: Address of the cluster, `host:port`.
        mlflow: URL of MLflow.
        bucket: URL of the bucket, with its options.
        node: Environment of a node, in which studies are driven.
        secrets: Every secret of it.
        processes: What was started, by part.
    """

    folder: Path
    jobs: str
    gcs: str
    mlflow: str
    bucket: str
    node: dict[str, str]
    secrets: dict[str, str]
    processes: dict[str, subprocess.Popen[bytes]]

    def run(self, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Runs a command as a container of the stack would."""
        return subprocess.run(
            [_ENTRYPOINT, *command], env=self.node | environment, capture_output=True, text=True, check=False
        )

    def client(self, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Runs a command as somebody who has the cluster's token and nothing else."""
        variables = plain() | {"RAY_AUTH_TOKEN_PATH": str(self.folder / "node" / "ray_token"), **environment}
        return subprocess.run(
            [PROGRAMS / command[0], *command[1:]], env=variables, capture_output=True, text=True, check=False
        )

    def family(self) -> list[psutil.Process]:
        """Every process of the stack."""
        parents = [psutil.Process(process.pid) for process in self.processes.values() if process.poll() is None]
        return [member for parent in parents for member in (parent, *parent.children(recursive=True))]


def plain() -> dict[str, str]:
    """An environment without anything of the machine's own settings."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "PYTHONPATH") if name in os.environ}
    return kept | {"PYTHONPATH": os.environ.get("PYTHONPATH", str(ROOT)), "OMP_NUM_THREADS": "1"}


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@contextmanager
def running_stack(postgres: Postgres) -> Generator[Stack]:
    """Raises the stack and ends every process of it, by its id."""
    # A socket's path may have 107 characters: not below pytest's folder.
    folder = Path(tempfile.mkdtemp(prefix="ls-", dir="/tmp"))
    with ExitStack() as cleanup:
        cleanup.callback(shutil.rmtree, folder, ignore_errors=True)
        known = _write_secrets(folder)
        _create_databases(postgres, folder / "secrets")
        store = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        store.start()
        cleanup.callback(store.stop)
        endpoint = "{}:{}".format(*store.get_host_and_port())
        options = f"scheme=http&region=us-east-1&endpoint_override={endpoint}"
        ports = {name: free_port() for name in ("mlflow", "gcs", "jobs")}
        node = plain() | {
            "LAGSWEEP_SECRETS": str(folder / "node"),
            "LAGSWEEP_STORAGE": str(folder / "storage"),
            "LAGSWEEP_LEDGER": f"postgresql+psycopg://lagsweep@127.0.0.1:{postgres.port}/lagsweep",
            "LAGSWEEP_CHECKPOINTS": f"s3://lagsweep/checkpoints?{options}",
            "MLFLOW_TRACKING_URI": f"http://127.0.0.1:{ports['mlflow']}",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        stack = Stack(
            folder,
            jobs=f"http://127.0.0.1:{ports['jobs']}",
            gcs=f"127.0.0.1:{ports['gcs']}",
            mlflow=node["MLFLOW_TRACKING_URI"],
            bucket=f"s3://lagsweep?{options}",
            node=node,
            secrets=known,
            processes={},
        )
        cleanup.callback(end, stack)
        made = stack.run("bucket", f"{stack.bucket}&allow_bucket_creation=true")
        assert made.returncode == 0, made.stderr
        _start_mlflow(stack, postgres.port, ports["mlflow"], endpoint)
        _start_nodes(stack, ports)
        yield stack


def _write_secrets(folder: Path) -> dict[str, str]:
    """Secrets as compose.yaml mounts them: each part sees its own."""
    subprocess.run([DOCKER / "make-secrets.sh", folder / "secrets"], check=True)
    mounted = {
        "node": {"ray_token": "ray_token", "database_password": "ledger_password"},
        "mlflow": {"mlflow_secret_key": "mlflow_secret_key", "database_password": "mlflow_database_password"},
    }
    for part, files in mounted.items():
        (folder / part).mkdir()
        for target, source in {**files, **{name: name for name in ("mlflow_password", "s3_credentials")}}.items():
            shutil.copy(folder / "secrets" / source, folder / part / target)
    for name in ("storage", "mlflow-storage"):
        (folder / name).mkdir()
    texts = {path.name: path.read_text() for path in (folder / "secrets").iterdir()}
    texts["s3_credentials"] = texts["s3_credentials"].split()[-1]
    del texts["s3_identities.json"], texts["postgres_password"]
    return texts


def _create_databases(postgres: Postgres, folder: Path) -> None:
    environment = {
        "PATH": f"{POSTGRES_PROGRAMS}:/usr/bin:/bin",
        "LAGSWEEP_SECRETS": str(folder),
        "POSTGRES_USER": "postgres",
        "PGHOST": "127.0.0.1",
        "PGPORT": str(postgres.port),
        "PGPASSWORD": postgres.password,
    }
    subprocess.run([DOCKER / "postgres-databases.sh"], env=environment, check=True)


def _start_mlflow(stack: Stack, database_port: int, port: int, endpoint: str) -> None:
    environment = plain() | {
        "LAGSWEEP_SECRETS": str(stack.folder / "mlflow"),
        "LAGSWEEP_STORAGE": str(stack.folder / "mlflow-storage"),
        "MLFLOW_BACKEND_STORE_URI": f"postgresql+psycopg://mlflow@127.0.0.1:{database_port}/mlflow",
        "MLFLOW_ARTIFACTS_DESTINATION": "s3://lagsweep/mlflow",
        "MLFLOW_S3_ENDPOINT_URL": f"http://{endpoint}",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    _start(stack, "mlflow", environment, ["--host", "127.0.0.1", "--port", str(port)])
    _wait(stack, "mlflow", f"{stack.mlflow}/health")


def _start_nodes(stack: Stack, ports: dict[str, int]) -> None:
    agents = {part: free_port() for part in ("head", "worker")}
    place = {part: stack.node | {"LAGSWEEP_RAY_FOLDER": str(stack.folder / part)} for part in agents}
    head = ["--node-ip-address", "127.0.0.1", "--port", str(ports["gcs"]), "--num-cpus", "0"]
    dashboard = ["--dashboard-host", "127.0.0.1", "--dashboard-port", str(ports["jobs"])]
    client = ["--ray-client-server-port", str(free_port()), "--dashboard-agent-listen-port", str(agents["head"])]
    _start(stack, "head", place["head"], [*head, *dashboard, *client])
    _wait(stack, "head", f"{stack.jobs}/api/gcs_healthz")
    worker = ["--num-cpus", "2", "--dashboard-agent-listen-port", str(agents["worker"])]
    _start(stack, "worker", place["worker"], [stack.gcs, "--node-ip-address", "127.0.0.1", *worker])
    _wait(stack, "worker", f"http://127.0.0.1:{agents['worker']}/api/local_raylet_healthz")


def _start(stack: Stack, part: str, environment: dict[str, str], arguments: Sequence[str]) -> None:
    with (stack.folder / f"{part}.log").open("wb") as log:
        stack.processes[part] = subprocess.Popen(
            [_ENTRYPOINT, part, *arguments],
            env=environment,
            cwd=stack.folder,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def _wait(stack: Stack, part: str, url: str) -> None:
    """Asks as the container's health check does."""
    deadline = time.monotonic() + _START_S
    while subprocess.run([DOCKER / "healthcheck.sh", url], capture_output=True, check=False).returncode != 0:
        said = (stack.folder / f"{part}.log").read_text()[-3000:]
        assert stack.processes[part].poll() is None, said
        assert time.monotonic() < deadline, said
        time.sleep(0.5)


def end(stack: Stack) -> list[psutil.Process]:
    """Ends every part as its container is ended; returns what had to be killed."""
    family = stack.family()
    for part in ("worker", "head", "mlflow"):
        process = stack.processes.get(part)
        if process is not None and process.poll() is None:
            process.send_signal(signal.SIGINT if part == "mlflow" else signal.SIGTERM)
            try:
                process.wait(timeout=40)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
    _, left = psutil.wait_procs(family, timeout=20)
    for process in left:
        process.kill()
    psutil.wait_procs(left, timeout=10)
    return left


def answer(url: str, method: str = "GET", headers: dict[str, str] | None = None) -> int:
    """The status with which a server answers."""
    request = urllib.request.Request(url, method=method, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status
    except urllib.error.HTTPError as error:
        error.close()
        return error.code

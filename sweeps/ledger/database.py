"""Opens the ledger's database, lays out its tables and checks their version."""

from sqlalchemy import Connection, Engine, create_engine, event, insert, inspect, select
from sqlalchemy.engine import make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from sweeps.ledger.errors import LedgerVersionError
from sweeps.ledger.tables import SCHEMA_VERSION, metadata, schema

BUSY_TIMEOUT_S = 30.0


def open_database(url: str) -> Engine:
    """Opens the database at a URL and creates the tables where there are none.

    Args:
        url: SQLAlchemy URL, such as `sqlite:////data/ledger.db`.

    Returns:
        The engine. Transactions that write must be begun on `writing(engine)`.

    Raises:
        LedgerVersionError: If another version of Lagsweep laid out the tables.
    """
    engine = create_engine(url, **_options(url))
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _configure_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    if not inspect(engine).has_table(schema.name):
        with writing(engine).begin() as connection:
            metadata.create_all(connection)
            if connection.scalar(select(schema.c.version)) is None:
                connection.execute(insert(schema).values(version=SCHEMA_VERSION))
    with engine.begin() as connection:
        version = connection.scalar(select(schema.c.version))
    if version != SCHEMA_VERSION:
        engine.dispose()
        where = make_url(url).render_as_string()  # hides a password
        raise LedgerVersionError(
            f"`the ledger's version is {SCHEMA_VERSION}` must hold, but {where} has {version}.",
            code="ledger-version",
            help="open it with the version of lagsweep that wrote it, or use another --storage",
        )
    return engine


def writing(engine: Engine) -> Engine:
    """The same engine, for transactions that write: SQLite then takes its write lock before the first read."""
    return engine.execution_options(ledger_writes=True)


def _options(url: str) -> dict[str, object]:
    if make_url(url).get_backend_name() == "sqlite":
        return {"connect_args": {"timeout": BUSY_TIMEOUT_S}}
    return {"pool_pre_ping": True}


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

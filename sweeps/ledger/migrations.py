"""Brings a ledger that an older version laid out to today's tables, one version at a time."""

from collections.abc import Callable

from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import JSON, Boolean, Column, Connection, Float, Integer, Text, false, update

from sweeps.ledger.tables import SCHEMA_VERSION, schema


def migrate(connection: Connection, version: int) -> None:
    """Takes every step from a version to `SCHEMA_VERSION`.

    Args:
        connection: A transaction that writes; all steps are undone together if one fails.
        version: The version that the tables have, at least 1.
    """
    operations = Operations(MigrationContext.configure(connection))
    for old in range(version, SCHEMA_VERSION):
        _STEPS[old](operations)
    connection.execute(update(schema).values(version=SCHEMA_VERSION))


def _from_1(operations: Operations) -> None:
    """Leases that expire, requests to stop, seeds added later, continued trials, checkpoints elsewhere."""
    operations.add_column("studies", Column("checkpoints", Text))
    operations.add_column("trials", Column("continued", Boolean, nullable=False, server_default=false()))
    operations.add_column("seed_runs", Column("cohort", Integer, nullable=False, server_default="0"))
    for name in ("process_started_at", "expires_at", "stop_requested_at"):
        operations.add_column("lease", Column(name, Float))


def _from_2(operations: Operations) -> None:
    """Objectives and rungs of seed runs, retests of trials."""
    operations.add_column("trials", Column("retest_of", Integer))
    for name in ("measures", "rungs"):
        operations.add_column("seed_runs", Column(name, JSON(none_as_null=True)))


def _from_3(operations: Operations) -> None:
    """How old the checkpoint was that an execution started from."""
    operations.add_column("executions", Column("resumed_at", Float))


_STEPS: dict[int, Callable[[Operations], None]] = {1: _from_1, 2: _from_2, 3: _from_3}

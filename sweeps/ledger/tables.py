"""Tables of the ledger. Only portable SQL: SQLite by default, PostgreSQL by URL.

One row of `studies` has many `trials`; a trial has one row of `seed_runs` a seed and one row of `executions` an
attempt. `lease` says which driver may write, and its `token` grows whenever the right to write changes hands.
Times are seconds since the epoch.

Whoever changes a table raises `SCHEMA_VERSION` and adds a step to `sweeps.ledger.migrations`.
"""

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
)

SCHEMA_VERSION = 4

metadata = MetaData()

schema = Table("ledger_schema", metadata, Column("version", Integer, primary_key=True, autoincrement=False))

studies = Table(
    "studies",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(255), nullable=False, unique=True),
    Column("spec_json", Text, nullable=False),
    Column("spec_sha256", String(64), nullable=False),
    Column("created_at", Float, nullable=False),
    Column("checkpoints", Text),  # folder or URL; null: in the study's folder
)

trials = Table(
    "trials",
    metadata,
    Column("study", Integer, ForeignKey("studies.id"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("key", Text, nullable=False),
    Column("arm", String(255), nullable=False),
    Column("params", JSON, nullable=False),
    Column("state", String(16), nullable=False),
    Column("mean_return", JSON(none_as_null=True)),  # records.Interval
    Column("mean_cost", JSON(none_as_null=True)),  # cost name -> records.Interval
    Column("feasible", Boolean),
    Column("failure", Text),
    Column("created_at", Float, nullable=False),
    Column("finished_at", Float),
    Column("continued", Boolean, nullable=False, server_default=false()),  # beyond the budget it began with
    Column("retest_of", Integer),  # number of the trial that it runs again on fresh seeds
    UniqueConstraint("study", "key"),
    Index("trials_by_state", "study", "state", "number"),
)

seed_runs = Table(
    "seed_runs",
    metadata,
    Column("study", Integer, primary_key=True),
    Column("trial", Integer, primary_key=True, autoincrement=False),
    Column("seed", Integer, primary_key=True, autoincrement=False),
    Column("position", Integer, nullable=False),  # in the order of the study's seeds
    Column("state", String(16), nullable=False),
    Column("env_steps", Integer, nullable=False),
    Column("iterations", Integer, nullable=False),
    Column("mean_return", Float),
    Column("mean_cost", JSON(none_as_null=True)),  # cost name -> mean
    Column("multiplier", JSON(none_as_null=True)),  # cost name -> last multiplier
    Column("failure", Text),
    Column("measures", JSON(none_as_null=True)),  # name -> value over the whole run
    Column("rungs", JSON(none_as_null=True)),  # rung -> return and costs there
    Column("cohort", Integer, nullable=False, server_default="0"),  # seeds of one cohort train together
    ForeignKeyConstraint(["study", "trial"], ["trials.study", "trials.number"]),
)

executions = Table(
    "executions",
    metadata,
    Column("study", Integer, primary_key=True),
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("trial", Integer, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("seeds", JSON, nullable=False),
    Column("state", String(16), nullable=False),
    Column("resume_from", Text),
    Column("token", Integer, nullable=False),  # of the driver that handed it out
    Column("asked_at", Float, nullable=False),
    Column("started_at", Float),
    Column("finished_at", Float),
    Column("failure", Text),
    Column("resumed_at", Float),  # when the checkpoint that it started from was taken
    ForeignKeyConstraint(["study", "trial"], ["trials.study", "trials.number"]),
    UniqueConstraint("study", "trial", "attempt"),
    Index("executions_by_state", "study", "state"),
)

lease = Table(
    "lease",
    metadata,
    Column("study", Integer, ForeignKey("studies.id"), primary_key=True),
    Column("token", Integer, nullable=False),
    Column("pid", Integer),
    Column("host", String(255)),
    Column("acquired_at", Float),
    Column("renewed_at", Float),
    Column("released_at", Float),
    Column("process_started_at", Float),  # a process id alone may be used again
    Column("expires_at", Float),
    Column("stop_requested_at", Float),
)

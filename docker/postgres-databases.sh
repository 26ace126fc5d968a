#!/usr/bin/env bash
# Creates the ledger's and MLflow's databases, each owned by a user that can open no other one. PostgreSQL's image runs it
# once, on an empty volume.
set -euo pipefail
secrets="${LAGSWEEP_SECRETS:-/run/secrets}"

# Passwords come from files through psql's own variables: they show in no list of processes, and quotes in them do no harm.
psql --quiet --no-psqlrc --set ON_ERROR_STOP=1 --username "${POSTGRES_USER:-postgres}" --dbname postgres <<SQL
\\set lagsweep_password \`cat "$secrets/ledger_password"\`
\\set mlflow_password \`cat "$secrets/mlflow_database_password"\`
CREATE ROLE lagsweep LOGIN PASSWORD :'lagsweep_password';
CREATE ROLE mlflow LOGIN PASSWORD :'mlflow_password';
CREATE DATABASE lagsweep OWNER lagsweep;
CREATE DATABASE mlflow OWNER mlflow;
REVOKE CONNECT, TEMPORARY ON DATABASE lagsweep, mlflow, postgres FROM PUBLIC;
SQL

#!/usr/bin/env bash
# What a container of Lagsweep's image runs:
#
#   head [options of `ray start`]               the head of a Ray cluster
#   worker HEAD:PORT [options of `ray start`]   a worker
#   mlflow [options of `lagsweep ui`]           MLflow's server behind a login
#   bucket URL                                  makes sure that a bucket is there, and ends
#   anything else                               that command, such as `lagsweep status STUDY`
#
# Secrets are files of /run/secrets (LAGSWEEP_SECRETS names another folder), each used where it is there:
#
#   ray_token           the cluster's token
#   database_password   of the database user in LAGSWEEP_LEDGER or MLFLOW_BACKEND_STORE_URI
#   mlflow_password     of MLflow's user `admin`
#   mlflow_secret_key   signs the cookies of MLflow's pages
#   s3_credentials      keys of the object store, as AWS's tools keep them
set -euo pipefail
tree="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
secrets="${LAGSWEEP_SECRETS:-/run/secrets}"
export PATH="$tree/.venv/bin:$PATH"

# set_secret VARIABLE FILE. A variable is visible to this user's processes, but not in a list of processes.
set_secret() {
  if [[ -e "$secrets/$2" ]]; then export "$1=$(<"$secrets/$2")"; fi
}

if [[ -e "$secrets/ray_token" ]]; then export RAY_AUTH_TOKEN_PATH="$secrets/ray_token"; fi
if [[ -e "$secrets/s3_credentials" ]]; then export AWS_SHARED_CREDENTIALS_FILE="$secrets/s3_credentials"; fi
set_secret PGPASSWORD database_password

case "${1:-}" in
  mlflow)
    shift
    export MLFLOW_AUTH_ADMIN_USERNAME=admin
    set_secret MLFLOW_AUTH_ADMIN_PASSWORD mlflow_password
    set_secret MLFLOW_FLASK_SERVER_SECRET_KEY mlflow_secret_key
    exec lagsweep ui --login --host 0.0.0.0 --port 5000 "$@"
    ;;
  bucket)
    exec python -c \
      'import sys; from pyarrow.fs import FileSystem as F; store, path = F.from_uri(sys.argv[1]); store.create_dir(path)' \
      "${2:?"must be the URL of a bucket, with allow_bucket_creation=true"}"
    ;;
  *) ;; # a client of MLflow: a study may be driven from every node
esac

export MLFLOW_TRACKING_USERNAME="${MLFLOW_TRACKING_USERNAME:-admin}"
set_secret MLFLOW_TRACKING_PASSWORD mlflow_password
case "${1:-}" in
  head)
    shift
    address="$(hostname -i)"
    # The dashboard listens on the containers' network; compose.yaml publishes it on the host's loopback only.
    exec "$tree/cluster/head.sh" --node-ip-address "${address%% *}" --dashboard-host 0.0.0.0 "$@"
    ;;
  worker)
    shift
    exec "$tree/cluster/worker.sh" "$@"
    ;;
  *) exec "${@:-lagsweep}" ;;
esac

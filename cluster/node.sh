# shellcheck shell=bash
# Read by head.sh and worker.sh: what holds for every node of a cluster.

# The environment beside this folder, in a working tree as in the image.
PATH="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)/.venv/bin:$PATH"

# Nobody reaches this cluster without its token. All nodes and all clients have the same one, in a file.
export RAY_AUTH_MODE=token
: "${RAY_AUTH_TOKEN_PATH:?"must name a file with the token of the cluster: head -c 32 /dev/urandom | base64 -w0 > FILE"}"
export RAY_AUTH_TOKEN_PATH
if [[ ! -r "$RAY_AUTH_TOKEN_PATH" ]]; then
  echo "RAY_AUTH_TOKEN_PATH: $RAY_AUTH_TOKEN_PATH cannot be read" >&2
  exit 2
fi
token_length=$(tr -d '[:space:]' <"$RAY_AUTH_TOKEN_PATH" | wc -c)
if ((token_length < 32)); then
  echo "RAY_AUTH_TOKEN_PATH: a token must have at least 32 characters, but $RAY_AUTH_TOKEN_PATH has $token_length" >&2
  exit 2
fi

# Ray lets every user of the machine write its folder, from which it runs code: it lies in one that only this user enters.
if [[ -z "${LAGSWEEP_RAY_FOLDER:-}" ]]; then
  private="/tmp/ray-of-$(id -u)"
  mkdir -m 700 "$private" 2>/dev/null || true
  if [[ -L "$private" || ! -O "$private" || "$(stat -c %a "$private")" != 700 ]]; then
    echo "$private must be a folder of this user that nobody else may enter (mode 700): remove it, or set LAGSWEEP_RAY_FOLDER" >&2
    exit 2
  fi
  export LAGSWEEP_RAY_FOLDER="$private/${SLURM_JOB_ID:-ray}"
fi

# Ray offers its metrics to everybody, token or not: no, unless LAGSWEEP_RAY_METRICS=1, where a firewall stands before it.
if [[ "${LAGSWEEP_RAY_METRICS:-0}" != 1 ]]; then
  export RAY_enable_metrics_collection=0
  export DASHBOARD_METRIC_PORT=-1 AUTOSCALER_METRIC_PORT=-1 # no port: Ray has no other switch for these two, and logs it
fi

export RAY_USAGE_STATS_ENABLED=0                  # nothing calls home
export RAY_agent_register_timeout_ms=120000       # ms; on a busy machine Ray gives up on its own agents too soon
export RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO=0       # a trial without GPUs keeps the variables that hide them
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"    # threads; Ray runs a process a core
export MLFLOW_ALLOW_PICKLE_DESERIALIZATION="${MLFLOW_ALLOW_PICKLE_DESERIALIZATION:-false}"

# Rows of results are all that goes through Ray's object store. Bytes; it lies in /dev/shm.
export LAGSWEEP_OBJECT_STORE_BYTES="${LAGSWEEP_OBJECT_STORE_BYTES:-209715200}"

#!/usr/bin/env bash
# Joins this machine to a Ray cluster and stays; SIGTERM or Ctrl-C lets trials go, and ends it and all that it started.
#
#   export RAY_AUTH_TOKEN_PATH=$HOME/.lagsweep/ray-token   # the token of the head
#   cluster/worker.sh 10.0.0.1:6379                        # further options are those of `ray start`
#
#   LAGSWEEP_HEAD_TIMEOUT   seconds to wait until the head answers (default 300)
#
# A machine that may be taken away has nothing to do: its trials go on elsewhere from their last checkpoints.
set -euo pipefail
# shellcheck source=cluster/node.sh
source "$(dirname "${BASH_SOURCE[0]}")/node.sh"

head="${1:?"must be the address of the head, such as 10.0.0.1:6379"}"
shift
timeout="${LAGSWEEP_HEAD_TIMEOUT:-300}"
until ray health-check --address "$head" >/dev/null 2>&1; do
  if ((SECONDS >= timeout)); then
    echo "the head at $head does not answer within $timeout s: is it up, does a firewall let port ${head##*:} through," \
      "and is the token the same?" >&2
    exit 5
  fi
  sleep 2
done

exec ray start --address "$head" --block --disable-usage-stats --temp-dir "$LAGSWEEP_RAY_FOLDER" \
  --object-store-memory "$LAGSWEEP_OBJECT_STORE_BYTES" "$@"

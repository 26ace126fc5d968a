#!/usr/bin/env bash
# Starts the head of a Ray cluster and stays; SIGTERM or Ctrl-C ends it and all that it started.
#
#   export RAY_AUTH_TOKEN_PATH=$HOME/.lagsweep/ray-token   # the cluster's token, 32 characters or more, mode 600
#   cluster/head.sh --node-ip-address 10.0.0.1             # further options are those of `ray start`
#
# In the background, without a service manager:
#
#   nohup cluster/head.sh --node-ip-address 10.0.0.1 >head.log 2>&1 & echo $! >head.pid
#   kill "$(cat head.pid)"
#
#   LAGSWEEP_RAY_FOLDER    folder of Ray's logs and sockets, in a place that nobody else may enter (default: below
#                          /tmp/ray-of-UID, mode 700)
#
# The dashboard and the Jobs API listen on loopback, since they have no TLS: reach them through `ssh -L 8265:127.0.0.1:8265
# head`, or behind a proxy with TLS by --dashboard-host. Workers need ports 6379 (GCS) and 1024-65535 (among nodes);
# let nobody else reach them.
set -euo pipefail
# shellcheck source=cluster/node.sh
source "$(dirname "${BASH_SOURCE[0]}")/node.sh"

exec ray start --head --block --disable-usage-stats \
  --port 6379 --dashboard-host 127.0.0.1 --dashboard-port 8265 \
  --temp-dir "$LAGSWEEP_RAY_FOLDER" \
  --object-store-memory "$LAGSWEEP_OBJECT_STORE_BYTES" "$@"

#!/usr/bin/env bash
# Raises a Ray cluster in a Slurm allocation, runs a study on it, and ends it.
#
#   sbatch --nodes 4 --cpus-per-task 32 cluster/slurm.sh lambda-profile-circle1.yaml [options of `lagsweep drive`]
#
# Submitted again, or requeued after a preemption, it goes on where the study was. Needs, on a file system that all
# nodes share: this working tree (`make install` once), the storage folder, checkpoints, and $HOME, where the token lies.
#
#   LAGSWEEP_STORAGE       storage folder (default: ./lagsweep-runs)
#   LAGSWEEP_CHECKPOINTS   where checkpoints go, if not with the study
#   LAGSWEEP_LEDGER        postgresql://… where the storage folder is on a network file system: SQLite's locks do not work
#                          there (its password: PGPASSFILE)
#   MLFLOW_TRACKING_URI    the team's MLflow server; without it runs are kept in the storage folder
#
#SBATCH --job-name=lagsweep
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=16       # cores of a node; a trial takes one
#SBATCH --mem-per-cpu=2G         # a trial of ten seeds takes about 1 GiB, Ray itself about 1 GiB a node
#SBATCH --time=24:00:00          # h:min:s
#SBATCH --signal=B:TERM@120      # s before the end: the study stops and takes checkpoints
#SBATCH --requeue
#SBATCH --open-mode=append
set -euo pipefail
: "${SLURM_JOB_ID:?"must be submitted with sbatch"}" "${SLURM_JOB_NODELIST:?}" "${SLURM_SUBMIT_DIR:?}"
study="${1:?"must be a study file, or the name of a shipped study"}"
shift

# Slurm runs a copy of this script from its spool folder: the working tree is where it was submitted.
tree="${LAGSWEEP_TREE:-$SLURM_SUBMIT_DIR}"
if [[ ! -x "$tree/.venv/bin/lagsweep" ]]; then
  echo "$tree must be the working tree, with .venv: submit from there, or set LAGSWEEP_TREE" >&2
  exit 2
fi
export LAGSWEEP_STORAGE="${LAGSWEEP_STORAGE:-$tree/lagsweep-runs}"

# A token for this job only, in a folder that only its user can enter.
keys="$HOME/.lagsweep"
mkdir -p "$keys"
chmod 700 "$keys"
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH="$keys/slurm-$SLURM_JOB_ID.token"
(umask 077 && head -c 32 /dev/urandom | base64 -w0 >"$RAY_AUTH_TOKEN_PATH")

# Two jobs may share a node: folders of their own (node.sh), and the ports that we choose by the job's number, alike for two
# jobs only where theirs differ by a multiple of 10 000. Ray picks the others among free ones.
port=$((20000 + SLURM_JOB_ID % 10000))
mapfile -t nodes < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
address="$(srun --nodes 1 --ntasks 1 --nodelist "${nodes[0]}" hostname --ip-address | awk '{print $1}'):$port"
cpus="${SLURM_CPUS_PER_TASK:-$SLURM_CPUS_ON_NODE}"
gpus="${SLURM_GPUS_ON_NODE:-0}"
resources=(--num-cpus "$cpus" --num-gpus "$gpus")

started=()
# shellcheck disable=SC2329  # called by the trap
finish() {
  status=$?
  trap - EXIT
  # Workers first: the head tells them nothing when it goes.
  for ((i = ${#started[@]} - 1; i >= 0; i--)); do
    kill -TERM "${started[i]}" 2>/dev/null || true
    wait "${started[i]}" || true
  done
  rm -f "$RAY_AUTH_TOKEN_PATH"
  exit "$status"
}
trap finish EXIT

# --overlap: the driver runs on the head's node beside it.
step=(srun --overlap --nodes 1 --ntasks 1 --cpus-per-task "$cpus")
"${step[@]}" --nodelist "${nodes[0]}" "$tree/cluster/head.sh" --node-ip-address "${address%:*}" --port "$port" \
  --dashboard-port $((port + 10000)) "${resources[@]}" &
started+=($!)
for node in "${nodes[@]:1}"; do
  "${step[@]}" --nodelist "$node" "$tree/cluster/worker.sh" "$address" "${resources[@]}" &
  started+=($!)
done
# All nodes: the study takes as many trials at once as fit on those that it finds.
until (($("$tree/.venv/bin/ray" status --address "$address" 2>/dev/null | grep -c ' node_') >= ${#nodes[@]})); do
  for step_pid in "${started[@]}"; do
    kill -0 "$step_pid" || exit 5
  done
  sleep 2
done

# In the background, so that this shell can pass on the signal that Slurm sends it before the end.
RAY_ADDRESS="$address" "$tree/.venv/bin/lagsweep" drive "$study" "$@" &
driver=$!
trap 'kill -TERM "$driver"' TERM INT
status=0
while kill -0 "$driver" 2>/dev/null; do
  wait "$driver" && status=0 || status=$?
done
exit "$status"

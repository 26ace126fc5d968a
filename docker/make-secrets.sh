#!/usr/bin/env bash
# Writes random secrets for compose.yaml into docker/secrets (or the folder given); what is there already stays.
#
# The folder can be entered by its owner only. The files in it can be read by everybody who got that far: a container sees
# a file with the owner and the mode that it has here, and each part of the stack runs as a user of its own.
set -euo pipefail
folder="${1:-"$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/secrets"}"
mkdir -p "$folder"
chmod 700 "$folder"
cd "$folder"

random() { head -c "$1" /dev/urandom | base64 -w0 | tr '+/' '-_' | tr -d '='; }

for name in ray_token postgres_password ledger_password mlflow_database_password mlflow_password mlflow_secret_key; do
  [[ -s "$name" ]] || random 32 >"$name"
done
if [[ ! -s s3_credentials || ! -s s3_identities.json ]]; then
  key="lagsweep$(random 9)"
  secret="$(random 32)"
  printf '[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n' "$key" "$secret" >s3_credentials
  # The same for the store; nobody without keys gets anything.
  printf '{"identities": [{"name": "lagsweep", "credentials": [{"accessKey": "%s", "secretKey": "%s"}], "actions": ["Admin"]}]}\n' \
    "$key" "$secret" >s3_identities.json
fi
chmod 444 ./*

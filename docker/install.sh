#!/usr/bin/env bash
# Installs what uv.lock says into .venv, for CPUs or for CUDA: install.sh cpu|cuda [options of `uv sync`]
#
# The lock file has the CUDA build of torch, whose libraries take gigabytes. For CPUs the same version of torch comes from
# PyTorch's own index, which uv knows as its `cpu` backend; everything else is as locked.
set -euo pipefail
build="${1:?"must be cpu or cuda"}"
shift

case "$build" in
  cuda) exec uv sync --frozen --no-dev "$@" ;;
  cpu) ;;
  *)
    echo "the build must be cpu or cuda, but got $build" >&2
    exit 2
    ;;
esac

skipped=()
while read -r name; do
  skipped+=(--no-install-package "$name")
done < <(grep -oP '^name = "\K(torch|triton|nvidia-[^"]+|cuda-[^"]+)(?=")' uv.lock)
version="$(grep -A1 '^name = "torch"$' uv.lock | grep -oP '^version = "\K[^"]+')"

# --inexact: what a second call finds of the first one, torch itself, stays.
uv sync --frozen --no-dev --inexact "${skipped[@]}" "$@"
uv pip install --no-deps --torch-backend cpu "torch==$version"

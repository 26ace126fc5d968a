"""What a machine has: shared memory, disk, GPU."""

import shutil
import subprocess
from pathlib import Path

from sweeps.cluster.doctor.finding import Finding, ok, warning

SHARED_MEMORY = Path("/dev/shm")
_GIB = 2**30
LEAST_SHARED = 256 * 2**20
"""Bytes: above our object store's 200 MiB. A container gets 64 MiB unless told otherwise; Ray then uses the disk."""

_NVIDIA_S = 60.0


def check_shared_memory(path: Path = SHARED_MEMORY) -> list[Finding]:
    """Whether Ray's object store has room in memory."""
    if not path.is_dir():
        return []
    free = shutil.disk_usage(path).free
    message = f"{free / _GIB:.1f} GiB of {path} are free"
    if free < LEAST_SHARED:
        return [warning("shared memory", message, "run the container with --shm-size=512m, or free some of it")]
    return [ok("shared memory", message)]


def check_gpu() -> list[Finding]:
    """Whether torch can use the GPU that the machine has."""
    import torch

    names, fault = query_gpus()
    if fault is not None:
        return [warning("gpu", fault, "run nvidia-smi; mend the driver, or leave GPUs alone")]
    if not names:
        return [ok("gpu", "none; trials train on CPU cores")]
    listed = ", ".join(names)
    if torch.version.cuda is None:
        help = "install the CUDA build of torch (the image's build argument), or leave GPUs alone"
        return [warning("gpu", f"{listed}, but torch {torch.__version__} is built for CPUs", help)]
    if not torch.cuda.is_available():
        help = "update the driver, and give the container its GPUs (--gpus all, or a nvidia.com/gpu limit)"
        return [warning("gpu", f"{listed}, but torch for CUDA {torch.version.cuda} cannot use it", help)]
    return [ok("gpu", f"{listed}, torch for CUDA {torch.version.cuda}")]


def query_gpus() -> tuple[list[str], str | None]:
    """NVIDIA GPUs with their driver, as nvidia-smi names them, and what is wrong where it does not."""
    command = shutil.which("nvidia-smi")
    if command is None:
        return [], None
    query = [command, "--query-gpu=name,driver_version", "--format=csv,noheader"]
    try:
        said = subprocess.run(query, capture_output=True, text=True, timeout=_NVIDIA_S, check=False)
    except subprocess.TimeoutExpired:
        return [], f"nvidia-smi does not answer within {_NVIDIA_S:g} s"
    if said.returncode != 0:
        return [], f"nvidia-smi fails: {(said.stderr or said.stdout).strip()}"
    lines = (line.rpartition(", ") for line in said.stdout.splitlines() if line.strip())
    return [f"{name} (driver {driver})" for name, _, driver in lines], None

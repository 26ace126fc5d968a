"""What a machine has: shared memory, disk, GPU."""

import shutil
import subprocess
from pathlib import Path

from sweeps.cluster.doctor.finding import Finding, ok, warning

SHARED_MEMORY = Path("/dev/shm")
_GIB = 2**30
_LEAST_SHARED = 1 * _GIB  # a container gets 64 MiB unless told otherwise; Ray then puts its objects on the disk


def check_shared_memory(path: Path = SHARED_MEMORY) -> list[Finding]:
    """Whether Ray's object store has room in memory."""
    if not path.is_dir():
        return []
    free = shutil.disk_usage(path).free
    message = f"{free / _GIB:.1f} GiB of {path} are free"
    if free < _LEAST_SHARED:
        return [warning("shared memory", message, "run the container with --shm-size=2g, or free some of it")]
    return [ok("shared memory", message)]


def check_gpu() -> list[Finding]:
    """Whether torch can use the GPU that the machine has."""
    import torch

    names = _gpu_names()
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


def _gpu_names() -> list[str]:
    """NVIDIA GPUs with their driver, as nvidia-smi names them."""
    command = shutil.which("nvidia-smi")
    if command is None:
        return []
    query = [command, "--query-gpu=name,driver_version", "--format=csv,noheader"]
    said = subprocess.run(query, capture_output=True, text=True, timeout=60.0, check=False)
    if said.returncode != 0:
        return [f"nvidia-smi fails: {(said.stderr or said.stdout).strip()}"]
    return [f"{name} (driver {driver})" for name, driver in (line.split(", ") for line in said.stdout.splitlines())]

"""Whether torch can compute on the GPU that a trial reserves: Ray hands out what a node says that it has."""

import socket

import ray
from ray.exceptions import GetTimeoutError

from sweeps.errors import SweepError

_ANSWER_S = 60.0
_SHARE = 0.01  # of a GPU, for a look


def require_gpu() -> None:
    """Checks, in the process of a trial, that torch can compute on a GPU.

    Raises:
        SweepError: If it cannot; names the machine.
    """
    if fault := _fault():
        raise _no_gpu(fault)


def check_gpu(gpus: float) -> None:
    """Checks on one of the cluster's GPUs, before any trial is handed out, that torch can compute there.

    Nothing is known, and no trial kept back, while no node with a GPU is there or all of them are taken: each trial
    checks it once more where it trains.

    Args:
        gpus: What a trial reserves; 0 needs no GPU.

    Raises:
        SweepError: If torch cannot; names the machine.
    """
    if not gpus or not any(node["Resources"].get("GPU") for node in ray.nodes() if node["Alive"]):
        return
    look = ray.remote(num_cpus=0, num_gpus=_SHARE, max_retries=0)(_fault).remote()
    try:
        fault = ray.get(look, timeout=_ANSWER_S)
    except GetTimeoutError:
        ray.cancel(look)
        return
    if fault is not None:
        raise _no_gpu(fault)


def _fault() -> str | None:
    """Why torch cannot compute on a GPU in this process; None: it can."""
    import torch

    if torch.cuda.is_available():
        return None
    built = "CPUs" if torch.version.cuda is None else f"CUDA {torch.version.cuda}"
    return f"torch {torch.__version__}, built for {built}, can use no GPU of {socket.gethostname()}"


def _no_gpu(fault: str) -> SweepError:
    return SweepError(
        f"`a trial that reserves a GPU computes on it` must hold, but {fault}.",
        code="no-gpu",
        help="`lagsweep doctor` says what that machine lacks; or leave out --gpus-per-trial",
    )

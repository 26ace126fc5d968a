"""Every node of the Ray cluster that this process belongs to: versions, clock, disk, and whether storage is shared."""

import shutil
import socket
import time
import uuid
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from sweeps.cluster.doctor.clocks import check_clock
from sweeps.cluster.doctor.finding import Finding, failure, ok, warning
from sweeps.cluster.doctor.machine import LEAST_SHARED, SHARED_MEMORY, query_gpus
from sweeps.cluster.doctor.places import LEAST_DISK
from sweeps.cluster.versions import list_differences, own_versions
from sweeps.errors import ExitCode

_ANSWER_S = 120.0
_GIB = 2**30


def check_nodes(folder: Path, *, must_share: bool) -> list[Finding]:
    """Runs a task on every node that lives.

    Args:
        folder: A folder that every node should see: of checkpoints, or the storage folder.
        must_share: Whether trials need it on every node.
    """
    folder.mkdir(parents=True, exist_ok=True)
    marker = folder / f".doctor-{uuid.uuid4().hex[:8]}"
    marker.write_text(socket.gethostname(), encoding="utf-8")
    try:
        nodes = [node for node in ray.nodes() if node["Alive"]]
        found = [finding for node in nodes for finding in _check_node(node, marker, must_share=must_share)]
    finally:
        marker.unlink(missing_ok=True)
    return [ok("nodes", f"{len(nodes)} alive"), *found]


def _check_node(node: dict[str, Any], marker: Path, *, must_share: bool) -> list[Finding]:
    name = f"node {node['NodeManagerAddress']} ({node['NodeID'][:8]})"
    strategy = NodeAffinitySchedulingStrategy(node_id=node["NodeID"], soft=False)
    task = ray.remote(num_cpus=0, max_retries=0)(_inspect).options(scheduling_strategy=strategy)
    sockets = str(Path(node["ObjectStoreSocketName"]).parent)  # in Ray's folder for temporary files
    try:
        ray.get(
            task.remote(str(marker), sockets), timeout=_ANSWER_S
        )  # its worker has started; the next answer is quick
        asked = time.time()
        seen = ray.get(task.remote(str(marker), sockets), timeout=_ANSWER_S)
        answered = time.time()
    except (RayError, TimeoutError) as error:
        cause = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        help = "see its logs (raylet.out, and dashboard_agent.log), or take it out of the cluster"
        return [failure("nodes", f"{name} runs no task: {cause}", help, ExitCode.UNREACHABLE)]
    return [
        *_compare_versions(name, seen["versions"]),
        *check_clock(name, seen["time"], asked, answered),
        *_judge_sharing(name, marker.parent, seen=seen["sees_marker"], must_share=must_share),
        *_judge_memory(name, seen["shared_memory"]),
        *_judge_disk(name, seen["disk"]),
        *_judge_gpus(name, *seen["gpus"]),
    ]


def _inspect(marker: str, sockets: str) -> dict[str, Any]:
    """What a node tells of itself."""
    folders = {"storage": Path(marker).parent, "Ray's temporary files": Path(sockets)}
    return {
        "versions": own_versions(),
        "time": time.time(),
        "sees_marker": Path(marker).exists(),
        "shared_memory": shutil.disk_usage(SHARED_MEMORY).free if SHARED_MEMORY.is_dir() else None,
        "disk": {what: shutil.disk_usage(folder).free for what, folder in folders.items() if folder.is_dir()},
        "gpus": query_gpus(),
    }


def _compare_versions(name: str, there: dict[str, str]) -> list[Finding]:
    if different := list_differences(there):
        return [failure("versions", f"{name}: {', '.join(different)}.", "start every node from the same image")]
    return []


def _judge_sharing(name: str, folder: Path, *, seen: bool, must_share: bool) -> list[Finding]:
    if seen:
        return [ok("storage", f"{name} sees {folder}")]
    help = "mount the same folder on every node, or set LAGSWEEP_CHECKPOINTS to a URL such as s3://bucket/checkpoints"
    level = failure if must_share else warning
    return [level("storage", f"{name} does not see {folder}: its trials cannot go on elsewhere", help)]


def _judge_memory(name: str, free: int | None) -> list[Finding]:
    if free is None or free >= LEAST_SHARED:
        return []
    help = "run the container with --shm-size=512m, or mount a memory-backed volume at /dev/shm"
    return [warning("shared memory", f"{name}: {free / 2**20:.0f} MiB of /dev/shm are free", help)]


def _judge_disk(name: str, free: dict[str, int]) -> list[Finding]:
    message = f"{name}: {', '.join(f'{amount / _GIB:.1f} GiB free for {what}' for what, amount in free.items())}"
    if any(amount < LEAST_DISK for amount in free.values()):
        return [warning("disk", message, "free some disk there; Ray starts nothing on a disk that is almost full")]
    return [ok("disk", message)]


def _judge_gpus(name: str, gpus: list[str], fault: str | None) -> list[Finding]:
    if fault is not None:
        return [warning("gpu", f"{name}: {fault}", "run nvidia-smi there; mend the driver, or leave its GPUs alone")]
    return [ok("gpu", f"{name}: {', '.join(gpus)}")] if gpus else []

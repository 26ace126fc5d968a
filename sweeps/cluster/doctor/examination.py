"""All checks of this machine, and of the cluster that it belongs to or talks to."""

import os
from pathlib import Path

from sweeps.cluster.address import is_dashboard
from sweeps.cluster.doctor.finding import Finding, Level, of_error, ok
from sweeps.cluster.doctor.machine import check_gpu, check_shared_memory
from sweeps.cluster.doctor.places import check_checkpoints, check_ledger, check_storage
from sweeps.cluster.doctor.servers import check_dashboard, check_head, check_mlflow, check_token
from sweeps.cluster.doctor.versions import check_versions
from sweeps.errors import SweepError


def examine_machine(storage: Path, *, several_machines: bool = False) -> list[Finding]:
    """Checks what a study on this machine needs.

    Args:
        storage: The storage folder, absolute.
        several_machines: Whether workers on other machines need its ledger and checkpoints too.
    """
    return [
        *check_versions(),
        *check_storage(storage),
        *check_checkpoints(several_machines=several_machines),
        *check_ledger(storage, several_machines=several_machines),
        *check_mlflow(storage),
        *check_shared_memory(),
        *check_gpu(),
    ]


def examine_here(storage: Path) -> list[Finding]:
    """Checks this machine, and every node of the Ray cluster that RAY_ADDRESS names, if it names one."""
    address = os.environ.get("RAY_ADDRESS", "")
    if not address or is_dashboard(address):
        return [*examine_machine(storage), ok("ray", "no cluster: a study starts a Ray of its own")]
    import ray

    from sweeps.cluster.doctor.nodes import check_nodes
    from sweeps.running.ray_session import connected

    checkpoints = os.environ.get("LAGSWEEP_CHECKPOINTS") or str(storage)
    in_store = "://" in checkpoints
    try:
        with connected(None):
            dashboard = ray.init(ignore_reinit_error=True).dashboard_url or ""  # of the connection that stands
            nodes = check_dashboard(dashboard)
            nodes += check_nodes(storage if in_store else Path(checkpoints), must_share=not in_store)
    except SweepError as error:
        nodes = [of_error("ray", error)]
    several = sum(found.check == "clock" for found in nodes) > 1
    return [*examine_machine(storage, several_machines=several), *check_token(), *nodes]


def examine_cluster(address: str) -> list[Finding]:
    """Checks a cluster from a client: what it sees itself, and what a job there finds.

    Args:
        address: URL of the head's dashboard.
    """
    found = [*check_versions(), *check_token(), *check_head(address)]
    if any(finding.check == "ray" and finding.level is Level.FAILURE for finding in found):
        return found
    from sweeps.cluster.client import SweepClient

    try:
        answer = SweepClient(address).ask(["doctor"])
    except SweepError as error:
        return [*found, of_error("ray", error)]
    return [*found, *(Finding.from_dict(finding) for finding in answer["findings"])]

"""`lagsweep ui`: MLflow's pages for the studies of a storage folder."""

import os
from pathlib import Path

from rich.console import Console

from sweeps.tracking.server import Address, start, stop
from sweeps.tracking.store import without_credentials
from sweeps.tracking.team import AUTH_NAME


def serve(storage: Path, address: Address | None = None, console: Console | None = None) -> None:
    """Serves MLflow's interface until Ctrl-C, and prints where it is.

    Where it already runs, or `MLFLOW_TRACKING_URI` names a server, only the address is printed.

    Args:
        storage: The storage folder.
        address: Where to listen; by default on the loopback interface only.
        console: Where to print; standard output by default.

    Raises:
        NotFoundError: If there is no such folder.
        UnreachableError: If the server does not start.
    """
    console, address = console or Console(), address or Address()
    elsewhere = os.environ.get("MLFLOW_TRACKING_URI", "")
    if elsewhere.startswith(("http://", "https://")):
        console.print(f"MLflow is at {without_credentials(elsewhere)} (MLFLOW_TRACKING_URI).", soft_wrap=True)
        return
    server = start(storage, address)
    if server.process is None:
        console.print(f"MLflow already serves {storage} at {server.url}", soft_wrap=True)
        return
    console.print(f"MLflow serves {storage} at {server.url} (Ctrl-C ends it)", soft_wrap=True)
    if address.login:
        console.print(
            f"Its administrator is in {storage / AUTH_NAME}, unless MLFLOW_AUTH_ADMIN_* name one.", soft_wrap=True
        )
    try:
        server.process.wait()
    except KeyboardInterrupt:
        console.print("MLflow's interface has ended; the data stay.")
    finally:
        stop(storage, server)

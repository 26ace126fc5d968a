"""`lagsweep ui`: MLflow's pages for the studies of a storage folder."""

import json
import os
from pathlib import Path

from rich.console import Console

from sweeps.tracking.server import Address, start, stop
from sweeps.tracking.store import without_credentials
from sweeps.tracking.team import AUTH_NAME


def serve(
    storage: Path, address: Address | None = None, console: Console | None = None, *, as_json: bool = False
) -> None:
    """Serves MLflow's interface until Ctrl-C, and prints where it is.

    Where it already runs, or `MLFLOW_TRACKING_URI` names a server, only the address is printed.

    Args:
        storage: The storage folder.
        address: Where to listen; by default on the loopback interface only.
        console: Where to print; standard output by default.
        as_json: Whether to print one line of JSON, with the address and whether this process serves it.

    Raises:
        NotFoundError: If there is no such folder.
        UnreachableError: If the server does not start.
    """
    console, address = console or Console(), address or Address()

    def say(sentence: str, url: str, *, serves: bool) -> None:
        said = json.dumps({"url": url, "storage": str(storage), "serves": serves}) if as_json else sentence
        console.print(said, soft_wrap=True, markup=False, highlight=not as_json)

    elsewhere = os.environ.get("MLFLOW_TRACKING_URI", "")
    if elsewhere.startswith(("http://", "https://")):
        url = without_credentials(elsewhere)
        say(f"MLflow is at {url} (MLFLOW_TRACKING_URI).", url, serves=False)
        return
    server = start(storage, address)
    if server.process is None:
        say(f"MLflow already serves {storage} at {server.url}", server.url, serves=False)
        return
    say(f"MLflow serves {storage} at {server.url} (Ctrl-C ends it)", server.url, serves=True)
    if address.login and not as_json:
        console.print(
            f"Its administrator is in {storage / AUTH_NAME}, unless MLFLOW_AUTH_ADMIN_* name one.", soft_wrap=True
        )
    try:
        server.process.wait()
    except KeyboardInterrupt:
        if not as_json:
            console.print("MLflow's interface has ended; the data stay.")
    finally:
        stop(storage, server)

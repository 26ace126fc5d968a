"""Commands about MLflow: sync, ui."""

from typing import Annotated

import typer

from sweeps.cli.options import NameArgument, StorageOption
from sweeps.cli.output import Document, DocumentOption, show_json


def register(app: typer.Typer) -> None:
    """Adds the commands of this module."""
    for command in (sync, ui):
        app.command(command.__name__)(command)


def sync(
    name: NameArgument,
    storage: StorageOption = None,
    timeout: Annotated[float, typer.Option(min=1.0, help="Most seconds to wait while MLflow answers.")] = 3600.0,
    output: DocumentOption = Document.TABLE,
) -> None:
    """Send MLflow what it has not got of a study that no process drives."""
    from sweeps.study import load_study

    load_study(name, storage).sync(timeout)
    if output == "json":
        show_json({"name": name, "synced": True})
    else:
        typer.echo(f"{name}: MLflow has everything")


def ui(
    storage: StorageOption = None,
    port: Annotated[int, typer.Option(min=1, max=65535, help="First port to try.")] = 5000,
    host: Annotated[str, typer.Option(help="Interface to listen on; others than loopback need --login.")] = "127.0.0.1",
    login: Annotated[bool, typer.Option("--login", help="Nothing answers without a login.")] = False,
    allowed_hosts: Annotated[
        str | None, typer.Option(help="Names by which browsers may call it, separated by commas.")
    ] = None,
    output: DocumentOption = Document.TABLE,
) -> None:
    """Serve MLflow's interface to the studies of a storage folder, until Ctrl-C or SIGTERM.

    MLFLOW_BACKEND_STORE_URI and MLFLOW_ARTIFACTS_DESTINATION name another database and artifact store: they may hold
    passwords, so they are no options. JSON: one line, with where it is.
    """
    import signal

    from sweeps.storage import storage_folder
    from sweeps.tracking.server import Address
    from sweeps.tracking.ui import serve

    for number in (signal.SIGINT, signal.SIGTERM):  # what containers send, and Ctrl-C where a shell had it ignored
        signal.signal(number, signal.default_int_handler)
    address = Address(port=port, host=host, login=login, allowed_hosts=allowed_hosts)
    serve(storage_folder(storage), address, as_json=output == "json")

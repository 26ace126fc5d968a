"""Commands whose study is on a cluster: answered by the ledger where it can be reached, else by a short job there."""

import os
import time
from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING, Any

import typer

from sweeps.errors import SweepError, UnreachableError

if TYPE_CHECKING:
    from sweeps.cluster.client import SweepClient

_ANSWER_S = 300.0


def reaches_ledger() -> bool:
    """Whether this machine may know the cluster's ledger: a database server, not a file of its own."""
    return bool(os.environ.get("LAGSWEEP_LEDGER"))


def connect(address: str) -> "SweepClient":
    """The cluster at an address; one that asks nobody for a token will do, since nothing is submitted to it.

    Args:
        address: URL of the cluster's dashboard.
    """
    from sweeps.cluster.client import SweepClient

    return SweepClient(address, allow_open=True)


def answer(
    address: str | None, arguments: Sequence[str], local: Callable[[], Any], *, timeout_s: float | None = _ANSWER_S
) -> Any:
    """What a command has to say about the studies of this machine or of a cluster.

    Args:
        address: URL of the cluster's dashboard; None: this machine.
        arguments: The command for the cluster, which prints the same as JSON.
        local: Reads the answer from the ledger.
        timeout_s: Seconds to wait for the cluster; None: as long as it takes.

    Returns:
        The answer, in what JSON knows.
    """
    if address is None:
        return local()
    if reaches_ledger():
        try:
            return local()
        except UnreachableError as error:
            typer.echo(f"asking the cluster: {error.message}", err=True)
    return connect(address).ask(arguments, timeout_s=timeout_s)


def show_logs(address: str, study: str, *, follow: bool) -> None:
    """Prints what a study's job has written, or writes until it ends; Ctrl-C leaves it running."""
    client = connect(address)
    if not follow:
        typer.echo(client.logs(study), nl=False)
        return
    try:
        for piece in client.follow(study):
            typer.echo(piece, nl=False)
    except KeyboardInterrupt:
        return


def looks(address: str, study: str, interval_s: float) -> Generator[dict[str, Any]]:
    """What `lagsweep watch` sees on the cluster, look by look, until the study ends or no job of it is left."""
    from sweeps.cluster.answers import read_lines

    client = connect(address)
    words = ["watch", study, "--interval", str(interval_s)]
    try:
        while True:
            last: dict[str, Any] = {}
            has_job = client.has_job(study)  # asked first: what a job does until its end is seen in one more look
            try:
                for last in read_lines(client.stream(words)):
                    yield last
            except SweepError as error:
                if error.code != "no-study" or not has_job:
                    raise
            if last.get("finished") or not has_job:
                return
            time.sleep(interval_s)  # its job waits for a node, or starts its driver
    except KeyboardInterrupt:
        return

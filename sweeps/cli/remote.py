"""Commands whose study is on a cluster: answered by the ledger where it can be reached, else by a short job there."""

import os
import time
from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING, Any

import typer

from sweeps.errors import SweepError, UnreachableError
from sweeps.records import State

if TYPE_CHECKING:
    from sweeps.cluster.client import SweepClient

_ANSWER_S = 300.0
_UNENDED = ("PENDING", "RUNNING", "FAILED")


def reaches_ledger() -> bool:
    """Whether this machine may know the cluster's ledger: a database server, not a file of its own."""
    return bool(os.environ.get("LAGSWEEP_LEDGER"))


def connect(address: str) -> "SweepClient":
    """The cluster at an address; one that asks nobody for a token will do, since no study is submitted.

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


def describe_job(address: str, study: str) -> dict[str, Any] | None:
    """The job that drives a study, or the last one that did: `id`, `status` and Ray's `message`.

    Args:
        address: URL of the cluster's dashboard.
        study: Its name.

    Returns:
        The job; None where the cluster remembers none.
    """
    job = connect(address).last_jobs().get(study)
    if job is None:
        return None
    return {"id": job.submission_id, "status": job.status.value, "message": job.message}


def add_jobs(address: str, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Adds to a list of studies how their jobs stand, and those whose job has not told the ledger of them yet."""
    from sweeps.cluster.submission import task_of

    jobs = connect(address).last_jobs()
    known = {row["study"] for row in rows}
    states = {name: job.status.value for name, job in jobs.items()}
    nothing = {state.lower(): 0 for state in State}
    waiting: list[dict[str, Any]] = [
        {"study": name, "task": task_of(job), **nothing}
        for name, job in jobs.items()
        if name not in known and states[name] in _UNENDED  # one that ended well: its study was deleted since
    ]
    return [row | {"job": states.get(row["study"])} for row in [*rows, *waiting]]


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

"""Commands about a cluster: submit, and those that it runs itself."""

import json
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sweeps.cli import drive
from sweeps.cli.doctor import doctor
from sweeps.cli.options import (
    CheckpointSecondsOption,
    CheckpointStepsOption,
    ClusterOption,
    ConcurrentOption,
    CpusOption,
    FileArgument,
    GpusOption,
    ScaleOption,
    StorageOption,
)
from sweeps.cli.output import Document, DocumentOption, EnvPathOption, show_json
from sweeps.errors import ExitCode, SpecError
from sweeps.running.checkpoints import Cadence
from sweeps.spec import StudySpec
from sweeps.spec.shipped import study_path

if TYPE_CHECKING:
    from sweeps.cluster.client import SweepClient


def register(app: typer.Typer) -> None:
    """Adds the commands of this module."""
    app.command()(submit)
    app.command()(doctor)
    drive.register(app)
    app.command(hidden=True)(probe)


def submit(
    file: FileArgument,
    address: ClusterOption = None,
    scale: ScaleOption = None,
    name: Annotated[str | None, typer.Option(help="Another name than the file's, to run it anew.")] = None,
    max_concurrent: ConcurrentOption = None,
    cpus_per_trial: CpusOption = 1.0,
    gpus_per_trial: GpusOption = 0.0,
    env_path: EnvPathOption = "auto",
    checkpoint_seconds: CheckpointSecondsOption = 30.0,
    checkpoint_steps: CheckpointStepsOption = None,
    entrypoint_num_cpus: Annotated[
        float, typer.Option(min=0.0, help="CPU cores that the driver reserves; 0: none, on the head.")
    ] = 0.1,
    entrypoint_resources: Annotated[
        str | None, typer.Option(help='Custom resources that the driver reserves, as JSON: {"on_demand": 0.01}.')
    ] = None,
    ship_code: Annotated[
        bool, typer.Option("--ship-code", help="Send the git working tree here; it runs instead of the image's code.")
    ] = False,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Do not follow the study's log until it ends.")] = False,
    allow_open: Annotated[
        bool, typer.Option("--allow-open", help="Submit to a cluster that asks nobody for a token.")
    ] = False,
    output: DocumentOption = Document.TABLE,
) -> None:
    """Run a study on a Ray cluster, as a job; the same study again finds the job that runs it, or goes on."""
    spec = StudySpec.from_yaml(study_path(file), scale)
    if name is not None:
        spec = spec.renamed(name)
    from sweeps.cluster.client import SweepClient
    from sweeps.cluster.jobs import Entrypoint
    from sweeps.cluster.submission import DriverOptions

    options = DriverOptions(
        max_concurrent=max_concurrent,
        cpus_per_trial=cpus_per_trial,
        gpus_per_trial=gpus_per_trial,
        env_path=env_path,
        cadence=Cadence(env_steps=checkpoint_steps, seconds=checkpoint_seconds),
    )
    entrypoint = Entrypoint(entrypoint_num_cpus, _parse_resources(entrypoint_resources))
    client = SweepClient(address, allow_open=allow_open)
    with _package(ship_code) as package:
        submission = client.submit(spec, options=options, entrypoint=entrypoint, package=package)
    if output == "json":
        show_json({"name": spec.name, "submission_id": submission.submission_id, "new": submission.is_new})
    else:
        what = "submitted" if submission.is_new else "runs already"
        typer.echo(f"{spec.name}: {what} as job {submission.submission_id} on {client.jobs.address}", err=not no_wait)
    if not no_wait and output == "table":
        follow(client, spec.name, submission.submission_id)


def follow(client: "SweepClient", study: str, submission_id: str) -> None:
    """Shows a job's log until its end, and ends as it did; Ctrl-C leaves it running."""
    try:
        for piece in client.jobs.follow(submission_id):
            typer.echo(piece, nl=False)
        job = client.jobs.wait(submission_id)
    except KeyboardInterrupt:
        typer.echo(f"\n{study} goes on as job {submission_id}; `lagsweep stop` ends it", err=True)
        return
    assert job is not None
    if job.status == "STOPPED":
        raise typer.Exit(ExitCode.INTERRUPTED)
    if job.status != "SUCCEEDED":
        if job.driver_exit_code is None:  # it never ran: the message is all there is
            typer.echo(job.message, err=True)
        raise typer.Exit(job.driver_exit_code or 1)


def probe(
    name: Annotated[str | None, typer.Argument(help="A study to look up.")] = None,
    storage: StorageOption = None,
    output: DocumentOption = Document.JSON,
) -> None:
    """Describe this machine for a client elsewhere; what `lagsweep submit` asks a cluster first."""
    from sweeps.cluster.probe import probe as describe

    show_json(describe(name, storage))


@contextmanager
def _package(ship_code: bool) -> Generator[Path | None]:
    """The packed working tree of the current folder, if it is to be shipped, while it is uploaded."""
    if not ship_code:
        yield None
        return
    from sweeps.cluster.ship import pack

    with tempfile.TemporaryDirectory(prefix="lagsweep-ship-") as folder:
        package = pack(Path.cwd(), Path(folder) / "code.zip")
        typer.echo(f"ships {package.num_files:,} files, {package.num_bytes / 2**20:.1f} MiB", err=True)
        if package.left_out:
            typer.echo(f"left out: {', '.join(package.left_out)}", err=True)
        yield package.path


def _parse_resources(text: str | None) -> dict[str, float] | None:
    try:
        parsed: Any = None if text is None else json.loads(text)
    except ValueError:
        parsed = text
    is_right = isinstance(parsed, dict) and all(
        isinstance(value, int | float) and not isinstance(value, bool) for value in parsed.values()
    )
    if parsed is not None and not is_right:
        message = f"`--entrypoint-resources` must be a JSON object of numbers, but got {text!r}."
        raise SpecError(message, code="usage", help="""for example --entrypoint-resources '{"on_demand": 0.01}'""")
    return parsed

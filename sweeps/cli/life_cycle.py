"""Commands that change a study: run, resume, retry, extend, stop, delete."""

from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from sweeps.cli.options import (
    AddressOption,
    CheckpointSecondsOption,
    CheckpointStepsOption,
    ClusterOption,
    ConcurrentOption,
    CpusOption,
    FileArgument,
    GpusOption,
    NameArgument,
    ReportOption,
    ScaleOption,
    StorageOption,
    load,
)
from sweeps.cli.output import Document, DocumentOption, EnvPathOption, Output, OutputOption, show_json
from sweeps.cli.remote import answer, connect
from sweeps.cli.studies import finish
from sweeps.cluster.stopping import stop_study
from sweeps.errors import ExitCode, SpecError
from sweeps.running.checkpoints import Cadence
from sweeps.spec import StudySpec
from sweeps.spec.shipped import study_path


def register(app: typer.Typer) -> None:
    """Adds the commands of this module."""
    for command in (run, resume, retry, extend, stop, delete):
        app.command(command.__name__)(command)


def run(
    file: FileArgument,
    scale: ScaleOption = None,
    name: Annotated[str | None, typer.Option(help="Another name than the file's, to run it anew.")] = None,
    storage: StorageOption = None,
    max_concurrent: ConcurrentOption = None,
    cpus_per_trial: CpusOption = 1.0,
    gpus_per_trial: GpusOption = 0.0,
    address: AddressOption = None,
    env_path: EnvPathOption = "auto",
    checkpoint_seconds: CheckpointSecondsOption = 30.0,
    checkpoint_steps: CheckpointStepsOption = None,
    report: ReportOption = True,
    output: OutputOption = Output.TABLE,
) -> None:
    """Run a study; the same file again goes on where it stopped, one that only adds to the study extends it."""
    spec = StudySpec.from_yaml(study_path(file), scale)
    if name is not None:
        spec = spec.renamed(name)
    from sweeps.study import create_study

    study = create_study(spec, storage, if_exists="extend")
    study.run(
        max_concurrent=max_concurrent,
        cpus_per_trial=cpus_per_trial,
        gpus_per_trial=gpus_per_trial,
        address=address,
        env_path=env_path,
        cadence=Cadence(env_steps=checkpoint_steps, seconds=checkpoint_seconds),
    )
    finish(study, output, report)


def resume(
    name: NameArgument,
    storage: StorageOption = None,
    max_concurrent: ConcurrentOption = None,
    cpus_per_trial: CpusOption = 1.0,
    gpus_per_trial: GpusOption = 0.0,
    address: AddressOption = None,
    env_path: EnvPathOption = "auto",
    checkpoint_seconds: CheckpointSecondsOption = 30.0,
    checkpoint_steps: CheckpointStepsOption = None,
    report: ReportOption = True,
    output: OutputOption = Output.TABLE,
) -> None:
    """Go on with a study that was stopped, killed or extended, from its last checkpoints."""
    study = load(name, storage)
    study.run(
        max_concurrent=max_concurrent,
        cpus_per_trial=cpus_per_trial,
        gpus_per_trial=gpus_per_trial,
        address=address,
        env_path=env_path,
        cadence=Cadence(env_steps=checkpoint_steps, seconds=checkpoint_seconds),
    )
    finish(study, output, report)


def retry(
    name: NameArgument,
    storage: StorageOption = None,
    max_concurrent: ConcurrentOption = None,
    cpus_per_trial: CpusOption = 1.0,
    gpus_per_trial: GpusOption = 0.0,
    address: AddressOption = None,
    env_path: EnvPathOption = "auto",
    checkpoint_seconds: CheckpointSecondsOption = 30.0,
    checkpoint_steps: CheckpointStepsOption = None,
    report: ReportOption = True,
    output: OutputOption = Output.TABLE,
) -> None:
    """Run failed trials again, from their last checkpoints, and whatever else waits."""
    study = load(name, storage)
    study.retry(
        max_concurrent=max_concurrent,
        cpus_per_trial=cpus_per_trial,
        gpus_per_trial=gpus_per_trial,
        address=address,
        env_path=env_path,
        cadence=Cadence(env_steps=checkpoint_steps, seconds=checkpoint_seconds),
    )
    finish(study, output, report)


def extend(
    name: NameArgument,
    trials: Annotated[int | None, typer.Option(min=1, help="So many more trials for Optuna to suggest.")] = None,
    seeds: Annotated[int | None, typer.Option(min=1, help="So many more seeds for every trial.")] = None,
    env_steps: Annotated[int | None, typer.Option(min=1, help="So many more env steps for every seed.")] = None,
    values: Annotated[
        list[str] | None, typer.Option(help="Further values of a grid, such as multiplier=0.5,0.7; may be repeated.")
    ] = None,
    arm: Annotated[
        str | None,
        typer.Option(
            help="The arm that gets trials or values, where several could; else all arms of one grid get values."
        ),
    ] = None,
    storage: StorageOption = None,
    output: DocumentOption = Document.TABLE,
) -> None:
    """Make a study larger; `lagsweep resume` then trains what was added, from checkpoints. Arms: edit the file, run."""
    study = load(name, storage)
    axes: dict[str, Any] = dict(_parse_values(text) for text in values or [])
    before = study.status()
    study.extend(trials=trials, seeds=seeds, env_steps=env_steps, arm=arm, **axes)
    now = study.status()
    if output == "json":
        show_json({"name": name, "trials": sum(now.counts.values()), "env_steps_total": now.env_steps_total})
        return
    typer.echo(
        f"{name}: {sum(before.counts.values())} -> {sum(now.counts.values())} trials, "
        f"{before.env_steps_total:,} -> {now.env_steps_total:,} env steps; `lagsweep resume {name}` trains them"
    )


def stop(
    name: NameArgument,
    timeout: Annotated[
        float | None, typer.Option(min=0.0, help="Seconds to wait for its end; default: as long as it takes.")
    ] = None,
    storage: StorageOption = None,
    address: ClusterOption = None,
    output: DocumentOption = Document.TABLE,
) -> None:
    """Let the process that runs a study end: running iterations end and leave checkpoints."""
    arguments = ["stop", name, *([] if timeout is None else ["--timeout", str(timeout)])]
    ask = partial(answer, address, arguments, lambda: _stop(name, storage, timeout), timeout_s=None)

    def end_jobs(*, had_driver: bool) -> bool:
        return address is not None and connect(address).end_jobs(name, had_driver=had_driver)

    result, had_job = stop_study(name, ask, end_jobs)
    driver, ended = result["driver"], result["ended"]
    if output == "json":
        show_json(result)
    elif driver is None:
        typer.echo(f"{name}: {'its job, which no driver ran, was ended' if had_job else 'nobody runs it'}")
    else:
        state = "has ended" if ended else "was asked to end and still runs"
        typer.echo(f"{name}: process {driver['pid']} on {driver['host']} {state}")
    if not ended:
        raise typer.Exit(ExitCode.INTERRUPTED)


def delete(
    name: NameArgument,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    storage: StorageOption = None,
    output: DocumentOption = Document.TABLE,
) -> None:
    """Remove a study: its trials, its runs in MLflow, its checkpoints and its report."""
    study = load(name, storage)
    trials = sum(study.status().counts.values())
    if not yes:  # the question goes where it is no part of the result
        typer.confirm(f"Delete study {name} with {trials} trials, all in {study.folder}?", abort=True, err=True)
    study.delete()
    if output == "json":
        show_json({"name": name, "deleted": True, "trials": trials})
    else:
        typer.echo(f"{name}: deleted")


def _stop(name: str, storage: Path | None, timeout_s: float | None) -> dict[str, Any]:
    study = load(name, storage)
    holder = study.holder
    ended = study.stop(timeout_s)
    driver = None if holder is None else {"pid": holder.pid, "host": holder.host}
    return {"name": name, "driver": driver, "ended": ended}


def _parse_values(text: str) -> tuple[str, list[Any]]:
    """An axis and its values from `name=1,2`, each value as YAML would read it."""
    axis, equals, values = text.partition("=")
    try:
        parsed = YAML(typ="safe", pure=True).load(f"[{values}]")
    except YAMLError:
        parsed = None
    if not equals or not parsed:
        message = f"`NAME=VALUE,VALUE,…` must hold for --values, but got {text!r}."
        raise SpecError(message, code="usage", help="for example --values multiplier=0.5,0.7")
    return axis.strip(), parsed

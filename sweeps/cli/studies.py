"""Commands that show the studies of a storage folder: list, status, watch, logs, trials, best, export."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from sweeps.cli.logs import logs
from sweeps.cli.options import ClusterOption, NameArgument, StorageOption, load
from sweeps.cli.output import (
    Document,
    DocumentOption,
    Output,
    OutputOption,
    count,
    format_interval,
    format_seconds,
    show_json,
    show_rows,
)
from sweeps.cli.remote import add_jobs, answer, describe_job
from sweeps.cli.results import short, show, write
from sweeps.cli.watch import watch
from sweeps.errors import ExitCode, SpecError, SweepError, UnreachableError
from sweeps.records import Interval, State, Trial
from sweeps.trial_table import objectives_beside

if TYPE_CHECKING:  # SQLAlchemy, and later Ray and MLflow: only what a command needs is imported
    from sweeps.study import Status, Study


def register(app: typer.Typer) -> None:
    """Adds the commands of this module."""
    for command in (list_, status, watch, logs, trials, best, export):
        app.command(command.__name__.rstrip("_"))(command)


def list_(storage: StorageOption = None, address: ClusterOption = None, output: OutputOption = Output.TABLE) -> None:
    """List the studies of a storage folder, or of a cluster."""
    rows = answer(address, ["list"], lambda: _describe_studies(storage))
    show_rows(rows if address is None else add_jobs(address, rows), output)


def status(
    name: NameArgument,
    storage: StorageOption = None,
    address: ClusterOption = None,
    output: DocumentOption = Document.TABLE,
) -> None:
    """Show how a study stands."""
    now = _ask_status(name, storage, address)
    if output == "json":
        show_json(now)
        return
    if now.get("job") is not None:
        typer.echo(f"job {now['job']['id']}: {now['job']['status'].lower()}; {now['job']['message']}")
    counts = ", ".join(f"{number} {state}" for state, number in now["trials"].items() if number) or "none yet"
    typer.echo(f"{now['name']}: {'finished' if now['finished'] else 'not finished'}; trials: {counts}")
    done = now["env_steps"] / max(now["env_steps_total"], 1)
    typer.echo(f"env steps: {now['env_steps']:,} of {now['env_steps_total']:,} ({done:.0%})")
    _show_losses(now["kills"], now["lost_s"])
    if now["driver"] is not None:
        typer.echo(f"driver: process {now['driver']['pid']} on {now['driver']['host']}")
    if now["best"] is not None:
        mean_return = format_interval(Interval(**now["best"]["mean_return"]))
        typer.echo(f"best feasible: trial {now['best']['number']}, return {mean_return}")


def _ask_status(name: str, storage: Path | None, address: str | None) -> dict[str, Any]:
    """How a study stands, with its job where it is on a cluster; one whose job waits for a node has no trials yet."""

    def of_ledger() -> dict[str, Any]:
        return _describe_status(load(name, storage).status())

    try:
        now = answer(address, ["status", name], of_ledger)
    except SweepError as error:
        job = describe_job(address, name) if address is not None and error.code == "no-study" else None
        if job is None:
            raise
        now = {"name": name, "finished": False, "trials": {}, "env_steps": 0, "env_steps_total": 0, "driver": None}
        return {**now, "kills": 0, "lost_s": 0.0, "best": None, "job": job}
    if address is None:
        return now
    try:
        return {**now, "job": describe_job(address, name)}
    except UnreachableError:  # the ledger has answered, and says more
        return {**now, "job": None}


def trials(name: NameArgument, storage: StorageOption = None, output: OutputOption = Output.TABLE) -> None:
    """Show the trials of a study; intervals are 95 % t-intervals over seeds."""
    _show_trials(load(name, storage), output)


def best(name: NameArgument, storage: StorageOption = None, output: DocumentOption = Document.TABLE) -> None:
    """Show the best feasible trial in the study's objectives; with several objectives the front."""
    study = load(name, storage)
    first, *others = study.best_trials
    if output == "json":
        (described,) = _describe_trials(study, [first])
        show_json({**described, "front": [trial.number for trial in (first, *others)]})
        return
    found = [first, *others]
    for trial, objectives in zip(found, objectives_beside(study.spec, found), strict=True):
        typer.echo(_name_best(trial, objectives))


def export(
    name: NameArgument,
    target: Annotated[
        str, typer.Argument(help="A folder; for optuna a storage: a file, or a URL such as postgresql://…")
    ],
    storage: StorageOption = None,
    form: Annotated[
        Literal["optuna", "parquet", "csv"],
        typer.Option("--format", help="An Optuna storage, or all recorded data with a dictionary of its columns."),
    ] = "optuna",
    output: DocumentOption = Document.TABLE,
) -> None:
    """Write a study as Optuna's, one an arm, for optuna-dashboard, or all its data as Parquet or CSV.

    What an earlier export wrote there is replaced.
    """
    if form == "optuna":
        _export_to_optuna(load(name, storage), target, output)
        return
    from sweeps.analysis.data_export import export_data

    files = export_data(load(name, storage), Path(target), form)
    if output == "json":
        show_json({"files": [str(file) for file in files]})
    else:
        typer.echo(f"{', '.join(file.name for file in files)} in {short(Path(target).absolute())}")


def _export_to_optuna(study: "Study", target: str, output: Document) -> None:
    from sweeps.study.export import export_to_optuna
    from sweeps.tracking.store import without_credentials

    if "://" not in target and Path(target).is_dir():
        raise SpecError(
            f"`--format optuna` writes a storage: a file or a URL, but {target!r} is a folder.",
            code="not-a-file",
            help=f"name a file, such as {Path(target) / 'optuna.db'}, or export data there: --format parquet or csv",
        )
    url = target if "://" in target else f"sqlite:///{Path(target).absolute()}"
    names = export_to_optuna(study, url)
    if output == "json":
        show_json({"storage": url, "studies": names})
    else:
        typer.echo(f"{', '.join(names)} in {without_credentials(target)}; optuna-dashboard shows them")


def finish(study: "Study", output: Output, report: bool) -> None:
    """Shows what a run gave, and ends with the exit code that says how it went."""
    written = write(study) if report else None
    now = study.status()
    if output != "table" or written is None:
        _show_trials(study, output)
    if output == "table":
        if written is not None:
            show(written)
        else:
            beside = objectives_beside(study.spec, [now.best]) if now.best else [{}]
            typer.echo(_name_best(now.best, beside[0]) if now.best else "no feasible trial")
        _show_losses(now.kills, now.lost_s)
        typer.echo(f"metrics: lagsweep ui{_storage_option(study.storage)}")
    failed = now.counts[State.FAIL]
    if not now.is_finished:  # `lagsweep stop` ended it
        typer.echo(f"stopped; `lagsweep resume {study.name}` goes on", err=True)
        raise typer.Exit(ExitCode.INTERRUPTED)
    if failed:
        help = f"`lagsweep trials {study.name}` says why, `lagsweep retry {study.name}` runs them again"
        typer.echo(f"{count(failed, 'trial')} failed: {help}", err=True)
        raise typer.Exit(ExitCode.FAILED_TRIALS)
    if now.best is None:
        raise typer.Exit(ExitCode.NO_FEASIBLE_TRIAL)


def _show_losses(kills: int, lost_s: float) -> None:
    if kills:
        typer.echo(f"kills: {count(kills, 'attempt')} lost {format_seconds(lost_s)} of training")


def _storage_option(storage: Path) -> str:
    from sweeps.storage import storage_folder

    return "" if storage == storage_folder(None) else f" --storage {short(storage)}"


def _show_trials(study: "Study", output: Output) -> None:
    if output == "csv":
        typer.echo(study.trials_dataframe().to_csv(index=False), nl=False)
    elif output == "json":
        show_json(_describe_trials(study, study.trials))
    else:
        found, costs = study.trials, list(study.spec.cost_limits)
        beside = objectives_beside(study.spec, found)
        rows = [_row(trial, costs, objectives) for trial, objectives in zip(found, beside, strict=True)]
        show_rows(rows, output, study.name)


def _row(trial: Trial, costs: list[str], objectives: dict[str, Interval | None]) -> dict[str, Any]:
    """A trial as a row of the terminal's table; λ is the mean over seeds of the last multiplier."""
    row: dict[str, Any] = {"trial": trial.number, "arm": trial.arm, "parameters": _write_params(trial)}
    for cost in costs:
        last = [run.multiplier[cost] for run in trial.seed_runs if run.multiplier is not None]
        row["λ" if len(costs) == 1 else f"λ {cost}"] = sum(last) / len(last) if last else None
    row["return"] = format_interval(trial.mean_return)
    row |= {cost: format_interval((trial.mean_cost or {}).get(cost)) for cost in costs}
    row |= {name.replace("_", " "): format_interval(objective) for name, objective in objectives.items()}
    return row | {"feasible": trial.feasible, "state": _state(trial)}


def _state(trial: Trial) -> str:
    """How a trial stands, and what its numbers are not: those of one run, of new seeds, or of whole ones."""
    marks = ["continued"] if trial.continued else []  # not the run that its whole budget would have given at once
    if trial.retest_of is not None:
        marks.append(f"retest of {trial.retest_of}")
    if trial.stopped_seeds and trial.state is not State.PRUNED:
        marks.append(f"{len(trial.stopped_seeds)} of {count(len(trial.seed_runs), 'seed')} stopped")
    return (trial.failure or trial.state.value) + (f" ({', '.join(marks)})" if marks else "")


def _write_params(trial: Trial) -> str:
    values = ((name, f"{value:.4g}" if isinstance(value, float) else value) for name, value in trial.params.items())
    return " ".join(f"{name}={value}" for name, value in values) or "–"


def _name_best(trial: Trial, objectives: Mapping[str, Interval | None]) -> str:
    values = {"return": trial.mean_return, **(trial.mean_cost or {}), **objectives}
    shown = ", ".join(f"{name} {format_interval(value)}" for name, value in values.items())
    which = f"{trial.arm}, {_write_params(trial)}" if trial.params else trial.arm
    again = "" if trial.retest_of is None else f", retest of {trial.retest_of}"
    return f"best feasible: trial {trial.number} ({which}{again}): {shown}"


def _describe_trials(study: "Study", found: Sequence[Trial]) -> list[dict[str, Any]]:
    """Trials for a program: every field, and the objectives beside return and cost."""
    beside = objectives_beside(study.spec, found)
    return [
        _describe_trial(trial) | {"objectives": {name: value and asdict(value) for name, value in objectives.items()}}
        for trial, objectives in zip(found, beside, strict=True)
    ]


def _describe_trial(trial: Trial) -> dict[str, Any]:
    return asdict(trial) | {"stopped_seeds": trial.stopped_seeds}


def _describe_studies(storage: Path | None) -> list[dict[str, Any]]:
    from sweeps.study import list_studies

    return [
        {
            "study": study.name,
            "task": study.spec.task,
            **{state.lower(): number for state, number in study.status().counts.items()},
        }
        for study in list_studies(storage)
    ]


def _describe_status(now: "Status") -> dict[str, Any]:
    return {
        "name": now.name,
        "finished": now.is_finished,
        "trials": {state.lower(): number for state, number in now.counts.items()},
        "env_steps": now.env_steps,
        "env_steps_total": now.env_steps_total,
        "driver": {"pid": now.holder.pid, "host": now.holder.host} if now.holder else None,
        "kills": now.kills,
        "lost_s": now.lost_s,
        "best": _describe_trial(now.best) if now.best else None,
    }

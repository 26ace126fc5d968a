"""`lagsweep watch`: a running study, live, from any terminal that reaches its ledger."""

import contextlib
import json
import sys
import time
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sweeps.cli.options import ClusterOption, NameArgument, StorageOption, load
from sweeps.cli.output import Document, DocumentOption, format_interval
from sweeps.cli.remote import connect, looks, reaches_ledger
from sweeps.errors import NotFoundError, UnreachableError
from sweeps.records import State, Trial

if TYPE_CHECKING:
    from rich.console import RenderableType

    from sweeps.study import Study
    from sweeps.study.watch import View

_MOST_LINES = 12
_WORDS = {
    State.COMPLETE: "complete",
    State.RUNNING: "running",
    State.WAITING: "waiting",
    State.PRUNED: "pruned",
    State.FAIL: "failed",
}


def watch(
    name: NameArgument,
    interval: Annotated[float, typer.Option(min=0.1, help="Seconds between two looks.")] = 2.0,
    storage: StorageOption = None,
    address: ClusterOption = None,
    output: DocumentOption = Document.TABLE,
) -> None:
    """Watch a study that another process runs, until that ends; Ctrl-C leaves it running. JSON: one line a look."""
    study = _load(name, storage, address, interval)
    if study is None:
        assert address is not None
        for look in looks(address, name, interval):
            typer.echo(json.dumps(look) if output == "json" else _line(look))
        return
    from rich.console import Console
    from rich.live import Live

    from sweeps.study.watch import Watcher

    watcher = Watcher(study)
    try:
        if output == "json" or not sys.stdout.isatty():
            _print(view := watcher.look(), output)
            while _goes_on(view, address):
                time.sleep(interval)
                _print(view := watcher.look(), output)
        else:
            with Live(console=Console(), auto_refresh=False) as live:
                live.update(render(view := watcher.look()), refresh=True)
                while _goes_on(view, address):
                    time.sleep(interval)
                    live.update(render(view := watcher.look()), refresh=True)
    except KeyboardInterrupt:
        return
    if output == "table":
        typer.echo(_ending(view))


def _load(name: str, storage: Path | None, address: str | None, interval_s: float) -> "Study | None":
    """The study of this name, once the ledger has it: a submitted one may wait for a node. None: ask the cluster."""
    if address is None:
        return load(name, storage)
    try:
        while reaches_ledger():
            with contextlib.suppress(NotFoundError):
                return load(name, storage)
            if not connect(address).has_job(name):
                return load(name, storage)  # has it come meanwhile?
            time.sleep(interval_s)
    except UnreachableError as error:
        if error.code != "ledger-unreachable":
            raise
        typer.echo(f"asking the cluster: {error.message}", err=True)
    return None


def render(view: "View") -> "RenderableType":
    """The live view: states, a bar, speed, the best trial, what trains and what failed."""
    from rich.console import Group
    from rich.markup import escape
    from rich.padding import Padding
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    status = view.status
    bar = ProgressBar(total=max(1, status.env_steps_total), completed=status.env_steps, width=40)
    lines: list[RenderableType] = [
        Text.assemble((status.name, "bold"), f"  {_states(view.to_dict())}"),
        Padding(bar, 0),
        Text(_speed(view.to_dict())),
    ]
    if status.best is not None:
        lines.append(Text(_best(status.best)))
    if view.running:
        table = Table(box=None, pad_edge=False)
        for column in ("trial", "progress", "return", "cost", "λ"):
            table.add_column(column, justify="left" if column == "trial" else "right")
        for trial in view.running[:_MOST_LINES]:
            table.add_row(*(escape(cell) for cell in _cells(trial, view.budget)))
        lines.append(table)
        if len(view.running) > _MOST_LINES:
            lines.append(Text(f"… and {len(view.running) - _MOST_LINES} more"))
    for cause, number in list(view.failures.items())[:_MOST_LINES]:
        lines.append(Text(f"{number} failed: {cause}", style="red", overflow="ellipsis", no_wrap=True))
    return Group(*lines)


def _print(view: "View", output: Document) -> None:
    if output == "json":
        typer.echo(json.dumps(view.to_dict()))
    else:
        typer.echo(_line(view.to_dict()))
    sys.stdout.flush()


def _goes_on(view: "View", address: str | None) -> bool:
    """Whether a driver runs the study, or a job of the cluster is about to start one."""
    status = view.status
    if status.holder is not None:
        return True
    return address is not None and not status.is_finished and connect(address).has_job(status.name)


def _ending(view: "View") -> str:
    if view.status.is_finished:
        return f"{view.status.name} is finished: `lagsweep report {view.status.name}`"
    return f"nobody runs {view.status.name}: `lagsweep resume {view.status.name}` goes on"


def _line(look: Mapping[str, Any]) -> str:
    return f"{look['name']}: {_states(look)}; {_speed(look)}"


def _states(look: Mapping[str, Any]) -> str:
    counts = ((look["trials"].get(state.lower()), word) for state, word in _WORDS.items())
    return ", ".join(f"{number:,} {word}" for number, word in counts if number) or "no trials"


def _speed(look: Mapping[str, Any]) -> str:
    done = f"{look['env_steps']:,} of {look['env_steps_total']:,} env steps"
    if not look["env_steps_per_s"]:
        return done
    left = "" if look["seconds_left"] is None else f", about {timedelta(seconds=round(look['seconds_left']))} left"
    return f"{done}, {look['env_steps_per_s']:,.0f} a second{left}"


def _best(trial: Trial) -> str:
    costs = ", ".join(f"{name} {format_interval(cost)}" for name, cost in (trial.mean_cost or {}).items())
    return f"best feasible: trial {trial.number}, return {format_interval(trial.mean_return)}, {costs}"


def _cells(trial: Trial, budget: int) -> tuple[str, ...]:
    """A running trial: means over its seeds."""
    runs = trial.seed_runs
    share = sum(run.env_steps for run in runs) / (len(runs) * budget)
    returns = [run.mean_return for run in runs if run.mean_return is not None]
    costs = [sum(run.mean_cost.values()) for run in runs if run.mean_cost]
    multipliers = [sum(run.multiplier.values()) for run in runs if run.multiplier]
    params = " ".join(
        f"{name}={value:.4g}" if isinstance(value, float) else f"{name}={value}" for name, value in trial.params.items()
    )
    means = (f"{sum(values) / len(values):.3g}" if values else "–" for values in (returns, costs, multipliers))
    return (f"{trial.number} {trial.arm} {params}".rstrip(), f"{share:.0%}", *means)

"""How the command line shows results: tables for people, JSON and CSV for programs."""

import csv
import json
import math
import os
import sys
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from environments.tasks import Path as EnvPath
from sweeps.errors import SweepError
from sweeps.records import Interval

if TYPE_CHECKING:  # only a table needs rich
    from rich.table import Table

_OUTPUT = "lagsweep.output"
_PIPE_WIDTH = 200
_MOST_TABLE_ROWS = 500  # rich takes a second for some thousands, and nobody reads so many in a frame


class Output(StrEnum):
    """Form of what a command prints."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


class Document(StrEnum):
    """Form of what a command prints that is no table of rows."""

    TABLE = "table"
    JSON = "json"


def _remember(context: typer.Context, value: str) -> str:
    # `meta` is shared with the group, which prints an error in the form that the command was asked for.
    context.meta[_OUTPUT] = str(value)
    return value


OutputOption = Annotated[Output, typer.Option("--output", callback=_remember, help="Form of the result.")]
EnvPathOption = Annotated[
    EnvPath,
    typer.Option(help="Environments: fast ones where the task has them (auto), only those (fast), its own (general)."),
]
DocumentOption = Annotated[Document, typer.Option("--output", callback=_remember, help="Form of the result.")]


def show_error(context: typer.Context, error: SweepError) -> None:
    """Prints an error once: on standard error, or with `--output json` as the JSON document on standard output."""
    if os.environ.get("LAGSWEEP_DEBUG") == "1":
        raise error
    if context.meta.get(_OUTPUT) == "json":
        show_json({"error": error.to_dict()})
    else:
        typer.echo(error.render(), err=True)


def show_json(data: object) -> None:
    """Prints one JSON document; a number that is not finite becomes null, since JSON has none."""
    typer.echo(json.dumps(_finite(data), indent=2, ensure_ascii=False))


def show_rows(rows: Sequence[Mapping[str, Any]], output: Output | Document, title: str | None = None) -> None:
    """Prints records that share their keys.

    Args:
        rows: One mapping a row, all with the same keys.
        output: Table, JSON (a list) or CSV (with a header).
        title: Heading of the table.
    """
    if output == "json":
        show_json(list(rows))
    elif output == "csv":
        writer = csv.DictWriter(sys.stdout, list(rows[0]) if rows else [], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    elif len(rows) > _MOST_TABLE_ROWS:
        _show_plain(rows)
    elif rows:
        show_table(_table(rows, title))
    else:
        typer.echo("nothing to show")


def count(number: int, what: str) -> str:
    """A number of things, as in `1 trial` or `3 trials`."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def format_interval(interval: Interval | None) -> str:
    """A mean with its interval, as in `27.3 [24.1, 30.5]`, or a dash where there is none."""
    if interval is None:
        return "–"
    return f"{interval.mean:.4g} [{interval.low:.4g}, {interval.high:.4g}]"


def format_seconds(seconds: float) -> str:
    """A duration in its two largest units, as in `3 h 10 min`."""
    whole = round(seconds)
    for size, name, small, small_name in ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            return f"{whole // size} {name} {whole % size // small} {small_name}"
    return f"{whole} s"


def show_table(table: "Table") -> None:
    """Prints a table; to a pipe without breaking its lines for a terminal of 80 columns."""
    from rich.console import Console

    Console(width=None if sys.stdout.isatty() else _PIPE_WIDTH).print(table, highlight=False)


def _show_plain(rows: Sequence[Mapping[str, Any]]) -> None:
    """Prints a long table as aligned text, a line a row, which also suits `grep` and `less`."""
    lines = [[str(name) for name in rows[0]], *([_cell(value) for value in row.values()] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    text = "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)
    typer.echo(text)


def _table(rows: Sequence[Mapping[str, Any]], title: str | None) -> "Table":
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for name in rows[0]:
        numeric = all(isinstance(row[name], int | float) and not isinstance(row[name], bool) for row in rows)
        table.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(escape(_cell(value)) for value in row.values()))
    return table


def _cell(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value

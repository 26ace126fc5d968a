"""The command `lagsweep`. Commands import what they need when they run, so that checking a file stays quick.

Exit codes: 0 ok, 2 usage or configuration, 3 not found, 4 authentication, 5 unreachable, 6 finished with failed trials,
7 no feasible trial, 130 interrupted. An error is printed once, without a traceback unless LAGSWEEP_DEBUG=1.
"""

import atexit
import errno
import gc
import importlib.metadata
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from sweeps.cli import cluster, files, life_cycle, preview, results, studies, tracking
from sweeps.cli.output import show_error
from sweeps.errors import ExitCode, SweepError


class _Group(TyperGroup):
    """Turns errors of every command into one message and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except SweepError as error:
            show_error(ctx, error)
            raise typer.Exit(error.exit_code) from None
        except KeyboardInterrupt:
            typer.echo("interrupted", err=True)
            raise typer.Exit(ExitCode.INTERRUPTED) from None
        except OSError as error:
            if error.errno == errno.EPIPE or error.filename is None:  # `| head`; or no fault of a file
                raise
            show_error(ctx, SweepError(f"{error.filename}: {error.strerror}.", code="file"))
            raise typer.Exit(ExitCode.USAGE) from None


app = typer.Typer(
    cls=_Group,
    help="Studies of Lagrangian safe reinforcement learning.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"lagsweep {importlib.metadata.version('lagsweep')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None: ...


files.register(app)
preview.register(app)
life_cycle.register(app)
studies.register(app)
tracking.register(app)
results.register(app)
cluster.register(app)


def main() -> None:
    """Runs the command; the entry point of the distribution."""
    atexit.register(gc.freeze)  # the process ends: no last collection among all of torch's modules
    app()

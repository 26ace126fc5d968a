"""The command `lagsweep`."""

from sweeps.cli.commands import app, main

__all__ = ["app", "main"]

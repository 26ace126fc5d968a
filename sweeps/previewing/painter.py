"""Draws previews in a process of its own, in which Matplotlib is imported while torch is imported in this one.

The two imports are most of a preview's time.
"""

import json
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sweeps.errors import SweepError

if TYPE_CHECKING:
    from sweeps.previewing.curves import Curve


class Painter:
    """A process that waits for previews to draw.

    Args:
        process: It; what it reads and writes are pipes.
    """

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def paint(self, curves: Sequence["Curve"]) -> bytes:
        """Draws previews, once.

        Args:
            curves: The previews.

        Returns:
            The figure's file.

        Raises:
            SweepError: If the process could not draw; it says why on standard error.
        """
        names = ("label", "cost", "limit", "multiplier")
        data = json.dumps([{name: getattr(curve, name) for name in names} for curve in curves])
        picture, _ = self._process.communicate(data.encode())
        if self._process.returncode:
            raise SweepError("the figure could not be drawn; the reason stands above.", code="no-figure")
        return picture


@contextmanager
def painting(suffix: str) -> Generator[Painter]:
    """Starts a painter, and ends it where nothing was painted.

    Args:
        suffix: The figure's format: .png, .svg or .pdf.
    """
    command = [sys.executable, "-m", "sweeps.previewing", suffix.removeprefix(".")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            yield Painter(process)
        finally:
            if process.poll() is None:
                process.kill()

"""Draws the previews of its standard input on its standard output: what `painter` starts."""

import gc
import json
import sys
from types import SimpleNamespace
from typing import Any


def main() -> None:
    """Imports Matplotlib first, and reads then."""
    gc.disable()  # it would go through Matplotlib's modules again and again, and the process is short
    from sweeps.previewing.figure import draw

    curves: list[Any] = [SimpleNamespace(**curve) for curve in json.load(sys.stdin)]
    draw(curves, sys.stdout.buffer, sys.argv[1])


main()

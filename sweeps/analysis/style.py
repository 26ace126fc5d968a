"""How figures look: colours that colour-blind readers tell apart, differences that survive printing in grey."""

import io
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

# Okabe and Ito (2008), "Color Universal Design". Lines differ in dashes and luminance too.
BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"
SERIES_COLORS = (BLUE, SKY, GREEN, PURPLE)
LEVEL_COLORS = (VERMILION, GREEN, PURPLE, ORANGE)
CYCLE = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY)
LEVEL_DASHES = ((0, (6, 1.5, 1.5, 1.5)), (0, (1.5, 1.5)), (0, (8, 2)), (0, (4, 1.5, 1.5, 1.5, 1.5, 1.5)))
INK, FAINT, STAR = "#222222", "#8a8a8a", "#F0E442"

_STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "axes.titlesize": 11,
    "axes.labelsize": 9.5,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.7,
    "xtick.color": INK,
    "ytick.color": INK,
    "text.color": INK,
    "lines.linewidth": 1.8,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "svg.fonttype": "none",  # text stays text: searchable, readable by screen readers
    "svg.hashsalt": "lagsweep",  # the same data give the same file
}


@contextmanager
def figure_style() -> Generator[None]:
    """Draws figures in the house style, and leaves Matplotlib's settings as they were."""
    with matplotlib.rc_context(_STYLE):
        yield


def save_figure(figure: Figure, folder: Path, name: str) -> tuple[Path, Path]:
    """Writes a figure as PNG (200 dots per inch) and SVG.

    Args:
        figure: The figure.
        folder: Where to; it exists.
        name: File name without suffix.

    Returns:
        The two files.
    """
    FigureCanvasAgg(figure)
    png, svg = folder / f"{name}.png", folder / f"{name}.svg"
    with figure_style():
        figure.savefig(png, dpi=200, metadata={"Software": None})
        figure.savefig(svg, metadata={"Date": None, "Creator": "Lagsweep"})
    return png, svg


def svg_text(figure: Figure) -> str:
    """A figure as the text of an SVG file.

    Args:
        figure: The figure.
    """
    FigureCanvasAgg(figure)
    buffer = io.StringIO()
    with figure_style():
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": "Lagsweep"})
    return buffer.getvalue()


def note(axes: Axes, text: str) -> None:
    """Says in an empty panel what is missing.

    Args:
        axes: The panel.
        text: What to say.
    """
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=FAINT)

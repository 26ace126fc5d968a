"""The figure of a preview."""

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Protocol

from matplotlib.figure import Figure

STYLES = ("-", "--", "-.", ":")


class Drawable(Protocol):
    """What is drawn of a preview: see `sweeps.previewing.curves.Curve`, whose module imports torch."""

    @property
    def label(self) -> str:
        """What the legend calls it."""
        ...

    @property
    def cost(self) -> Sequence[float]:
        """J of each iteration."""
        ...

    @property
    def limit(self) -> Sequence[float]:
        """The limit, d, of each iteration."""
        ...

    @property
    def multiplier(self) -> Sequence[float]:
        """λ after each iteration."""
        ...


def draw(
    curves: Sequence[Drawable], target: Path | str | IO[bytes] | None = None, file_format: str | None = None
) -> Figure:
    """Draws λ above and the cost with its limit below, over iterations.

    Args:
        curves: The previews.
        target: Where to save the figure; None does not save it.
        file_format: Its format, such as png; None goes by the end of the file's name.

    Returns:
        The figure.
    """
    figure = Figure(figsize=(8.0, 5.0), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True)
    shared = len({tuple(curve.cost) for curve in curves}) == 1  # the costs were given
    if shared:
        lower.plot(range(1, len(curves[0].cost) + 1), curves[0].cost, color="dimgray")
    for curve, style in zip(curves, itertools.cycle(STYLES)):  # so that curves that coincide both show
        iterations = range(1, len(curve.multiplier) + 1)
        upper.plot(iterations, curve.multiplier, linestyle=style, label=curve.label)
        if not shared:
            lower.plot(iterations, curve.cost, linestyle=style)
    limits = {tuple(curve.limit) for curve in curves}
    for limit in limits:
        lower.plot(range(1, len(limit) + 1), limit, color="black", linewidth=0.8)
    upper.set_ylabel("multiplier λ")
    lower.set_ylabel("cost per episode\n(limit: thin line)")
    lower.set_xlabel("iteration")
    figure.legend(loc="outside right upper", fontsize="small")
    if target is not None:
        figure.savefig(target, dpi=150, format=file_format)
    return figure

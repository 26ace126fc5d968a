"""The figure of a preview."""

import itertools
from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from sweeps.preview.curves import Curve

STYLES = ("-", "--", "-.", ":")


def draw(curves: Sequence[Curve], path: Path | str | None = None) -> Figure:
    """Draws λ above and the cost with its limit below, over iterations.

    Args:
        curves: The previews.
        path: Where to save the figure, by the format that its name ends with; None does not save it.

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
    if path is not None:
        figure.savefig(path, dpi=150)
    return figure

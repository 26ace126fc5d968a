"""The training figure: return, costs and multipliers against env steps, one line a trial."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from sweeps.analysis import style
from sweeps.analysis.curves import Curve
from sweeps.analysis.figures import RETURN_LABEL, cost_label, draw_head
from sweeps.analysis.profile import described
from sweeps.records import Trial

_MAX_BANDS = 3
_MAX_NAMED = 12


@dataclass(frozen=True)
class Look:
    """How a trial's lines are told apart.

    Attributes:
        label: Its name in the legend; empty where others stand for it.
        color: Its colour.
        dashes: Matplotlib's line style.
        band: Whether its intervals are drawn: wide bands of many trials would hide the lines.
    """

    label: str
    color: str
    dashes: Any
    band: bool


def looks_of(trials: Sequence[Trial], fixed: Mapping[int, float]) -> dict[int, Look]:
    """Chooses colours: fixed multipliers from dark (0) to light, other trials in strong colours with dashes.

    Trials that move their multiplier get bands where there are at most three of them, fixed ones where there are at
    most three trials in all. From twelve trials on those of an arm look the same, and of fixed multipliers the legend
    names the smallest and the largest.

    Args:
        trials: The trials that have curves.
        fixed: Trial number → its multiplier, for those whose multiplier never moves.

    Returns:
        Trial number → look.
    """
    ranks = {value: rank for rank, value in enumerate(sorted(set(fixed.values())))}
    moving = [trial.number for trial in trials if trial.number not in fixed]
    looks: dict[int, Look] = {}
    if len(trials) >= _MAX_NAMED:
        return _crowded(trials, fixed, ranks)
    for trial in trials:
        label = f"{trial.arm} {described(trial.params)}".rstrip().replace("multiplier=", "λ=")
        if trial.number in fixed:
            looks[trial.number] = Look(label, _shade(ranks, fixed[trial.number]), "-", len(trials) <= _MAX_BANDS)
        else:
            index = moving.index(trial.number)
            color = style.LEVEL_COLORS[index % len(style.LEVEL_COLORS)]
            dashes = style.LEVEL_DASHES[index % len(style.LEVEL_DASHES)]
            looks[trial.number] = Look(label, color, dashes, len(moving) <= _MAX_BANDS)
    return looks


def _crowded(trials: Sequence[Trial], fixed: Mapping[int, float], ranks: Mapping[float, int]) -> dict[int, Look]:
    """Looks of more trials than a legend holds: one an arm, and of fixed multipliers the ends are named."""
    arms = Counter(trial.arm for trial in trials if trial.number not in fixed)
    looks: dict[int, Look] = {}
    for trial in trials:
        if trial.number in fixed:
            value = fixed[trial.number]
            named = ranks[value] in (0, len(ranks) - 1)
            looks[trial.number] = Look(f"fixed λ={value:g}" if named else "", _shade(ranks, value), "-", band=False)
        else:
            index = list(arms).index(trial.arm)
            color = style.LEVEL_COLORS[index % len(style.LEVEL_COLORS)]
            dashes = style.LEVEL_DASHES[index % len(style.LEVEL_DASHES)]
            number = arms[trial.arm]
            label = f"{trial.arm} ({number} trials)" if number > 1 else trial.arm
            looks[trial.number] = Look(label, color, dashes, band=False)
    return looks


def _shade(ranks: Mapping[float, int], value: float) -> str:
    """Colour of a fixed multiplier, from dark for the smallest to light."""
    return to_hex(colormaps["cividis"](0.92 * ranks[value] / max(1, len(ranks) - 1)))


def draw_training(
    curves: Sequence[Curve], looks: Mapping[int, Look], limits: Mapping[str, float], title: str, subtitle: str
) -> Figure:
    """Draws training curves: a panel a quantity, a line a trial, bands of 95 % over seeds where its look has them.

    Args:
        curves: What to draw.
        looks: Trial number → look, for every trial that has a curve.
        limits: Cost limits by name.
        title: First line above the panels.
        subtitle: Second line.

    Returns:
        The figure; `style.save_figure` writes it.
    """
    quantities = list(dict.fromkeys(curve.quantity for curve in sorted(curves, key=_panel_order))) or ["return"]
    with style.figure_style():
        figure = Figure(figsize=(7.2, 1.9 + 1.9 * len(quantities)))
        panels: list[Axes] = list(figure.subplots(len(quantities), 1, sharex=True, squeeze=False)[:, 0])
        for axes, quantity in zip(panels, quantities, strict=True):
            _draw_panel(axes, [curve for curve in curves if curve.quantity == quantity], looks)
            axes.set_ylabel(_axis_label(quantity))
            kind, _, name = quantity.partition("/")
            if kind == "cost" and name in limits:
                axes.axhline(limits[name], color=style.INK, ls=(0, (4, 3)), lw=1.2, zorder=2.5, label="cost limit")
            if kind != "return":  # a line at 0 shall be seen beside the axis
                axes.set_ylim(bottom=-0.02 * axes.get_ylim()[1])
        panels[-1].xaxis.set_major_formatter(FuncFormatter(format_env_steps))
        panels[-1].set_xlabel("env steps per seed")
        panels[-1].set_xlim(left=0)
        draw_head(figure, title, subtitle)
        lines = [line for axes in panels for line in axes.get_lines()]
        handles = {name: line for line in lines if not (name := str(line.get_label())).startswith("_")}
        figure.legend(handles=list(handles.values()), loc="lower center", ncols=4, columnspacing=1.6, handlelength=2.4)
        height, rows = figure.get_figheight(), math.ceil(len(handles) / 4)
        figure.subplots_adjust(
            left=0.125, right=0.965, top=1 - 0.72 / height, bottom=(0.62 + 0.2 * rows) / height, hspace=0.15
        )
        figure.align_ylabels(panels)
    return figure


def _draw_panel(axes: Axes, curves: Sequence[Curve], looks: Mapping[int, Look]) -> None:
    width = 1.8 if len(curves) <= _MAX_NAMED else 1.0
    for curve in curves:
        look = looks[curve.trial]
        means = [value.mean for value in curve.values]
        axes.plot(curve.env_steps, means, color=look.color, ls=look.dashes, lw=width, label=look.label or "_")
        if look.band:
            low, high = [value.low for value in curve.values], [value.high for value in curve.values]
            axes.fill_between(curve.env_steps, low, high, color=look.color, alpha=0.13, linewidth=0)
    if not curves:
        style.note(axes, "no episode has finished")


def _panel_order(curve: Curve) -> int:
    return ("return", "cost", "multiplier").index(curve.quantity.partition("/")[0])


def _axis_label(quantity: str) -> str:
    kind, _, name = quantity.partition("/")
    if kind == "return":
        return RETURN_LABEL
    return cost_label(name) if kind == "cost" else "multiplier λ" if name == "cost" else f"multiplier λ:\n{name}"


def format_env_steps(value: float, position: int | None = None) -> str:
    """Writes a tick of an axis of env steps.

    Args:
        value: Env steps.
        position: The tick's; what Matplotlib passes beside the value.

    Examples:
        >>> format_env_steps(250_000)
        '250 k'
    """
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:g} {unit}"
    return f"{value:g}"

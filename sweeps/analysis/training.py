"""The training figure: return, costs and multipliers against env steps, one line a trial."""

import math
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
from sweeps.analysis.figures import MULTIPLIER_LABEL, RETURN_LABEL, cost_label, draw_head
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
    crowded = len(trials) >= _MAX_NAMED
    moving = [trial for trial in trials if trial.number not in fixed]
    kinds = list(dict.fromkeys(trial.arm if crowded else trial.number for trial in moving))
    looks: dict[int, Look] = {}
    for trial in trials:
        if trial.number in fixed:
            rank = ranks[fixed[trial.number]]
            label = _label(trial) if not crowded or rank in (0, len(ranks) - 1) else ""
            looks[trial.number] = Look(label, _shade(rank, len(ranks)), "-", len(trials) <= _MAX_BANDS)
        else:
            index = kinds.index(trial.arm if crowded else trial.number)
            color = style.LEVEL_COLORS[index % len(style.LEVEL_COLORS)]
            dashes = style.LEVEL_DASHES[index % len(style.LEVEL_DASHES)]
            label = _arm_label(trial.arm, moving) if crowded else _label(trial)
            looks[trial.number] = Look(label, color, dashes, not crowded and len(moving) <= _MAX_BANDS)
    return looks


def _label(trial: Trial) -> str:
    return f"{trial.arm} {described(trial.params)}".rstrip().replace("multiplier=", "λ=")


def _arm_label(arm: str, trials: Sequence[Trial]) -> str:
    number = sum(trial.arm == arm for trial in trials)
    return f"{arm} ({number} trials)" if number > 1 else arm


def _shade(rank: int, number: int) -> str:
    """Colour of a fixed multiplier, from dark for the smallest to light."""
    return to_hex(colormaps["cividis"](0.92 * rank / max(1, number - 1)))


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
    return (
        cost_label(name) if kind == "cost" else MULTIPLIER_LABEL if name == "cost" else f"λ: {name}\n(per unit of cost)"
    )


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

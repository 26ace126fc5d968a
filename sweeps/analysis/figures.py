"""The λ-profile figure: return and costs against λ, levels of automated updates, limits and λ*."""

import math
from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

from sweeps.analysis import style
from sweeps.analysis.lambda_star import coordinate
from sweeps.analysis.profile import Level, Profile, ProfilePoint, Series
from sweeps.records import Interval

RETURN_LABEL = "return\n(reward per episode)"
MULTIPLIER_UNIT = "per unit of cost: σ of the reward advantage with PPO, reward with SAC"
MULTIPLIER_LABEL = "multiplier λ\n(per unit of cost)"


def cost_label(name: str) -> str:
    """The label of a cost's axis, with its unit.

    Args:
        name: The cost's name; `cost` is the task's total cost.

    Returns:
        Two lines.
    """
    return f"{'cost' if name == 'cost' else f'cost: {name}'}\n(cost per episode)"


def draw_profile(profile: Profile, title: str, subtitle: str) -> Figure:
    """Draws a λ-profile: one panel for the return and one for each cost, over one axis of multipliers.

    Bands are 95 % intervals over seeds. λ = 0 is shown apart: the axis is linear up to the smallest positive
    multiplier and logarithmic beyond.

    Args:
        profile: What to draw.
        title: First line above the panels.
        subtitle: Second line.

    Returns:
        The figure; `style.save_figure` writes it.
    """
    names = list(profile.cost_limits)
    with style.figure_style():
        figure = Figure(figsize=(7.2, 2.3 + 2.15 * (1 + len(names))))
        panels: list[Axes] = list(figure.subplots(1 + len(names), 1, sharex=True, squeeze=False)[:, 0])
        _draw_panel(panels[0], profile, lambda item: item.mean_return)
        panels[0].set_ylabel(RETURN_LABEL)
        for axes, name in zip(panels[1:], names, strict=True):
            _draw_panel(axes, profile, lambda item, name=name: item.mean_cost[name])
            _draw_limit(axes, profile.cost_limits[name])
            axes.set_ylabel(cost_label(name))
            axes.set_ylim(bottom=min(0.0, *_means(profile, name)))
        _scale(panels[-1], profile)
        panels[-1].set_xlabel(f"multiplier λ  ({MULTIPLIER_UNIT})")
        draw_head(figure, title, subtitle)
        handles = _legend(profile)
        figure.legend(handles=handles, loc="lower center", ncols=3, columnspacing=1.6, handlelength=2.8)
        rows = math.ceil(len(handles) / 3)
        height = figure.get_figheight()
        figure.subplots_adjust(
            left=0.125, right=0.975, top=1 - 0.72 / height, bottom=(0.62 + 0.2 * rows) / height, hspace=0.13
        )
        figure.align_ylabels(panels)
        _name_lambda_star(panels[0], profile)
    return figure


def _draw_panel(axes: Axes, profile: Profile, value_of: Callable[[ProfilePoint | Level], Interval]) -> None:
    for index, level in enumerate(profile.levels):
        _draw_level(axes, level, value_of(level), index)
    for index, series in enumerate(profile.series):
        _draw_series(axes, series, [value_of(point) for point in series.points], index)
        if series.lambda_star is not None:
            _draw_lambda_star(axes, series, [value_of(point).mean for point in series.points])
    if not profile.series and not profile.levels:
        style.note(axes, "no trial is complete")


def _draw_series(axes: Axes, series: Series, values: Sequence[Interval], index: int) -> None:
    color = style.SERIES_COLORS[index % len(style.SERIES_COLORS)]
    grid = [point.multiplier for point in series.points]
    means = [value.mean for value in values]
    axes.fill_between(
        grid, [value.low for value in values], [value.high for value in values], color=color, alpha=0.18, linewidth=0
    )
    axes.plot(grid, means, color=color, zorder=3)
    for point, mean in zip(series.points, means, strict=True):
        face = color if point.feasible else "white"
        axes.plot(point.multiplier, mean, "o", ms=6.5, mfc=face, mec=color, mew=1.6, zorder=4, clip_on=False, ls="none")


def _draw_level(axes: Axes, level: Level, value: Interval, index: int) -> None:
    color = style.LEVEL_COLORS[index % len(style.LEVEL_COLORS)]
    axes.axhspan(value.low, value.high, color=color, alpha=0.1, linewidth=0)
    axes.axhline(value.mean, color=color, ls=style.LEVEL_DASHES[index % len(style.LEVEL_DASHES)], lw=1.6, zorder=2)
    if len(level.multiplier) == 1:
        (learned,) = level.multiplier.values()
        face = color if level.feasible else "white"
        axes.plot(learned.mean, value.mean, "D", ms=6, mfc=face, mec=color, mew=1.5, zorder=5, clip_on=False)


def _draw_limit(axes: Axes, limit: float) -> None:
    axes.axhline(limit, color=style.INK, ls=(0, (4, 3)), lw=1.2, zorder=2.5)


def _draw_lambda_star(axes: Axes, series: Series, means: Sequence[float]) -> None:
    assert series.lambda_star is not None
    star = series.lambda_star.value
    smallest = _smallest_positive([point.multiplier for point in series.points])
    places = [coordinate(point.multiplier, smallest) for point in series.points]
    height = float(np.interp(coordinate(star, smallest), places, means))
    axes.axvline(star, color=style.INK, lw=0.8, ls=(0, (1, 2)), zorder=1.5)
    axes.plot(star, height, "*", ms=13, mfc=style.STAR, mec=style.INK, mew=0.9, zorder=6, clip_on=False)


def _name_lambda_star(axes: Axes, profile: Profile) -> None:
    """Writes the value of λ* beside its line, to the left of it near the right edge; needs the final scale."""
    for series in profile.series:
        if series.lambda_star is None:
            continue
        star = series.lambda_star
        place = axes.transData.transform((star.value, 0.0))
        left = axes.transAxes.inverted().transform(place)[0] < 0.75
        axes.annotate(
            f"λ* = {star.value:.2g}" + (f" [{star.low:.2g}, {star.high:.2g}]" if star.num_seeds > 1 else ""),
            (star.value, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(4 if left else -4, -2),
            textcoords="offset points",
            ha="left" if left else "right",
            va="top",
            fontsize=9,
        )


def _scale(axes: Axes, profile: Profile) -> None:
    grid = sorted({point.multiplier for series in profile.series for point in series.points})
    if not any(value > 0 for value in grid):
        return
    learned = [value.mean for level in profile.levels for value in level.multiplier.values()]
    smallest, largest = _smallest_positive(grid), max([*grid, *learned])
    axes.set_xscale("symlog", linthresh=smallest, linscale=0.4)
    ticks = grid if len(grid) <= 8 else [*grid[:1], *_round_numbers(smallest, largest)]
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_major_formatter(FixedFormatter([f"{tick:g}" for tick in ticks]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlim(-0.25 * smallest if grid[0] == 0.0 else grid[0] / 1.15, largest * 1.15)
    if grid[0] == 0.0:
        _mark_break(axes, 0.5 * smallest)


def _mark_break(axes: Axes, place: float) -> None:
    """Two strokes across the axis between 0 and the smallest positive multiplier: the scale changes there."""
    for offset in (-2.2, 2.2):
        axes.annotate(
            "/",
            (place, 0.0),
            xycoords=("data", "axes fraction"),
            xytext=(offset, 0.0),
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=10,
            color=style.FAINT,
        )


def _round_numbers(low: float, high: float) -> list[float]:
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    numbers = [digit * 10.0**power for power in range(first, last + 1) for digit in (1, 2, 5)]
    return [number for number in numbers if low <= number <= high]


def _smallest_positive(grid: Sequence[float]) -> float:
    return min((value for value in grid if value > 0), default=1.0)


def _means(profile: Profile, name: str) -> list[float]:
    series = [point.mean_cost[name].mean for series in profile.series for point in series.points]
    return [*series, *(level.mean_cost[name].mean for level in profile.levels), 0.0]


def draw_head(figure: Figure, title: str, subtitle: str) -> None:
    """Writes title and subtitle into the top 0.7 inches of a figure.

    Args:
        figure: The figure.
        title: First line, bold.
        subtitle: Second line.
    """
    height = figure.get_figheight()
    figure.text(0.02, 1 - 0.12 / height, title, fontsize=12, fontweight="bold", va="top")
    figure.text(0.02, 1 - 0.38 / height, subtitle, fontsize=8.5, color="#555555", va="top")


def _legend(profile: Profile) -> list[Line2D]:
    handles: list[Line2D] = []
    for index, series in enumerate(profile.series):
        color = style.SERIES_COLORS[index % len(style.SERIES_COLORS)]
        handles.append(Line2D([], [], color=color, label=f"{series.label}: mean with 95 % interval"))
    if profile.series:
        color = style.SERIES_COLORS[0]
        handles.append(_marker("o", 6.5, color, color, "feasible"))
        handles.append(_marker("o", 6.5, color, "white", "not feasible"))
    for index, level in enumerate(profile.levels):
        color, dashes = style.LEVEL_COLORS[index % len(style.LEVEL_COLORS)], style.LEVEL_DASHES[index % 4]
        handle = Line2D([], [], color=color, ls=dashes, lw=1.6, label=level.label)
        if len(level.multiplier) == 1:
            handle.set(marker="D", markersize=5.5, mfc=color if level.feasible else "white", mec=color)
            handle.set_label(f"{level.label}, at its last λ")
        handles.append(handle)
    handles.append(Line2D([], [], color=style.INK, ls=(0, (4, 3)), lw=1.2, label="cost limit"))
    if any(series.lambda_star is not None for series in profile.series):
        handles.append(_marker("*", 11, style.INK, style.STAR, "λ*: cost meets its limit"))
    return handles


def _marker(marker: str, size: float, edge: str, face: str, label: str) -> Line2D:
    width = 1.6 if marker == "o" else 0.9
    return Line2D([], [], ls="none", marker=marker, ms=size, mec=edge, mfc=face, mew=width, label=label)

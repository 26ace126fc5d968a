"""The Pareto figure: return over cost of fixed multipliers, coloured by λ, with fronts and what the updates reach."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

from sweeps.analysis import style
from sweeps.analysis.exhibit import Exhibit
from sweeps.analysis.figures import draw_head
from sweeps.analysis.fronts import Front, front, signed_distance
from sweeps.analysis.results import Results
from sweeps.records import Interval, Trial

MARKERS = ("D", "s", "^", "v", "P", "X")


@dataclass(frozen=True)
class Point:
    """One trial in the plane of cost and return.

    Attributes:
        label: What it is called.
        trial: Its number.
        multiplier: λ where it never moves, else None.
        cost: Over seeds.
        mean_return: Over seeds.
        distance: Signed distance to the hull of the fixed multipliers at its cost, reward per episode; NaN left of it,
            None where there is no front.
    """

    label: str
    trial: int
    multiplier: float | None
    cost: Interval
    mean_return: Interval
    distance: float | None


def points_of(results: Results, cost: str) -> tuple[list[Point], Front | None]:
    """Places a study's trials in the plane.

    Args:
        results: The study.
        cost: Name of the constraint on the axis.

    Returns:
        The fixed multipliers and the leader of every other arm, each with its distance; and the hull of the fixed ones,
        None without any.
    """
    fixed = [trial for trial in results.complete if trial.number in results.fixed]
    hull = front(*_means(fixed, cost)) if fixed else None
    return [_point(results, trial, cost, hull) for trial in [*fixed, *results.leaders]], hull


def pareto_exhibit(results: Results, cost: str, setting: str) -> Exhibit | None:
    """Draws the front of a study.

    Args:
        results: The study.
        cost: Name of the constraint on the axis.
        setting: Task, seeds and budget, for the head.

    Returns:
        The figure; None with fewer than two complete fixed multipliers.
    """
    points, hull = points_of(results, cost)
    fixed = [point for point in points if point.multiplier is not None]
    if hull is None or len(fixed) < 2:
        return None
    limit = results.spec.cost_limits[cost]
    moving = [point for point in points if point.multiplier is None]
    figure = _draw(fixed, moving, hull, limit, f"Front of {results.spec.name}", setting, cost)
    told = "; ".join(f"{p.label}: {_told(p)}" for p in moving)
    at_limit = hull.best_return(limit)
    reached = "not reached" if np.isnan(at_limit) else f"{at_limit:.4g}"
    description = (
        f"Return over {cost} of {len(fixed)} fixed multipliers with 95 % intervals, the upper hull and the running "
        f"maximum; best return on the hull at the limit {limit:g}: {reached}. {told}{'.' if told else ''}"
    ).strip()
    name = "pareto" if len(results.spec.cost_limits) == 1 else f"pareto-{cost}"
    return Exhibit(name, "Return over cost", description, figure, [_row(point) for point in points])


def _means(trials: Sequence[Trial], cost: str) -> tuple[list[float], list[float]]:
    pairs = [((trial.mean_cost or {})[cost].mean, trial.mean_return) for trial in trials]
    return [x for x, _ in pairs], [y.mean for _, y in pairs if y is not None]


def _point(results: Results, trial: Trial, cost: str, hull: Front | None) -> Point:
    mean_cost, mean_return = (trial.mean_cost or {})[cost], trial.mean_return
    assert mean_return is not None
    distance = None if hull is None else signed_distance(hull, mean_cost.mean, mean_return.mean)
    return Point(results.label(trial), trial.number, results.fixed.get(trial.number), mean_cost, mean_return, distance)


def _told(point: Point) -> str:
    place = f"return {point.mean_return.mean:.4g} at cost {point.cost.mean:.4g}"
    if point.distance is None or np.isnan(point.distance):
        return f"{place}, left of the front"
    return f"{place}, {abs(point.distance):.3g} {'above' if point.distance >= 0 else 'below'} the hull"


def _draw(
    fixed: Sequence[Point], moving: Sequence[Point], hull: Front, limit: float, title: str, setting: str, cost: str
) -> Figure:
    stairs = front([p.cost.mean for p in fixed], [p.mean_return.mean for p in fixed], "running_maximum")
    with style.figure_style():
        figure = Figure(figsize=(7.2, 5.4))
        axes: Axes = figure.subplots()
        axes.plot(hull.costs, hull.returns, color=style.INK, lw=1.2, zorder=2, label="upper hull")
        steps = [*stairs.costs, max(stairs.cost_max, stairs.costs[-1])]
        heights = [*stairs.returns, stairs.returns[-1]]
        axes.step(
            steps, heights, where="post", color=style.BLUE, lw=1.5, ls=(0, (2, 1.5)), zorder=4, label="running maximum"
        )
        axes.axvline(limit, color=style.INK, ls=(0, (4, 3)), lw=1.2, zorder=1.5, label=f"cost limit {limit:g}")
        _draw_fixed(figure, axes, fixed)
        for index, point in enumerate(moving):
            color = style.LEVEL_COLORS[index % len(style.LEVEL_COLORS)]
            _bars(axes, point, color)
            marker = MARKERS[index % len(MARKERS)]
            axes.plot(
                point.cost.mean, point.mean_return.mean, marker, ms=9, mfc=color, mec=style.INK, mew=0.9, zorder=6,
                label=point.label,
            )  # fmt: skip
        axes.set_xlabel(f"{'cost' if cost == 'cost' else f'cost: {cost}'}  (cost per episode)")
        axes.set_ylabel("return  (reward per episode)")
        draw_head(figure, title, f"{setting} · bars: 95 % intervals over seeds, both ways")
        axes.set_xlim(left=min(0.0, *(point.cost.mean for point in [*fixed, *moving])))  # no cost is negative
        figure.legend(*axes.get_legend_handles_labels(), loc="lower center", ncols=3, columnspacing=1.6)
        figure.subplots_adjust(left=0.1, right=0.86, top=0.87, bottom=0.2)
    return figure


def _draw_fixed(figure: Figure, axes: Axes, fixed: Sequence[Point]) -> None:
    """Dots coloured by log λ; λ = 0 lies on no logarithmic scale and is a mark of its own."""
    positive = [point for point in fixed if point.multiplier]
    for point in fixed:
        _bars(axes, point, "#b5b5b5")
        if not point.multiplier:
            axes.plot(
                point.cost.mean, point.mean_return.mean, "s", ms=8, mfc="white", mec=style.INK, mew=1.4, zorder=5,
                label="λ = 0",
            )  # fmt: skip
    if not positive:
        return
    values = [point.multiplier or 0.0 for point in positive]
    norm = LogNorm(min(values), max(values) if max(values) > min(values) else 1.01 * min(values))
    dots = axes.scatter(
        [point.cost.mean for point in positive],
        [point.mean_return.mean for point in positive],
        c=values,
        norm=norm,
        cmap=colormaps["cividis"],
        s=52,
        edgecolors=style.INK,
        linewidths=0.7,
        zorder=5,
    )
    bar = figure.colorbar(dots, cax=figure.add_axes((0.885, 0.2, 0.02, 0.67)), label="multiplier λ")
    ticks = values if len(values) <= 8 else [min(values), max(values)]
    bar.ax.yaxis.set_major_locator(FixedLocator(ticks))
    bar.ax.yaxis.set_major_formatter(FixedFormatter([f"{tick:g}" for tick in ticks]))
    bar.ax.yaxis.set_minor_locator(NullLocator())


def _bars(axes: Axes, point: Point, color: str) -> None:
    x, y = point.cost, point.mean_return
    axes.errorbar(
        x.mean, y.mean,
        xerr=[[x.mean - x.low], [x.high - x.mean]], yerr=[[y.mean - y.low], [y.high - y.mean]],
        color=color, lw=1.0, ls="none", zorder=3,
    )  # fmt: skip


def _row(point: Point) -> dict[str, Any]:
    return {
        "label": point.label,
        "trial": point.trial,
        "multiplier": point.multiplier,
        "cost": point.cost.mean,
        "cost_low": point.cost.low,
        "cost_high": point.cost.high,
        "return": point.mean_return.mean,
        "return_low": point.mean_return.low,
        "return_high": point.mean_return.high,
        "distance_to_hull": point.distance,
        "num_seeds": point.cost.num_seeds,
    }

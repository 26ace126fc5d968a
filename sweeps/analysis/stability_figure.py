"""The stability figure: λ, return and cost of the updates that move λ, with a zoom near the limit (paper: 3, B.4)."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from sweeps.analysis import style
from sweeps.analysis.exhibit import Exhibit
from sweeps.analysis.figures import MULTIPLIER_LABEL, RETURN_LABEL, cost_label, draw_head
from sweeps.analysis.results import Results
from sweeps.analysis.stability import stability
from sweeps.analysis.training import format_env_steps
from sweeps.records import Trial

_ZOOM = 0.6
"""The zoom shows costs within this share of the limit on either side."""


def stability_exhibit(results: Results, cost: str, setting: str) -> Exhibit | None:
    """Draws how the updates of a study hold a limit.

    Args:
        results: The study.
        cost: Name of the constraint.
        setting: Task, seeds and budget, for the head.

    Returns:
        Curves of each moving arm's leader, mean over seeds with its standard deviation; None without such a trial.
    """
    leaders = [trial for trial in results.leaders if results.series(trial, "return").env_steps.size]
    if not leaders:
        return None
    limit = results.spec.cost_limits[cost]
    figure = _draw(results, leaders, cost, limit, setting)
    told: list[str] = []
    for trial in leaders:
        held = stability(results.series(trial, "return").values, results.series(trial, f"cost/{cost}").values, limit)
        share = "never reaches the limit" if held.reached_at is None else _told(held.violation_share)
        told.append(f"{results.label(trial)}: {share}")
    name = "stability" if len(results.spec.cost_limits) == 1 else f"stability-{cost}"
    description = (
        f"Multiplier, return and {cost} of {len(leaders)} update{'s' * (len(leaders) > 1)} against env steps, and "
        f"{cost} within {_ZOOM:.0%} of the limit {limit:g}. {'; '.join(told)}."
    )
    return Exhibit(name, "How the updates hold the limit", description, figure, list(_rows(results, leaders, cost)))


def _told(share: float | None) -> str:
    return "reaches the limit at its end" if share is None else f"above the limit in {share:.1%} of later iterations"


def _draw(results: Results, leaders: Sequence[Trial], cost: str, limit: float, setting: str) -> Figure:
    panels = (f"multiplier/{cost}", "return", f"cost/{cost}", f"cost/{cost}")
    labels = (MULTIPLIER_LABEL, RETURN_LABEL, cost_label(cost), f"near the limit\n{cost_label(cost)}")
    with style.figure_style():
        figure = Figure(figsize=(7.2, 8.4))
        grid: list[Axes] = list(figure.subplots(4, 1, sharex=True))
        for axes, quantity, label in zip(grid, panels, labels, strict=True):
            for index, trial in enumerate(leaders):
                _draw_line(axes, results, trial, quantity, index)
            axes.set_ylabel(label)
        for axes in grid[2:]:
            axes.axhline(limit, color=style.INK, ls=(0, (4, 3)), lw=1.2, zorder=2.5, label=f"cost limit {limit:g}")
        room = _ZOOM * limit if limit > 0.0 else 1.0
        grid[3].set_ylim(max(0.0, limit - room), limit + room)
        grid[3].set_xlabel("env steps per seed")
        grid[3].xaxis.set_major_formatter(FuncFormatter(format_env_steps))
        draw_head(figure, f"Stability of {results.spec.name}", f"{setting} · mean over seeds ± 1 SD, not smoothed")
        handles, names = grid[2].get_legend_handles_labels()
        figure.legend(handles, names, loc="lower center", ncols=3)
        figure.subplots_adjust(left=0.13, right=0.97, top=0.91, bottom=0.1, hspace=0.12)
        figure.align_ylabels(grid)
    return figure


def _draw_line(axes: Axes, results: Results, trial: Trial, quantity: str, index: int) -> None:
    series = results.series(trial, quantity)
    color = style.LEVEL_COLORS[index % len(style.LEVEL_COLORS)]
    dashes = style.LEVEL_DASHES[index % len(style.LEVEL_DASHES)] if index else "-"
    mean, spread = series.mean(), spread_of(series.values)
    axes.plot(series.env_steps, mean, color=color, ls=dashes, lw=1.6, label=results.label(trial))
    axes.fill_between(series.env_steps, mean - spread, mean + spread, color=color, alpha=0.14, linewidth=0)


def spread_of(values: Any) -> Any:
    """`[K]`; population standard deviation over the seeds that have the iteration, as `np.std`: 0 with one.

    Args:
        values: `[S, K]` float64; NaN where a seed has none.

    Returns:
        NaN where no seed has the iteration.
    """
    known = np.isfinite(values)
    number = known.sum(axis=0)
    filled = np.where(known, values, 0.0)
    safe = np.maximum(number, 1)
    mean = filled.sum(axis=0) / safe
    variance = np.where(known, (filled - mean) ** 2, 0.0).sum(axis=0) / safe
    return np.where(number > 0, np.sqrt(variance), np.nan)


def _rows(results: Results, leaders: Sequence[Trial], cost: str) -> Iterator[dict[str, Any]]:
    for trial in leaders:
        for quantity in (f"multiplier/{cost}", "return", f"cost/{cost}"):
            series = results.series(trial, quantity)
            spread, mean = spread_of(series.values), series.mean()
            for step, value, sd in zip(series.env_steps, mean, spread, strict=True):
                if np.isfinite(value):
                    place = {"label": results.label(trial), "trial": trial.number, "quantity": quantity}
                    yield place | {"env_steps": int(step), "mean": float(value), "sd": float(sd)}

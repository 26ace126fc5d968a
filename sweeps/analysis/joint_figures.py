"""Figures over several studies: return over cost, training curves of the leaders, λ* per task."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from sweeps.analysis import style
from sweeps.analysis.exhibit import Exhibit
from sweeps.analysis.figures import MULTIPLIER_LABEL, RETURN_LABEL, cost_label, draw_head
from sweeps.analysis.limit_figures import lambda_star_exhibit
from sweeps.analysis.pareto import MARKERS
from sweeps.analysis.results import Results
from sweeps.analysis.stability_figure import spread_of
from sweeps.analysis.training import format_env_steps
from sweeps.records import Trial

Entry = tuple[str, Results, Trial]

_MAX_LINES = 12


def joint_exhibits(entries: Sequence[Entry], studies: Sequence[Results]) -> list[Exhibit]:
    """Draws what several studies show together.

    Args:
        entries: What takes part: its name, its study, its trial.
        studies: All studies.

    Returns:
        Training curves and return over cost for each task with at least one entry, and λ* where a study shows it.
    """
    found: list[Exhibit] = []
    for task in dict.fromkeys(results.spec.task for _, results, _ in entries):
        mine = [entry for entry in entries if entry[1].spec.task == task][:_MAX_LINES]
        found += [_leaders(task, mine), _curves(task, mine)]
    stars = {
        f"{results.spec.task} (d = {_limits(results)}), {series.label}": series.lambda_star
        for results in studies
        for series in results.profile.series
        if series.lambda_star is not None
    }
    return [*found, lambda_star_exhibit(stars)] if stars else found


def _limits(results: Results) -> str:
    return ", ".join(f"{limit:g}" for limit in results.spec.cost_limits.values())


def _leaders(task: str, entries: Sequence[Entry]) -> Exhibit:
    cost = next(iter(entries[0][1].spec.cost_limits))
    rows: list[dict[str, Any]] = []
    with style.figure_style():
        figure = Figure(figsize=(7.2, 4.8))
        axes: Axes = figure.subplots()
        for index, (label, results, trial) in enumerate(entries):
            x, y = (trial.mean_cost or {})[cost], trial.mean_return
            assert y is not None
            color = style.CYCLE[index % len(style.CYCLE)]
            xerr, yerr = [[x.mean - x.low], [x.high - x.mean]], [[y.mean - y.low], [y.high - y.mean]]
            axes.errorbar(x.mean, y.mean, xerr=xerr, yerr=yerr, color=color, lw=1.0, ls="none")
            face = color if trial.feasible else "white"
            marker = MARKERS[index % len(MARKERS)]
            axes.plot(x.mean, y.mean, marker, ms=9, mfc=face, mec=color, mew=1.6, label=label)
            rows.append({"label": label, "study": results.spec.name, "trial": trial.number, "cost": x.mean,
                         "cost_low": x.low, "cost_high": x.high, "return": y.mean, "return_low": y.low,
                         "return_high": y.high, "feasible": bool(trial.feasible)})  # fmt: skip
        for limit in {results.limits(trial)[cost] for _, results, trial in entries}:
            axes.axvline(limit, color=style.INK, ls=(0, (4, 3)), lw=1.2, zorder=1.5)
        axes.set_xlim(left=min(0.0, *(row["cost"] for row in rows)))
        axes.set_xlabel(f"{'cost' if cost == 'cost' else f'cost: {cost}'}  (cost per episode); dashed: the limit")
        axes.set_ylabel("return  (reward per episode)")
        draw_head(figure, f"Leaders on {task}", "95 % intervals over seeds, both ways; hollow: not feasible")
        _legend(figure, axes, len(entries), 0.86)
    told = "; ".join(f"{row['label']}: return {row['return']:.4g} at cost {row['cost']:.4g}" for row in rows)
    return Exhibit(f"leaders-{_slug(task)}", f"Leaders on {task}", f"{told}.", figure, rows)


def _curves(task: str, entries: Sequence[Entry]) -> Exhibit:
    cost = next(iter(entries[0][1].spec.cost_limits))
    quantities = {"return": RETURN_LABEL, f"cost/{cost}": cost_label(cost), f"multiplier/{cost}": MULTIPLIER_LABEL}
    with style.figure_style():
        figure = Figure(figsize=(7.2, 7.0))
        grid: list[Axes] = list(figure.subplots(3, 1, sharex=True))
        for axes, (quantity, axis_label) in zip(grid, quantities.items(), strict=True):
            for index, (label, results, trial) in enumerate(entries):
                series = results.series(trial, quantity)
                color, dashes = style.CYCLE[index % len(style.CYCLE)], ("-", *style.LEVEL_DASHES)[index % 5]
                mean, spread = series.mean(), spread_of(series.values)
                axes.plot(series.env_steps, mean, color=color, ls=dashes, lw=1.6, label=label)
                axes.fill_between(series.env_steps, mean - spread, mean + spread, color=color, alpha=0.13, lw=0)
            axes.set_ylabel(axis_label)
        for limit in {results.limits(trial)[cost] for _, results, trial in entries}:
            grid[1].axhline(limit, color=style.INK, ls=(0, (4, 3)), lw=1.2)
        grid[2].set_xlabel("env steps per seed")
        grid[2].xaxis.set_major_formatter(FuncFormatter(format_env_steps))
        draw_head(figure, f"Training on {task}", "mean over seeds ± 1 SD, not smoothed; dashed: the cost limit")
        _legend(figure, grid[0], len(entries), 0.9)
        figure.align_ylabels(grid)
    description = f"Return, cost and multiplier against env steps of {', '.join(label for label, _, _ in entries)}."
    return Exhibit(
        f"curves-{_slug(task)}", f"Training on {task}", description, figure, list(_rows(entries, list(quantities)))
    )


def _rows(entries: Sequence[Entry], quantities: Sequence[str]) -> Iterator[dict[str, Any]]:
    for label, results, trial in entries:
        for quantity in quantities:
            series = results.series(trial, quantity)
            for step, value, sd in zip(series.env_steps, series.mean(), spread_of(series.values), strict=True):
                if np.isfinite(value):
                    place = {"label": label, "quantity": quantity, "env_steps": int(step)}
                    yield place | {"mean": float(value), "sd": float(sd)}


def _legend(figure: Figure, axes: Axes, entries: int, top: float) -> None:
    rows = -(-entries // 3)
    height = figure.get_figheight()
    figure.legend(*axes.get_legend_handles_labels(), loc="lower center", ncols=3, columnspacing=1.6)
    figure.subplots_adjust(left=0.13, right=0.97, top=top, bottom=(0.62 + 0.2 * rows) / height, hspace=0.12)


def _slug(task: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in task).strip("-").lower()

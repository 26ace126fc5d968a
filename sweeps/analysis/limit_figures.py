"""Figures over several cost limits and over several tasks: return–cost curves, training per limit, λ* per task."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from sweeps.analysis import style
from sweeps.analysis.exhibit import Exhibit
from sweeps.analysis.figures import MULTIPLIER_LABEL, MULTIPLIER_UNIT, RETURN_LABEL, cost_label, draw_head
from sweeps.analysis.lambda_star import LambdaStar
from sweeps.analysis.results import Results
from sweeps.analysis.stability_figure import spread_of
from sweeps.analysis.training import format_env_steps
from sweeps.records import Trial


def by_limit(results: Results) -> dict[str, list[tuple[float, Trial]]]:
    """A study's complete trials over the limits that they were trained for.

    Args:
        results: A study with one constraint.

    Returns:
        Arm that moves its multiplier → (limit, its best feasible trial there, else the nearest), by rising limit; arms
        of one limit are left out.
    """
    if len(results.spec.cost_limits) > 1:
        return {}
    groups: dict[str, dict[float, list[Trial]]] = {}
    for trial in results.complete:
        if trial.number not in results.fixed:
            (limit,) = results.limits(trial).values()
            groups.setdefault(trial.arm, {}).setdefault(limit, []).append(trial)
    return {
        arm: [(limit, _best(results, trials)) for limit, trials in sorted(limits.items())]
        for arm, limits in groups.items()
        if len(limits) > 1
    }


def _best(results: Results, trials: Sequence[Trial]) -> Trial:
    def rank(trial: Trial) -> tuple[bool, float]:
        assert trial.mean_return is not None
        return bool(trial.feasible), trial.mean_return.mean if trial.feasible else -results.excess(trial)

    return max(trials, key=rank)


def return_cost_exhibit(results: Results, setting: str) -> Exhibit | None:
    """Draws what updates reach at several limits beside what fixed multipliers reach (paper: B.2).

    Args:
        results: The study.
        setting: Task, seeds and budget, for the head.

    Returns:
        The figure; None where no arm was trained at two limits.
    """
    groups = by_limit(results)
    if not groups:
        return None
    (cost,) = results.spec.cost_limits
    fixed = sorted((t for t in results.complete if t.number in results.fixed), key=lambda t: results.fixed[t.number])
    with style.figure_style():
        figure = Figure(figsize=(7.2, 5.0))
        axes: Axes = figure.subplots()
        if fixed:
            axes.plot(*_means(fixed, cost), "o-", color=style.BLUE, ms=5, lw=1.3, label="fixed λ, by rising λ")
        for index, (arm, reached) in enumerate(groups.items()):
            color = style.LEVEL_COLORS[index % len(style.LEVEL_COLORS)]
            trials = [trial for _, trial in reached]
            _draw_bars(axes, trials, cost, color)
            axes.plot(*_means(trials, cost), "D--", color=color, ms=6.5, lw=1.2, label=arm)
            for limit, trial in reached:
                assert trial.mean_return is not None
                place = ((trial.mean_cost or {})[cost].mean, trial.mean_return.mean)
                axes.annotate(f"d = {limit:g}", place, xytext=(6, -11), textcoords="offset points", fontsize=8)
                axes.axvline(limit, color=style.FAINT, lw=0.8, ls=(0, (1, 2)), zorder=1)
        axes.set_xlim(left=0.0)  # no cost is negative
        axes.set_xlabel(f"{'cost' if cost == 'cost' else f'cost: {cost}'}  (cost per episode)")
        axes.set_ylabel("return  (reward per episode)")
        axes.legend()
        draw_head(figure, f"Return and cost of {results.spec.name}", f"{setting} · bars: 95 % intervals over seeds")
        figure.subplots_adjust(left=0.1, right=0.97, top=0.86, bottom=0.11)
    rows = [_reached_row(arm, limit, trial, cost) for arm, reached in groups.items() for limit, trial in reached]
    rows += [_reached_row("fixed", None, trial, cost, results.fixed[trial.number]) for trial in fixed]
    told = "; ".join(
        f"{row['series']} at d = {row['limit']:g}: return {row['return']:.4g}, cost {row['cost']:.4g}"
        for row in rows
        if row["limit"] is not None
    )
    return Exhibit("return-cost", "Return and cost over cost limits", f"{told}.", figure, rows)


def _means(trials: Sequence[Trial], cost: str) -> tuple[list[float], list[float]]:
    returns = [trial.mean_return.mean for trial in trials if trial.mean_return is not None]
    return [(trial.mean_cost or {})[cost].mean for trial in trials], returns


def _draw_bars(axes: Axes, trials: Sequence[Trial], cost: str, color: str) -> None:
    for trial in trials:
        x, y = (trial.mean_cost or {})[cost], trial.mean_return
        assert y is not None
        xerr, yerr = [[x.mean - x.low], [x.high - x.mean]], [[y.mean - y.low], [y.high - y.mean]]
        axes.errorbar(x.mean, y.mean, xerr=xerr, yerr=yerr, color=color, lw=0.9, ls="none", alpha=0.6)


def _reached_row(
    series: str, limit: float | None, trial: Trial, cost: str, multiplier: float | None = None
) -> dict[str, Any]:
    mean_cost, mean_return = (trial.mean_cost or {})[cost], trial.mean_return
    assert mean_return is not None
    return {
        "series": series,
        "trial": trial.number,
        "limit": limit,
        "multiplier": multiplier,
        "cost": mean_cost.mean,
        "cost_low": mean_cost.low,
        "cost_high": mean_cost.high,
        "return": mean_return.mean,
        "return_low": mean_return.low,
        "return_high": mean_return.high,
        "num_seeds": mean_cost.num_seeds,
    }


def limit_curves_exhibit(results: Results, arm: str, setting: str) -> Exhibit | None:
    """Draws the training of one update at each of its limits (paper: B.3).

    Args:
        results: The study.
        arm: The arm.
        setting: Task, seeds and budget, for the head.

    Returns:
        Return, cost and multiplier, mean over seeds ± 1 SD; None where the arm was trained at one limit.
    """
    reached = by_limit(results).get(arm)
    if not reached:
        return None
    (cost,) = results.spec.cost_limits
    quantities = {"return": RETURN_LABEL, f"cost/{cost}": cost_label(cost), f"multiplier/{cost}": MULTIPLIER_LABEL}
    with style.figure_style():
        figure = Figure(figsize=(7.2, 6.8))
        grid: list[Axes] = list(figure.subplots(3, 1, sharex=True))
        for index, (limit, trial) in enumerate(reached):
            color = to_hex(colormaps["cividis"](0.9 * index / max(1, len(reached) - 1)))
            dashes = ("-", *style.LEVEL_DASHES)[index % 5]
            for axes, quantity in zip(grid, quantities, strict=True):
                series = results.series(trial, quantity)
                mean, spread = series.mean(), spread_of(series.values)
                axes.plot(series.env_steps, mean, color=color, ls=dashes, lw=1.5, label=f"d = {limit:g}")
                axes.fill_between(series.env_steps, mean - spread, mean + spread, color=color, alpha=0.12, lw=0)
            grid[1].axhline(limit, color=color, ls=(0, (1, 2)), lw=1.0)
        for axes, label in zip(grid, quantities.values(), strict=True):
            axes.set_ylabel(label)
        grid[2].set_xlabel("env steps per seed")
        grid[2].xaxis.set_major_formatter(FuncFormatter(format_env_steps))
        draw_head(figure, f"{arm} at several limits, {results.spec.name}", f"{setting} · mean over seeds ± 1 SD")
        handles, names = grid[0].get_legend_handles_labels()
        figure.legend(handles, names, loc="lower center", ncols=min(6, len(reached)))
        figure.subplots_adjust(left=0.13, right=0.97, top=0.89, bottom=0.12, hspace=0.12)
        figure.align_ylabels(grid)
    limits = ", ".join(f"{limit:g}" for limit, _ in reached)
    description = f"Training of {arm} at the limits {limits}: return, cost with its limits dotted, and multiplier."
    return Exhibit(
        f"limits-{arm}",
        f"Training of {arm} per limit",
        description,
        figure,
        list(_curves(results, reached, list(quantities))),
    )


def _curves(
    results: Results, reached: Sequence[tuple[float, Trial]], quantities: Sequence[str]
) -> Iterator[dict[str, Any]]:
    for limit, trial in reached:
        for quantity in quantities:
            series = results.series(trial, quantity)
            for step, value, sd in zip(series.env_steps, series.mean(), spread_of(series.values), strict=True):
                if np.isfinite(value):
                    place = {"limit": limit, "trial": trial.number, "quantity": quantity, "env_steps": int(step)}
                    yield place | {"mean": float(value), "sd": float(sd)}


def lambda_star_exhibit(stars: dict[str, LambdaStar]) -> Exhibit:
    """Draws λ* per task with its interval (paper: B.1).

    Args:
        stars: What is compared, such as `Circle1 (d = 25)` → λ*; at least one.

    Returns:
        The figure; open intervals end in an arrow.
    """
    with style.figure_style():
        figure = Figure(figsize=(7.2, 1.6 + 0.45 * len(stars)))
        axes: Axes = figure.subplots()
        for index, star in enumerate(stars.values()):
            high = star.high if np.isfinite(star.high) else 1.5 * max(star.value, star.low)
            axes.plot([star.low, high], [index, index], color=style.BLUE, lw=1.6)
            if not np.isfinite(star.high):
                axes.plot(high, index, ">", color=style.BLUE, ms=6)
            axes.plot(star.value, index, "*", ms=13, mfc=style.STAR, mec=style.INK, mew=0.9)
        axes.set_yticks(range(len(stars)), list(stars))
        axes.set_ylim(len(stars) - 0.5, -0.5)
        axes.set_xlim(left=0.0)
        axes.set_xlabel(f"λ*  ({MULTIPLIER_UNIT})")
        draw_head(figure, "λ* per task", "95 % interval over seeds; an arrow: beyond the grid")
        height = figure.get_figheight()
        figure.subplots_adjust(left=0.28, right=0.96, top=1 - 0.75 / height, bottom=0.55 / height)
    told = "; ".join(f"{name}: {star.value:.3g} [{star.low:.3g}, {star.high:.3g}]" for name, star in stars.items())
    rows = [
        {"task": name, "lambda_star": star.value, "low": star.low, "high": star.high, "num_seeds": star.num_seeds}
        for name, star in stars.items()
    ]
    return Exhibit("lambda-star", "λ* per task", f"{told}.", figure, rows)

"""Trials and figures as tables: for terminals, Markdown and CSV."""

import csv
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table

from sweeps.analysis.curves import Curve
from sweeps.analysis.multipliers import Movement
from sweeps.analysis.profile import Level, Profile, ProfilePoint, Series
from sweeps.records import Interval, Trial


class TrialTable:
    """The complete trials of a study: multiplier, return and costs with intervals, feasible or not.

    Attributes:
        header: Titles of the columns; costs name their limit.
        rows: One list of cells a trial.
        best: Index of the best feasible trial among the rows, or None.
    """

    def __init__(
        self,
        trials: Sequence[Trial],
        fixed: Mapping[int, float],
        limits: Mapping[str, float],
        best: Trial | None,
    ) -> None:
        self._params = [
            name for name in dict.fromkeys(key for trial in trials for key in trial.params) if name != "multiplier"
        ]
        self._fixed = fixed
        self._limits = limits
        costs = [f"{'cost' if name == 'cost' else f'cost {name}'} (limit {limit:g})" for name, limit in limits.items()]
        self.header = ["trial", "arm", "λ", *self._params, "return", *costs, "feasible"]
        self.rows = [self._row(trial) for trial in trials]
        self.best = None if best is None else [trial.number for trial in trials].index(best.number)

    def to_rich(self, title: str) -> Table:
        """The table for a terminal: the best trial in bold, infeasible ones dim.

        Args:
            title: Heading.

        Returns:
            What rich prints.
        """
        table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
        for name in self.header:
            table.add_column(name, justify="left" if name in {"arm", "feasible"} else "right", overflow="fold")
        for index, row in enumerate(self.rows):
            table.add_row(*row, style="bold green" if index == self.best else "dim" if row[-1] != "yes" else None)
        return table

    def to_markdown(self) -> str:
        """The table in GitHub's Markdown, the best trial in bold."""
        lines = [_markdown(self.header), _markdown(["---"] * len(self.header))]
        for index, row in enumerate(self.rows):
            lines.append(_markdown([f"**{cell}**" if index == self.best and cell else cell for cell in row]))
        return "\n".join(lines)

    def _row(self, trial: Trial) -> list[str]:
        costs = trial.mean_cost or {}
        return [
            str(trial.number),
            trial.arm,
            self._multiplier(trial),
            *(_value(trial.params.get(name)) for name in self._params),
            format_interval(trial.mean_return),
            *(format_interval(costs.get(name)) for name in self._limits),
            "yes" if trial.feasible else "no",
        ]

    def _multiplier(self, trial: Trial) -> str:
        """λ of a fixed arm; of the others, after an arrow, the mean over seeds of the last ones."""
        if trial.number in self._fixed:
            return f"{self._fixed[trial.number]:g}"
        last = [run.multiplier for run in trial.seed_runs if run.multiplier]
        names = dict.fromkeys(name for multiplier in last for name in multiplier)
        means = [sum(multiplier[name] for multiplier in last) / len(last) for name in names]
        return f"→ {', '.join(f'{mean:.3g}' for mean in means)}" if means else "–"


def format_interval(value: Interval | None) -> str:
    """A mean with its interval.

    Args:
        value: The interval, or None.

    Returns:
        Such as `27.3 [24.1, 30.5]`; the mean alone with one seed; a dash for None.
    """
    if value is None:
        return "–"
    mean = f"{value.mean:.4g}"
    return mean if value.num_seeds == 1 else f"{mean} [{value.low:.4g}, {value.high:.4g}]"


def profile_rows(profile: Profile) -> list[dict[str, Any]]:
    """The data of a λ-profile figure.

    Args:
        profile: What it shows.

    Returns:
        One row a point (`kind` = `point`), level (`level`) and λ* (`lambda_star`), with the columns `kind`, `series`,
        `trial`, `multiplier`, `return`, `return_low`, `return_high`, for each cost `cost/<name>` with its ends and
        `limit/<name>`, `feasible`, `num_seeds`; λ* has `multiplier_low` and `multiplier_high`. A level's multiplier is
        its last one over seeds, where there is one.
    """
    rows = [
        _profile_row("point", series.label, point, point.multiplier, profile)
        for series in profile.series
        for point in series.points
    ]
    for level in profile.levels:
        learned = [value.mean for value in level.multiplier.values()]
        rows.append(_profile_row("level", level.label, level, learned[0] if len(learned) == 1 else None, profile))
    stars = [series for series in profile.series if series.lambda_star is not None]
    return [*rows, *(_star_row(series) for series in stars)]


def curve_rows(curves: Sequence[Curve], arms: Mapping[int, str]) -> list[dict[str, Any]]:
    """The data of a training figure.

    Args:
        curves: What it shows.
        arms: Trial number → arm.

    Returns:
        One row a point of a curve: `arm`, `trial`, `quantity`, `env_steps`, `mean`, `low`, `high`, `num_seeds`.
    """
    return list(_curve_rows(curves, arms))


def movement_rows(moved: Sequence[Movement]) -> list[dict[str, Any]]:
    """How multipliers moved, as data.

    Args:
        moved: The movements.

    Returns:
        One row a trial, seed and cost, with its measures (empty where undefined) and the codes of its findings.
    """
    measures = ("at_zero", "at_cap", "total_variation", "dominant_period", "damping_ratio", "phase_lag")
    return [
        {"trial": movement.trial, "seed": movement.seed, "cost": movement.cost}
        | {name: "" if math.isnan(value := getattr(movement, name)) else value for name in measures}
        | {"findings": " ".join(finding.code for finding in movement.findings)}
        for movement in moved
    ]


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    """Writes rows as CSV with a header; a cell that a row lacks is empty.

    Args:
        path: The file.
        rows: The rows; columns in the order of their first appearance.

    Returns:
        The file.
    """
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return path


def _profile_row(
    kind: str, series: str, item: ProfilePoint | Level, multiplier: float | None, profile: Profile
) -> dict[str, Any]:
    row: dict[str, Any] = {"kind": kind, "series": series, "trial": item.trial, "multiplier": multiplier}
    row |= _ends("return", item.mean_return)
    for name, limit in profile.cost_limits.items():
        row |= _ends(f"cost/{name}", item.mean_cost[name]) | {f"limit/{name}": limit}
    return row | {"feasible": item.feasible, "num_seeds": item.mean_return.num_seeds}


def _star_row(series: Series) -> dict[str, Any]:
    assert series.lambda_star is not None
    star = series.lambda_star
    row: dict[str, Any] = {"kind": "lambda_star", "series": series.label, "multiplier": star.value}
    return row | {"multiplier_low": star.low, "multiplier_high": star.high, "num_seeds": star.num_seeds}


def _curve_rows(curves: Sequence[Curve], arms: Mapping[int, str]) -> Iterator[dict[str, Any]]:
    for curve in curves:
        for env_steps, value in zip(curve.env_steps, curve.values, strict=True):
            row = {"arm": arms[curve.trial], "trial": curve.trial, "quantity": curve.quantity, "env_steps": env_steps}
            yield row | {"mean": value.mean, "low": value.low, "high": value.high, "num_seeds": value.num_seeds}


def _ends(name: str, value: Interval) -> dict[str, float]:
    return {name: value.mean, f"{name}_low": value.low, f"{name}_high": value.high}


def _value(value: Any) -> str:
    return "–" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def _markdown(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"

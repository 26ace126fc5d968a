"""The data of figures as rows for CSV, and how intervals are written."""

import csv
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sweeps.analysis.curves import Curve
from sweeps.analysis.multipliers import MEASURES, Movement
from sweeps.analysis.profile import Level, Profile, ProfilePoint, Series
from sweeps.records import Interval


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
    return [
        {"trial": movement.trial, "seed": movement.seed, "cost": movement.cost}
        | {name: "" if math.isnan(value := getattr(movement, name)) else value for name in MEASURES}
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
    path.write_text(csv_text(rows), encoding="utf-8", newline="")
    return path


def csv_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as the text of a CSV file, as `write_csv` writes it.

    Args:
        rows: The rows.
    """
    columns = list(dict.fromkeys(name for row in rows for name in row))
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()


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

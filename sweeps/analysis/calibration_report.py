"""The calibration of multiplier networks in a report: a table, and a figure with the field λ(s) over the plane."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sweeps.analysis import style
from sweeps.analysis.calibration import RISK_STEPS, Calibration, calibrations
from sweeps.analysis.exhibit import Exhibit
from sweeps.analysis.figures import draw_head
from sweeps.analysis.results import Results
from sweeps.analysis.summary import interval
from sweeps.analysis.tables import format_interval
from sweeps.analysis.text_table import TextTable
from sweeps.calibration_record import CalibrationRecord
from sweeps.records import Trial

_MOST_TRIALS = 6  # of a figure, one row each

_MEASURES = (
    ("mean λ(s)", "multiplier"),
    ("spread of λ(s)", "spread"),
    ("slackness |λ g|", "slackness"),
    ("λ where g < 0", "feasible_multiplier"),
    ("mean max(0, g)", "violation"),
    ("share at λ_max", "at_cap"),
    ("AUROC", "auroc"),
    ("AUPRC", "auprc"),
    ("base rate", "base_rate"),
    ("way of λ", "variation"),
    ("period", "period"),
)

_NOTE = (
    "Mean over seeds with a 95 % t-interval; states that the final policy visits in fresh episodes. AUROC and AUPRC: "
    f"λ(s) as a forecast of any cost within {RISK_STEPS} steps; a guess has 0.5 and the base rate. Way of λ: mean "
    "change per iteration at probe states, as a share of its mean there; period: of its strongest oscillation, "
    "iterations. Time: share of the learning time that the network takes."
)


def calibration_table(results: Results) -> TextTable | None:
    """Tables how well each trial's multiplier network is calibrated.

    Args:
        results: The study.

    Returns:
        One row a measure and one column a trial; None where no trial has a network's record.
    """
    found = {trial.number: calibrations(record) for trial, record in _recorded(results)}
    if not found:
        return None
    shares = {trial.number: _time_share(results, trial) for trial, _ in _recorded(results)}
    rows = [
        (title, *(_over_seeds([getattr(seed, name) for seed in seeds]) for seeds in found.values()))
        for title, name in _MEASURES
    ]
    rows.append(("time", *(_over_seeds(shares[number]) for number in found)))
    header = ("measure", *(results.label(trial) for trial, _ in _recorded(results)))
    return TextTable("calibration", "Calibration of multiplier networks", header, tuple(rows), _NOTE)


def calibration_exhibit(results: Results, setting: str) -> Exhibit | None:
    """Draws each network's reliability, its λ at probe states over the training, and λ(s) over the plane.

    Args:
        results: The study.
        setting: Task, seeds and budget, for the head.

    Returns:
        One row of panels a trial, at most six; None where no trial has a network's record.
    """
    recorded = list(_recorded(results))[:_MOST_TRIALS]
    if not recorded:
        return None
    measured = {trial.number: calibrations(record) for trial, record in recorded}
    told = [
        f"{results.label(trial)}: AUROC {_over_seeds([seed.auroc for seed in measured[trial.number]])}"
        for trial, _ in recorded
    ]
    description = (
        "For each network: realized discounted cost against λ(s) in quantile bins, λ at probe states over the "
        f"training, and λ(s) where the robot was. {'; '.join(told)}."
    )
    rows = [row for trial, _ in recorded for row in _bins(results.label(trial), measured[trial.number])]
    figure = _draw(results, recorded, measured, setting)
    return Exhibit("calibration", "Calibration of multiplier networks", description, figure, rows)


def _recorded(results: Results) -> Iterator[tuple[Trial, CalibrationRecord]]:
    for trial in results.trials:
        record = results.calibration.get(trial.number)
        if record is not None:
            yield trial, record


def _over_seeds(values: Sequence[float]) -> str:
    known = [value for value in values if np.isfinite(value)]
    return format_interval(interval(known) if known else None)


def _time_share(results: Results, trial: Trial) -> list[float]:
    """Of each seed: time of the network over that of all learning."""
    seconds: dict[int, list[tuple[float, float]]] = {}
    for row in results.rows:
        spent = row.metrics.get("time/multiplier_s")
        if row.trial == trial.number and spent is not None:
            seconds.setdefault(row.seed, []).append((spent, row.metrics["time/update_s"]))
    totals = [np.sum(pairs, axis=0) for pairs in seconds.values()]
    return [float(network / update) for network, update in totals if update > 0.0]


def _bins(label: str, seeds: Sequence[Calibration]) -> Iterator[Mapping[str, Any]]:
    for seed in seeds:
        for index, (value, cost) in enumerate(seed.bins):
            row = {"trial": label, "seed": seed.seed, "bin": index}
            yield row | {"multiplier": float(value), "discounted_cost": float(cost)}


def _draw(
    results: Results,
    recorded: Sequence[tuple[Trial, CalibrationRecord]],
    measured: Mapping[int, Sequence[Calibration]],
    setting: str,
) -> Figure:
    with style.figure_style():
        figure = Figure(figsize=(10.2, 1.3 + 2.7 * len(recorded)))
        grid: Any = figure.subplots(len(recorded), 3, squeeze=False)
        for panels, (trial, record) in zip(grid, recorded, strict=True):
            _draw_reliability(panels[0], measured[trial.number])
            _draw_probes(panels[1], record)
            _draw_plane(figure, panels[2], record)
            panels[0].set_title(results.label(trial), loc="left", fontweight="bold")
        draw_head(figure, f"Calibration of multiplier networks in {results.spec.name}", setting)
        height = figure.get_figheight()
        figure.subplots_adjust(
            left=0.07, right=0.93, top=1 - 1.0 / height, bottom=0.6 / height, wspace=0.3, hspace=0.62
        )
    return figure


def _draw_reliability(axes: Axes, seeds: Sequence[Calibration]) -> None:
    for index, seed in enumerate(seeds):
        color = style.SERIES_COLORS[index % len(style.SERIES_COLORS)]
        axes.plot(seed.bins[:, 0], seed.bins[:, 1], marker="o", ms=3.5, color=color, label=f"seed {seed.seed}")
    axes.set_xlabel("λ(s), mean of a tenth of the states")
    axes.set_ylabel("realized\ndiscounted cost")
    top = max(1.0, *(float(seed.bins[:, 1].max(initial=0.0)) for seed in seeds))  # a line where none came, too
    axes.set_ylim(-0.04 * top, 1.06 * top)
    axes.legend(loc="best", fontsize=7)


def _draw_probes(axes: Axes, record: CalibrationRecord) -> None:
    if record.probes.shape[1] == 0:
        style.note(axes, "no iteration learned")
        return
    iterations = np.arange(1, record.probes.shape[1] + 1)
    for index, probes in enumerate(record.probes):
        color = style.SERIES_COLORS[index % len(style.SERIES_COLORS)]
        axes.plot(iterations, probes[:, :8], color=color, lw=0.7, alpha=0.7)
    axes.set_xlabel("iterations that learned")
    axes.set_ylabel("λ at 8 probe states")


def _draw_plane(figure: Figure, axes: Axes, record: CalibrationRecord) -> None:
    places, values = record.position.reshape(-1, 2), record.multiplier.ravel()
    known = np.isfinite(places).all(axis=1)
    if not known.any():
        style.note(axes, "the task has no plane")
        return
    cells = axes.hexbin(
        places[known, 0], places[known, 1], C=values[known], gridsize=28, cmap="cividis", mincnt=1, linewidths=0.1
    )
    figure.colorbar(cells, ax=axes, label="mean λ(s)", pad=0.02)
    axes.set_aspect("equal", adjustable="datalim")
    axes.set_xlabel("x (m)")
    axes.set_ylabel("y (m)")

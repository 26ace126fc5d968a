"""Which figures a study has: each is drawn where the study holds what it shows."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from sweeps.analysis.ablation import ablation_exhibit
from sweeps.analysis.calibration_report import calibration_exhibit
from sweeps.analysis.curves import Curve, training_curves
from sweeps.analysis.exhibit import Exhibit
from sweeps.analysis.figures import draw_profile
from sweeps.analysis.gains import gains_exhibit
from sweeps.analysis.lambda_star import coordinate
from sweeps.analysis.limit_figures import by_limit, limit_curves_exhibit, return_cost_exhibit
from sweeps.analysis.pareto import pareto_exhibit
from sweeps.analysis.profile import Profile, smoothed, smoothed_intervals
from sweeps.analysis.results import Results
from sweeps.analysis.stability_figure import stability_exhibit
from sweeps.analysis.tables import curve_rows, format_interval, profile_rows
from sweeps.analysis.training import draw_training, looks_of
from sweeps.records import Trial


def study_exhibits(results: Results, smoothing: float | None = None) -> list[Exhibit]:
    """Draws every figure that a study has the data for.

    Args:
        results: The study, finished or not.
        smoothing: LOWESS's fraction for profile and training curves, or None: nothing is smoothed. It is printed.

    Returns:
        The λ-profile and the training curves always, the others where the study shows what they are about.
    """
    setting, costs = setting_of(results), list(results.spec.cost_limits)
    found: list[Exhibit | None] = [profile_exhibit(results, smoothing)]
    found += [pareto_exhibit(results, cost, setting) for cost in costs]
    found += [training_exhibit(results, smoothing), star_training_exhibit(results, smoothing)]
    found += [stability_exhibit(results, cost, setting) for cost in costs]
    found.append(return_cost_exhibit(results, setting))
    found += [limit_curves_exhibit(results, arm, setting) for arm in by_limit(results)]
    found += [gains_exhibit(results, arm, setting) for arm in results.spec.arms]
    found += [ablation_exhibit(results, setting), calibration_exhibit(results, setting)]
    return [exhibit for exhibit in found if exhibit is not None]


def setting_of(results: Results) -> str:
    """Task, seeds and budget of a study, as the heads of its figures say them."""
    spec = results.spec
    steps = f"{spec.env_steps:,}".replace(",", " ")
    seeds = len(spec.seed_list)
    return f"{spec.task} · {seeds} seed{'s' if seeds > 1 else ''} · {steps} env steps each"


def profile_exhibit(results: Results, smoothing: float | None = None) -> Exhibit:
    """Draws the λ-profile (paper: 1).

    Args:
        results: The study.
        smoothing: LOWESS's fraction, or None.
    """
    profile = results.profile
    shown = profile if smoothing is None else smoothed(profile, smoothing)
    subtitle = f"{setting_of(results)} · episodes of the last 5 % of iterations{_smoothed_by(smoothing)}"
    figure = draw_profile(shown, f"λ-profile of {results.spec.name}", subtitle)
    rows = profile_rows(shown)
    return Exhibit("lambda-profile", "λ-profile", _profile_in_words(profile), figure, rows)


def _profile_in_words(profile: Profile) -> str:
    told = ["Return and cost against the multiplier, with 95 % intervals over seeds."]
    for series in profile.series:
        if series.lambda_star is not None:
            star = series.lambda_star
            told.append(f"λ* of {series.label}: {star.value:.3g} [{star.low:.3g}, {star.high:.3g}].")
        else:
            told.append(f"{series.label}: the grid does not show where the cost meets its limit.")
    told += [f"{level.label}: return {format_interval(level.mean_return)}." for level in profile.levels]
    return " ".join(told)


def training_exhibit(results: Results, smoothing: float | None = None) -> Exhibit:
    """Draws the training curves of every trial.

    Args:
        results: The study.
        smoothing: LOWESS's fraction, or None.
    """
    return _training(results, results.trials, "training", f"Training of {results.spec.name}", smoothing)


def star_training_exhibit(results: Results, smoothing: float | None = None) -> Exhibit | None:
    """Draws the training of the moving updates against the fixed multiplier nearest to λ* (paper: 2).

    Args:
        results: The study.
        smoothing: LOWESS's fraction, or None.

    Returns:
        The figure; None where λ* is not known or nothing moves λ.
    """
    star = _trial_at_star(results)
    if star is None or not results.leaders:
        return None
    title = f"Updates against λ* in {results.spec.name}"
    return _training(results, [star, *results.leaders], "training-lambda-star", title, smoothing)


def _trial_at_star(results: Results) -> Trial | None:
    known = [series for series in results.profile.series if series.lambda_star is not None]
    if not known:
        return None
    series = known[0]
    assert series.lambda_star is not None
    grid = [point.multiplier for point in series.points]
    smallest = min((value for value in grid if value > 0), default=1.0)
    place = coordinate(series.lambda_star.value, smallest)
    nearest = min(series.points, key=lambda point: abs(coordinate(point.multiplier, smallest) - place))
    return next(trial for trial in results.trials if trial.number == nearest.trial)


def _training(results: Results, trials: Sequence[Trial], name: str, title: str, smoothing: float | None) -> Exhibit:
    numbers = {trial.number for trial in trials}
    curves = [curve for curve in training_curves(results.rows) if curve.trial in numbers]
    if smoothing is not None:
        curves = [_smoothed_curve(curve, smoothing) for curve in curves]
    shown = {curve.trial for curve in curves}
    looks = looks_of([trial for trial in trials if trial.number in shown], results.fixed)
    how = _smoothed_by(smoothing) or ", not smoothed"
    bands = "; bands: 95 % interval" if any(look.band for look in looks.values()) else ""
    subtitle = f"{setting_of(results)} · mean over seeds{how}{bands}"
    figure = draw_training(curves, looks, results.spec.cost_limits, title, subtitle)
    told = " ".join(_last_values(results, [trial for trial in trials if trial.number in shown]))
    description = f"Return, cost and multiplier against env steps. {told}".strip()
    rows = curve_rows(curves, {trial.number: trial.arm for trial in results.trials})
    return Exhibit(name, title, description, figure, rows)


def _last_values(results: Results, trials: Sequence[Trial]) -> Iterator[str]:
    for trial in trials[:12]:
        mean = results.series(trial, "return").mean()
        known = mean[np.isfinite(mean)]
        if known.size:
            yield f"{results.label(trial)} ends at return {known[-1]:.4g}."


def _smoothed_curve(curve: Curve, fraction: float) -> Curve:
    places = [float(step) for step in curve.env_steps]
    return replace(curve, values=tuple(smoothed_intervals(places, curve.values, fraction)))


def _smoothed_by(smoothing: float | None) -> str:
    return "" if smoothing is None else f", LOWESS with fraction {smoothing:g}"

"""A study's report: table, best feasible trial, λ-profile and training curves, each figure with its data."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from rich.table import Table

from algorithms.parameters import FixedMultiplier
from sweeps.analysis.curves import Curve, training_curves
from sweeps.analysis.figures import draw_profile
from sweeps.analysis.multipliers import finding_lines, movements
from sweeps.analysis.profile import Profile, described, excess, profile_of
from sweeps.analysis.style import save_figure
from sweeps.analysis.tables import TrialTable, curve_rows, format_interval, movement_rows, profile_rows, write_csv
from sweeps.analysis.training import draw_training, looks_of
from sweeps.errors import UnreachableError
from sweeps.records import State, Trial
from sweeps.spec import StudySpec
from sweeps.tracking.events import StudyStarted
from sweeps.tracking.publish import publish
from sweeps.tracking.run_content import TAG
from sweeps.tracking.spool import SPOOL_NAME, read_events, read_rows
from sweeps.tracking.store import find_store
from sweeps.tracking.tracker import Tracker
from sweeps.trial_table import best_of, to_dataframe

_LOG = logging.getLogger(__name__)

_DEFINITIONS = """\
- **Return, cost**: undiscounted; per seed the mean over the training episodes that finish in the last 5 % of
  iterations, then the mean over seeds with a 95 % t-interval in brackets.
- **Feasible**: every cost so aggregated is at most its limit.
- **λ**: the multiplier; after an arrow the last one of an update that moves it, as a mean over seeds.
- **λ\\***: where the cost of the fixed multipliers meets its limit: monotone least-squares fit, interpolated linearly
  in λ up to the smallest positive multiplier and in log λ beyond.
- Training curves show each iteration's episodes; nothing is smoothed."""


class ReportedStudy(Protocol):
    """What a report needs of a study."""

    @property
    def spec(self) -> StudySpec:
        """What it is."""
        ...

    @property
    def trials(self) -> list[Trial]:
        """Its trials by number, as they stand."""
        ...

    @property
    def folder(self) -> Path:
        """Its folder, with the spool; two levels below the storage folder."""
        ...


@dataclass(frozen=True)
class Report:
    """What `write_report` wrote and what to tell.

    Attributes:
        folder: Where the files are.
        table: The complete trials; rich prints it.
        best: One line: the best feasible trial, or that there is none.
        missing: One line for each trial that is not complete.
        findings: Why multipliers did not hold their limits, one line for each cause and trial.
        figures: PNG and SVG files.
        files: All files, figures included.
    """

    folder: Path
    table: Table
    best: str
    missing: tuple[str, ...]
    findings: tuple[str, ...]
    figures: tuple[Path, ...]
    files: tuple[Path, ...]


def write_report(study: ReportedStudy, tracker: Tracker | None = None, *, publish_files: bool = True) -> Report:
    """Writes the report of a study, finished or not, into `report/` of its folder and adds it to MLflow.

    The files are `report.md`, `trials.csv`, `multipliers.csv` (how each seed's λ moved), and `lambda-profile` and
    `training` as `.png`, `.svg` and `.csv`. When MLflow does not answer, the files are written all the same and a
    warning says so.

    Args:
        study: The study.
        tracker: The study's open tracker, which then adds the files to MLflow; None adds them at once.
        publish_files: Whether to add the files to MLflow at all.

    Returns:
        What was written.

    Raises:
        SpoolError: If the study's spool is damaged.
        OSError: If the folder cannot be written.
    """
    spec, trials, folder = study.spec, study.trials, study.folder / "report"
    folder.mkdir(parents=True, exist_ok=True)
    fixed = _fixed_multipliers(spec, trials)
    complete = [trial for trial in trials if trial.state is State.COMPLETE]
    best, missing = best_of(trials), tuple(_missing_line(trial, spec) for trial in trials if trial not in complete)
    table = TrialTable(complete, fixed, spec.cost_limits, best)
    best_line = _best_line(complete, best, spec.cost_limits)

    profile = profile_of(spec, trials)
    figures = _write_profile(folder, spec, profile)
    rows = read_rows(study.folder / SPOOL_NAME)
    figures += _write_training(folder, spec, trials, fixed, training_curves(rows))
    moved = movements(spec, trials, rows)
    findings = tuple(finding_lines(moved, {trial.number: _named(trial) for trial in trials}))
    files = [write_csv(folder / "lambda-profile.csv", profile_rows(profile)), folder / "training.csv"]
    files += [write_csv(folder / "multipliers.csv", movement_rows(moved)), folder / "trials.csv", folder / "report.md"]
    to_dataframe(trials, list(spec.cost_limits)).to_csv(folder / "trials.csv", index=False)
    provenance = _provenance(study.folder / SPOOL_NAME)
    text = _markdown(spec, table, best_line, missing, findings, profile, provenance)
    (folder / "report.md").write_text(text, encoding="utf-8")
    rich_table = table.to_rich(f"{spec.name}: {spec.task}")
    report = Report(folder, rich_table, best_line, missing, findings, figures, (*figures, *files))
    if publish_files:
        _publish(study.folder, report.files, tracker)
    return report


def _fixed_multipliers(spec: StudySpec, trials: Sequence[Trial]) -> dict[int, float]:
    fixed: dict[int, float] = {}
    for trial in trials:
        update = spec.resolve(trial.arm, trial.params).lagrangian
        if isinstance(update, FixedMultiplier):
            fixed[trial.number] = update.multiplier
    return fixed


def _write_profile(folder: Path, spec: StudySpec, profile: Profile) -> tuple[Path, ...]:
    subtitle = f"{_setting(spec)} · episodes of the last 5 % of iterations"
    return save_figure(draw_profile(profile, f"λ-profile of {spec.name}", subtitle), folder, "lambda-profile")


def _write_training(
    folder: Path, spec: StudySpec, trials: Sequence[Trial], fixed: Mapping[int, float], curves: Sequence[Curve]
) -> tuple[Path, ...]:
    shown = {curve.trial for curve in curves}
    looks = looks_of([trial for trial in trials if trial.number in shown], fixed)
    subtitle = f"{_setting(spec)} · mean over seeds, not smoothed; bands: 95 % interval"
    figure = draw_training(curves, looks, spec.cost_limits, f"Training of {spec.name}", subtitle)
    write_csv(folder / "training.csv", curve_rows(curves, {trial.number: trial.arm for trial in trials}))
    return save_figure(figure, folder, "training")


def _setting(spec: StudySpec) -> str:
    steps = f"{spec.env_steps:,}".replace(",", " ")
    seeds = len(spec.seed_list)
    return f"{spec.task} · {seeds} seed{'s' if seeds > 1 else ''} · {steps} env steps each"


def _best_line(complete: Sequence[Trial], best: Trial | None, limits: Mapping[str, float]) -> str:
    if best is not None:
        return f"best feasible trial: {_named(best)}, {_numbers(best, limits)}"
    if not complete:
        return "no feasible trial: none is complete"
    nearest = min(complete, key=lambda trial: excess(trial, limits))
    return f"no feasible trial; nearest to its limit: {_named(nearest)}, {_numbers(nearest, limits)}"


def _numbers(trial: Trial, limits: Mapping[str, float]) -> str:
    costs = trial.mean_cost or {}
    parts = [f"{name} {format_interval(costs.get(name))} (limit {limit:g})" for name, limit in limits.items()]
    return ", ".join([f"return {format_interval(trial.mean_return)}", *parts])


def _missing_line(trial: Trial, spec: StudySpec) -> str:
    if trial.state is State.FAIL:
        return f"{_named(trial)} failed: {trial.failure or 'no cause was recorded'}"
    share = sum(run.env_steps for run in trial.seed_runs) / (spec.env_steps * len(spec.seed_list))
    return f"{_named(trial)} is {trial.state.value} at {share:.0%} of its env steps"


def _named(trial: Trial) -> str:
    params = described(trial.params)
    return f"trial {trial.number} ({trial.arm}{f', {params}' if params else ''})"


def _provenance(spool: Path) -> dict[str, str]:
    """Tags of the last start of the study: commit and versions."""
    starts = [event for event in read_events(spool) if isinstance(event, StudyStarted)]
    return {name.removeprefix(TAG): value for name, value in starts[-1].tags.items()} if starts else {}


def _markdown(
    spec: StudySpec,
    table: TrialTable,
    best: str,
    missing: Sequence[str],
    findings: Sequence[str],
    profile: Profile,
    provenance: Mapping[str, str],
) -> str:
    limits = ", ".join(f"{name} ≤ {limit:g}" for name, limit in spec.cost_limits.items())
    stars = [
        f"λ\\* of {series.label}: {series.lambda_star.value:.3g}"
        for series in profile.series
        if series.lambda_star is not None
    ]
    versions = ", ".join(
        f"{name.removeprefix('version.')} {value}" for name, value in provenance.items() if "version." in name
    )
    dirty = " with uncommitted changes" if provenance.get("git_dirty") == "true" else ""
    parts = [
        f"# {spec.name}",
        f"{_setting(spec)} · {spec.algorithm} · {limits} per episode",
        f"**{best[0].upper()}{best[1:]}.**",
        *stars,
        table.to_markdown() if table.rows else "No trial is complete.",
        "![λ-profile: return and cost against the multiplier](lambda-profile.png)",
        "![Training curves: return, cost and multiplier against env steps](training.png)",
        f"## Not complete\n\n{chr(10).join(f'- {line}' for line in missing)}"
        if missing
        else "Every trial is complete.",
        *([f"## Multipliers\n\n{chr(10).join(f'- {line}' for line in findings)}"] if findings else []),
        f"## Definitions\n\n{_DEFINITIONS}",
        f"## Origin\n\n- spec SHA-256: {spec.sha256}\n- commit: {provenance.get('git_commit', 'unknown')}{dirty}\n"
        f"- versions: {versions or 'unknown'}",
    ]
    return "\n\n".join(parts) + "\n"


def _publish(folder: Path, files: Sequence[Path], tracker: Tracker | None) -> None:
    if tracker is not None:
        for path in files:
            tracker.artifact(path)
        return
    if not (folder / SPOOL_NAME).exists():
        return  # it has never run: MLflow does not know it
    try:
        publish(find_store(folder.parents[1]), folder, files)
    except UnreachableError as error:
        _LOG.warning("%s; %s.", error.message, error.help)

"""A study's report on disk: one HTML page, Markdown, LaTeX tables, and each figure with its data."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from sweeps.analysis.champion_section import champion_section
from sweeps.analysis.multipliers import finding_lines, movements
from sweeps.analysis.results import ReportedStudy, read_results
from sweeps.analysis.study_figures import study_exhibits
from sweeps.analysis.study_page import best_line, missing_lines, named, study_page
from sweeps.analysis.study_tables import trials_table
from sweeps.analysis.tables import movement_rows, write_csv
from sweeps.errors import UnreachableError
from sweeps.tracking.events import StudyStarted
from sweeps.tracking.publish import publish
from sweeps.tracking.run_content import TAG
from sweeps.tracking.spool import SPOOL_NAME, read_events
from sweeps.tracking.store import find_store
from sweeps.tracking.tracker import Tracker
from sweeps.trial_table import to_dataframe

_LOG = logging.getLogger(__name__)


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
        html: The page, as it was written.
    """

    folder: Path
    table: Table
    best: str
    missing: tuple[str, ...]
    findings: tuple[str, ...]
    figures: tuple[Path, ...]
    files: tuple[Path, ...]
    html: str

    def _repr_html_(self) -> str:
        """How a notebook shows it: the whole page in a frame of its own."""
        return frame(self.html)


def write_report(
    study: ReportedStudy,
    tracker: Tracker | None = None,
    *,
    publish_files: bool = True,
    smoothing: float | None = None,
) -> Report:
    """Writes the report of a study, finished or not, into `report/` of its folder and adds it to MLflow.

    The files are `report.html` (one page that needs no other file and no network), `report.md`, `report.tex` (the
    tables), `trials.csv`, `multipliers.csv` (how each seed's λ moved), and each figure as `.png`, `.svg` and `.csv`:
    `lambda-profile` and `training` always, others where the study has their data. When MLflow does not answer, the
    files are written all the same and a warning says so.

    Args:
        study: The study.
        tracker: The study's open tracker, which then adds the files to MLflow; None adds them at once.
        publish_files: Whether to add the files to MLflow at all.
        smoothing: LOWESS's fraction in (0, 1] for profile and training curves; None smooths nothing.

    Returns:
        What was written.

    Raises:
        ValueError: If `smoothing` is out of range.
        SpoolError: If the study's spool is damaged.
        OSError: If the folder cannot be written.
    """
    results, folder = read_results(study), study.folder / "report"
    exhibits = study_exhibits(results, smoothing)
    moved = movements(results.spec, results.trials, results.rows)
    findings = tuple(finding_lines(moved, {trial.number: named(trial) for trial in results.trials}))
    page = study_page(results, exhibits, findings, provenance_of(study), champion_section(study.folder, results))
    folder.mkdir(parents=True, exist_ok=True)
    files = [path for exhibit in exhibits for path in exhibit.save(folder)]
    figures = tuple(path for path in files if path.suffix != ".csv")
    files.append(write_csv(folder / "multipliers.csv", movement_rows(moved)))
    files.append(folder / "trials.csv")
    to_dataframe(results.trials, results.spec).to_csv(files[-1], index=False)
    html = page.to_html()
    texts = {"report.html": html, "report.md": page.to_markdown(), "report.tex": page.to_latex()}
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
        files.append(folder / name)
    table = trials_table(results).to_rich(f"{results.spec.name}: {results.spec.task}")
    report = Report(folder, table, best_line(results), missing_lines(results), findings, figures, tuple(files), html)
    if publish_files:
        add_to_mlflow(study.folder, report.files, tracker)
    return report


def frame(page: str) -> str:
    """Wraps a whole page so that a notebook shows it without mixing its style with the notebook's.

    Args:
        page: HTML.

    Returns:
        An `iframe` that holds the page itself.
    """
    escaped = page.replace("&", "&amp;").replace('"', "&quot;")
    return f'<iframe title="Lagsweep report" srcdoc="{escaped}" style="width: 100%; height: 48rem; border: 0"></iframe>'


def provenance_of(study: ReportedStudy) -> dict[str, str]:
    """Commit and versions of a study's last start.

    Args:
        study: The study.

    Returns:
        Word → value; empty before the first start.
    """
    starts = [event for event in read_events(study.folder / SPOOL_NAME) if isinstance(event, StudyStarted)]
    return {name.removeprefix(TAG): value for name, value in starts[-1].tags.items()} if starts else {}


def add_to_mlflow(folder: Path, files: Sequence[Path], tracker: Tracker | None = None) -> None:
    """Adds files to a study in MLflow; warns where MLflow does not answer.

    Args:
        folder: The study's folder.
        files: The files.
        tracker: The study's open tracker, or None.
    """
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

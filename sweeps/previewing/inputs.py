"""What a preview is made of: the updates of a study, and costs from text, a CSV file or a finished run."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from algorithms.parameters import NetworkMultiplier, Parameters
from sweeps.errors import NotFoundError, SpecError, suggest
from sweeps.previewing.curves import checked_parameters
from sweeps.spec import Arm, StudySpec
from sweeps.spec.search import AdaptiveProfile, OptunaSearch
from sweeps.spec.space import known_points, num_trials
from sweeps.tracking.events import StudyStarted, TrialStarted
from sweeps.tracking.spool import read_events, read_rows

_MOST_SHOWN = 60  # characters
MOST_CURVES = 8  # of one arm: more lines than this are no picture


@dataclass(frozen=True)
class Subject:
    """One update to preview.

    Attributes:
        parameters: The update and its hyperparameters.
        cost_limit: The limit of the study's first cost, or None where no study gave one.
    """

    parameters: Parameters
    cost_limit: float | None = None


def parse_update(text: str, settings: Sequence[str] = ()) -> Subject:
    """Reads an update as a command line gives it: `pid`, or `pid:kp=0.2,ki=0.01`.

    Args:
        text: The update, and after a colon its hyperparameters.
        settings: More hyperparameters, each `name=value`; they win.

    Returns:
        The update.

    Raises:
        SpecError: If a setting is no `name=value`, or a name or value breaks a rule.
    """
    update, _, own = text.partition(":")
    parameters: dict[str, str] = {}
    for setting in [*(own.split(",") if own else []), *settings]:
        name, equals, value = setting.partition("=")
        if not equals or not name.strip():
            message = f"a setting must be `name=value`, but got {setting!r}."
            raise SpecError(message, code="wrong-type", help="for example --set kp=0.1")
        parameters[name.strip()] = value.strip()
    return Subject(checked_parameters(update, parameters))


def study_subjects(spec: StudySpec) -> tuple[list[Subject], list[str]]:
    """Collects the updates of a study: every point of a grid, or of a longer one some of its points.

    Args:
        spec: The study.

    Returns:
        The updates, each once, and notes on what is left out.
    """
    subjects: dict[str, Subject] = {}
    notes: list[str] = []
    for name, arm in spec.arms.items():
        if isinstance(arm.lagrangian, NetworkMultiplier):
            notes.append(f"arm {name} is left out: a multiplier network answers to states, not to a row of costs")
            continue
        for point in _points(name, arm, notes):
            run = spec.resolve(name, point)
            subject = Subject(run.lagrangian, next(iter(run.cost_limits.values())))
            subjects.setdefault(repr(subject), subject)
    if len(spec.cost_limits) > 1:
        notes.append(f"of {len(spec.cost_limits)} costs the first counts: {next(iter(spec.cost_limits))}")
    return list(subjects.values()), notes


def read_costs(text: str) -> list[float]:
    """Reads costs from `60,55,48` or from a CSV file.

    Args:
        text: The costs, or the file's path. Of several columns the one named `cost` or `train/cost` counts.

    Returns:
        One cost an iteration.

    Raises:
        SpecError: If it is neither, or a value is no number.
    """
    numbers = _numbers(text.split(","))
    if numbers is not None:
        return numbers
    try:
        with Path(text).open(newline="", encoding="utf-8-sig") as stream:
            rows = [row for row in csv.reader(stream) if row]
    except (UnicodeDecodeError, csv.Error) as error:
        message = f"{text} must be a CSV file in UTF-8, but: {error}."
        raise SpecError(message, code="file", help="export it as CSV UTF-8") from None
    except (OSError, ValueError) as error:  # ValueError: what no path may hold
        shown = text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…"
        why = getattr(error, "strerror", None) or error
        message = f"costs must be numbers or a CSV file, but got {shown!r}: {why}."
        raise SpecError(message, code="file", help="for example --costs 60,55,48") from None
    return _column(rows, text)


class RunCosts(NamedTuple):
    """Costs of a run.

    Attributes:
        costs: The mean cost of each iteration in which an episode finished.
        limit: The run's own limit of that cost.
        name: Which cost it is, where the run has several; else None.
    """

    costs: list[float]
    limit: float
    name: str | None


def run_costs(storage: Path, run: str) -> RunCosts:
    """Reads the costs of a run of a study in a storage folder.

    Args:
        storage: The storage folder.
        run: `STUDY/TRIAL/SEED`, such as `demo/3/0`.

    Returns:
        Its first cost, in the order of the study's limits, with the limit.

    Raises:
        SpecError: If `run` is not of that form.
        NotFoundError: If there is no such run, or no episode finished in it.
    """
    parts = run.rsplit("/", 2)
    if len(parts) != 3 or not (parts[1].isdecimal() and parts[2].isdecimal()):
        raise SpecError(
            f"a run must be `STUDY/TRIAL/SEED`, but got {run!r}.", code="wrong-type", help="such as demo/3/0"
        )
    study, trial, seed = parts[0], int(parts[1]), int(parts[2])
    spool = storage / "studies" / study / "spool.jsonl"
    if not spool.is_file():
        known = [folder.name for folder in storage.glob("studies/*") if folder.is_dir()]
        raise NotFoundError(f"no study {study!r} in {storage}.", help=suggest(study, known))
    rows = sorted(read_rows(spool), key=lambda row: row.iteration)
    metrics = [row.metrics for row in rows if (row.trial, row.seed) == (trial, seed)]
    limits = _run_limits(spool, trial)
    for name, limit in limits.items():
        for key in ("train/cost", f"train/cost/{name}"):
            costs = [row[key] for row in metrics if key in row]
            if costs:
                return RunCosts(costs, limit, name if len(limits) > 1 else None)
    raise NotFoundError(f"study {study!r} has no costs of trial {trial}, seed {seed}.", help="lagsweep trials")


def _run_limits(spool: Path, number: int) -> dict[str, float]:
    """A trial's own cost limits, as its driver wrote study and trial; none where it never began."""
    spec: StudySpec | None = None
    limits: dict[str, float] = {}
    for event in read_events(spool):
        if isinstance(event, StudyStarted):
            spec = StudySpec.from_text(event.spec_yaml)
        elif isinstance(event, TrialStarted) and event.trial.number == number and spec is not None:
            limits = dict(spec.resolve(event.trial.arm, event.trial.params).cost_limits)
    return limits


def _points(name: str, arm: Arm, notes: list[str]) -> list[dict[str, object]]:
    if isinstance(arm.search, OptunaSearch | AdaptiveProfile):
        notes.append(f"{name}: its search will choose; this is what it starts from")
        return [{}]
    number = num_trials(arm)
    points = known_points(arm)
    if number <= MOST_CURVES:
        return points
    notes.append(f"{name}: {MOST_CURVES} of {number} points of its grid")
    return [points[round(index * (number - 1) / (MOST_CURVES - 1))] for index in range(MOST_CURVES)]


def _column(rows: list[list[str]], source: str) -> list[float]:
    if not rows:
        raise SpecError(f"{source} is empty.", code="file")
    header = [] if _numbers(rows[0]) is not None else [cell.strip() for cell in rows[0]]
    names = [name for name in ("cost", "train/cost") if name in header]
    if not names and len(rows[0]) > 1:
        message = f"{source} must have one column, or one named `cost`."
        raise SpecError(message, code="file", help=f"its columns: {', '.join(rows[0])}")
    index = header.index(names[0]) if names else 0
    body = rows[1:] if header else rows
    for number, row in enumerate(body, start=len(rows) - len(body) + 1):
        if _numbers(row[index : index + 1]) in (None, []):
            raise SpecError(f"{source}: row {number} has no cost: {','.join(row)}", code="file")
    return [float(row[index]) for row in body]


def _numbers(cells: Sequence[str]) -> list[float] | None:
    try:
        return [float(cell) for cell in cells]
    except ValueError:
        return None

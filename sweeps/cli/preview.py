"""The command `preview`: what multiplier updates do to costs, without training."""

import csv
import gc
import sys
from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from algorithms.inert import find_inert
from algorithms.multiplier_cap import cap_of
from algorithms.parameters import FixedMultiplier
from sweeps.cli.output import Output, OutputOption, show_json, show_rows
from sweeps.errors import SpecError

if TYPE_CHECKING:  # torch and Matplotlib: two seconds that no other command shall pay
    from sweeps.previewing.curves import Curve
    from sweeps.previewing.inputs import Subject
    from sweeps.previewing.painter import Painter

FIGURE = Path("lagsweep-preview.png")


def register(app: typer.Typer) -> None:
    """Adds the command of this module."""
    app.command()(preview)


def preview(
    study: Annotated[Path | None, typer.Argument(help="Study file (YAML) whose updates to draw.")] = None,
    update: Annotated[
        list[str] | None, typer.Option(help="An update, such as pid or pid:kp=0.2,ki=0.01; several may be given.")
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="A hyperparameter of every --update: name=value.")
    ] = None,
    cost_limit: Annotated[
        float | None, typer.Option(help="Cost limit; default: that of --costs-of or of the study, else 25.")
    ] = None,
    costs: Annotated[str | None, typer.Option(help="Cost of each iteration: 60,55,48, or a CSV file.")] = None,
    costs_of: Annotated[str | None, typer.Option(help="A run whose costs to take: STUDY/TRIAL/SEED.")] = None,
    storage: Annotated[Path, typer.Option(envvar="LAGSWEEP_STORAGE", help="Storage folder of that run.")] = Path(
        "lagsweep-runs"
    ),
    free_cost: Annotated[float | None, typer.Option(help="Plant: cost at λ = 0; default: 2.4 × the limit.")] = None,
    half_at: Annotated[float, typer.Option(help="Plant: the λ that halves the cost.")] = 1.0,
    response: Annotated[float, typer.Option(help="Plant: share of the gap that closes per iteration.")] = 0.1,
    noise: Annotated[float, typer.Option(help="Plant: standard deviation of the measured cost.")] = 0.0,
    iterations: Annotated[int, typer.Option(help="Plant: iterations to draw.")] = 200,
    figure: Annotated[
        Path | None, typer.Option(help=f"Figure to write (.png, .svg, .pdf); with a table {FIGURE} by default.")
    ] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Draw λ over iterations for given costs, or for a simple plant that answers to λ; nothing is trained."""
    target = figure or (FIGURE if output == "table" else None)
    with ExitStack() as ending:
        painter = None if target is None else ending.enter_context(_painting(target))
        subjects, notes = _subjects(study, update or [], settings or [])
        given, own_limit, note = _costs(costs, costs_of, storage)
        notes += note
        if own_limit is not None:  # those costs answer to the limit of their run, not to another study's
            subjects = [replace(subject, cost_limit=own_limit) for subject in subjects]
        plant = {"half_at": half_at, "response": response, "noise": noise, "iterations": iterations}
        curves = _curves(subjects, given, cost_limit, plant | ({} if free_cost is None else {"free_cost": free_cost}))
        if painter is not None and target is not None:
            target.write_bytes(painter.paint(curves))
    _show(curves, output, by_name=study is not None or len(curves) > 1, with_cost=given is None)
    for note in [*notes, *_inert(curves), *_causes(curves), *([] if target is None else [f"figure: {target}"])]:
        typer.echo(note, err=output != "table")


def _curves(
    subjects: "Sequence[Subject]", costs: list[float] | None, cost_limit: float | None, plant: dict[str, Any]
) -> "list[Curve]":
    from sweeps.previewing.curves import curve_label, default_plant, preview_curve

    curves: list[Curve] = []
    for subject in subjects:
        limit = cost_limit if cost_limit is not None else subject.cost_limit if subject.cost_limit is not None else 25.0
        label = curve_label(subject.parameters)
        label = label if len({s.cost_limit for s in subjects}) == 1 else f"{label} cost_limit={limit:g}"
        own = replace(default_plant(limit), **plant)
        curves.append(preview_curve(subject.parameters, limit, costs, plant=own, label=label))
    return curves


def _subjects(study: Path | None, updates: list[str], settings: list[str]) -> "tuple[list[Subject], list[str]]":
    with _quick_imports():
        from sweeps.previewing.inputs import parse_update, study_subjects
    from sweeps.spec import StudySpec

    if settings and not updates:
        raise SpecError("`--set` needs an `--update`.", code="usage", help="for example --update pid --set kp=0.1")
    subjects, notes = study_subjects(StudySpec.from_yaml(study)) if study is not None else ([], [])
    limit = subjects[0].cost_limit if subjects else None
    subjects += [replace(parse_update(update, settings), cost_limit=limit) for update in updates]
    if not subjects:
        message = "there is nothing to preview."
        raise SpecError(message, code="usage", help="give a study file, or --update ga, --update pid, …")
    return subjects, notes


def _costs(
    costs: str | None, costs_of: str | None, storage: Path
) -> tuple[list[float] | None, float | None, list[str]]:
    """The costs that were given, the limit of the run that they are of, and notes."""
    from sweeps.previewing.inputs import read_costs, run_costs

    if costs is not None and costs_of is not None:
        raise SpecError("`--costs` and `--costs-of` exclude each other.", code="usage")
    if costs_of is not None:
        run = run_costs(storage, costs_of)
        return run.costs, run.limit, [] if run.name is None else [f"of the costs of {costs_of} the first: {run.name}"]
    return (None if costs is None else read_costs(costs)), None, []


def _painting(path: Path) -> "AbstractContextManager[Painter]":
    from sweeps.previewing.painter import painting

    if path.suffix.lower() not in {".png", ".svg", ".pdf"}:
        raise SpecError(f"a figure must end with .png, .svg or .pdf, but got {path}.", code="out-of-range")
    path.parent.mkdir(parents=True, exist_ok=True)
    return painting(path.suffix.lower())


@contextmanager
def _quick_imports() -> Generator[None]:
    """Spares torch the garbage collector, which goes through its modules for a tenth of the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _inert(curves: "list[Curve]") -> list[str]:
    return [
        f"{curve.label}: `{inert.name}` has no effect: {inert.reason}"
        for curve in curves
        for inert in find_inert(curve.parameters)
    ]


def _causes(curves: "list[Curve]") -> list[str]:
    from algorithms.functional.findings import findings

    causes: list[str] = []
    for curve in curves:
        if isinstance(curve.parameters, FixedMultiplier):
            continue  # it was not to hold a limit
        cap = cap_of(curve.parameters)
        found = findings(curve.multiplier, curve.cost, curve.limit, multiplier_max=cap.value, remedy=cap.remedy)
        causes += [f"{curve.label}: {finding.message}" for finding in found]
    return causes


def _show(curves: "list[Curve]", output: Output, *, by_name: bool, with_cost: bool) -> None:
    if output == "json":
        shown: list[dict[str, Any]] = [
            {"multiplier": curve.multiplier, **({"cost": curve.cost} if with_cost else {})} for curve in curves
        ]
        show_json({curve.label: data for curve, data in zip(curves, shown, strict=True)} if by_name else shown[0])
    elif output == "csv":
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(["update", "iteration", "cost", "cost_limit", "multiplier"])
        for curve in curves:
            lines = zip(curve.cost, curve.limit, curve.multiplier, strict=True)
            writer.writerows([curve.label, number, *line] for number, line in enumerate(lines, start=1))
    else:
        rows = [{"update": curve.label, **_readable(curve)} for curve in curves]
        show_rows(rows, Output.TABLE)


def _readable(curve: "Curve") -> dict[str, Any]:
    summary = curve.summary()
    shares = {"over limit": f"{summary.pop('violations'):.0%}"}
    names = {"multiplier": "last λ", "largest": "largest λ", "cost": "last cost", "total_variation": "λ travelled"}
    rest = {names.get(name, name): None if value != value else value for name, value in summary.items()}  # NaN: a dash
    return {**rest, **shares}

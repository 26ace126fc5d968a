"""Commands about what studies found: report, compare, policy."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from sweeps.cli.options import NameArgument, StorageOption, load
from sweeps.cli.output import Document, DocumentOption, Output, OutputOption, show_json, show_rows, show_table
from sweeps.errors import SpecError

if TYPE_CHECKING:
    from sweeps.analysis.report import Report
    from sweeps.study import Study

NamesArgument = Annotated[list[str], typer.Argument(help="Names of the studies.", show_default=False)]
SmoothOption = Annotated[
    float | None,
    typer.Option(min=0.01, max=1.0, help="Smooth profile and training curves by LOWESS with this fraction."),
]


def register(app: typer.Typer) -> None:
    """Adds the commands of this module."""
    for command in (report, compare, policy):
        app.command(command.__name__)(command)


def report(
    names: NamesArgument,
    storage: StorageOption = None,
    smooth: SmoothOption = None,
    output: DocumentOption = Document.TABLE,
) -> None:
    """Write the report of each study: an HTML page, tables as Markdown and LaTeX, figures and their data."""
    written = [write(load(name, storage), smooth) for name in names]
    if output == "json":
        documents = [{"best": r.best, "files": [str(file) for file in r.files]} for r in written]
        show_json(documents[0] if len(documents) == 1 else documents)
        return
    for each in written:
        show(each)


def compare(
    names: NamesArgument,
    storage: StorageOption = None,
    by: Annotated[Literal["study", "arm", "update"], typer.Option(help="What is compared.")] = "study",
    force: Annotated[bool, typer.Option(help="Show studies of different settings side by side, untested.")] = False,
    out: Annotated[
        Path | None, typer.Option(help="Folder of page, tables and figures.", show_default="./comparison")
    ] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Compare studies, their arms or their multiplier updates, paired by seed."""
    from sweeps.analysis.arms import contrasts_table
    from sweeps.analysis.compare import compare_studies

    comparison = compare_studies([load(name, storage) for name in names], by, force=force)
    if output != "table":
        show_rows(comparison.table().to_dict("records"), output)
        return
    show_table(comparison.text_table().to_rich())
    if found := comparison.contrasts():
        show_table(contrasts_table(found).to_rich())
    for note in comparison.notes:
        typer.echo(note)
    folder = out or Path("comparison")
    comparison.write(folder)
    typer.echo(f"page: {short(folder.absolute() / 'comparison.html')}")


def policy(
    name: NameArgument,
    storage: StorageOption = None,
    episodes: Annotated[
        int | None,
        typer.Option(min=2, help="Choose anew, by so many held-out episodes each.", show_default="the driver's choice"),
    ] = None,
    cost_limit: Annotated[
        float | None, typer.Option(min=0.0, help="Limit of the deployment; default: that of training.")
    ] = None,
    explore: Annotated[bool, typer.Option(help="Judge policies with exploration noise.")] = False,
    allow_infeasible: Annotated[
        bool, typer.Option("--allow-infeasible", help="Where no policy surely keeps the limits, take the nearest.")
    ] = False,
    export: Annotated[Path | None, typer.Option(help="Write it: a folder, or a TorchScript file ….pt.")] = None,
    render: Annotated[Path | None, typer.Option(help="Record an episode as a video ….mp4.")] = None,
    register: Annotated[
        bool, typer.Option("--register", help="Give it the alias champion in MLflow; policy/ stays as it is.")
    ] = False,
    output: DocumentOption = Document.TABLE,
) -> None:
    """Show the policy to deploy, which the study's driver chose; export, render or register it. Needs no Ray.

    Where the driver judged none by held-out episodes, or other episodes, limits or noise are asked for, it chooses anew
    among the same candidates. A new choice is shown, exported and registered, but not kept in the study's folder.
    """
    _check_targets(export, render)
    study = load(name, storage)
    limits = None if cost_limit is None else dict.fromkeys(study.spec.cost_limits, cost_limit)
    chosen = study.best_policy(
        episodes=episodes, cost_limits=limits, explore=explore, require_feasible=not allow_infeasible
    )
    choice = chosen.choice
    assert choice is not None
    files = [chosen.export(export)] if export else []
    if render is not None:
        from sweeps.analysis.report import add_to_mlflow

        files.append(chosen.render(render))
        add_to_mlflow(study.folder, files[-1:])
    version = chosen.register() if register else None
    if output == "json":
        show_json(choice.to_dict() | {"files": [str(file) for file in files], "version": version})
        return
    show_rows(choice.rows(), output, f"{name}: trial {chosen.description.trial}, seed {chosen.seed}")
    typer.echo(choice.summary())
    for file in files:
        typer.echo(f"written: {short(file.absolute())}")
    if version is not None:
        typer.echo(f"registered: lagsweep-{name}, version {version}, alias champion")


def _check_targets(export: Path | None, render: Path | None) -> None:
    """Refuses files that cannot be written, before episodes are spent and before anything is."""
    if render is not None and render.suffix != ".mp4":
        raise SpecError(
            f"`--render FILE.mp4` must hold, but got {str(render)!r}.",
            code="bad-suffix",
            help=f"for example: --render {render.with_suffix('.mp4') if render.name else 'video.mp4'}",
        )
    if export is not None and export.suffix != ".pt" and export.is_file():
        raise SpecError(
            f"`--export` must name a folder or a TorchScript file ….pt, but {str(export)!r} is another file.",
            code="file-exists",
            help="give a folder, or a name that ends in .pt",
        )


def write(study: "Study", smoothing: float | None = None) -> "Report":
    """Writes a study's report; Matplotlib is imported only then."""
    from sweeps.analysis.report import write_report

    return write_report(study, smoothing=smoothing)


def show(report: "Report") -> None:
    """Prints a report: its table, its verdict and where it is."""
    show_table(report.table)
    for line in (report.best, *report.missing, *report.findings, f"report: {short(report.folder)}"):
        typer.echo(line)


def short(path: Path) -> Path:
    """The path from where the user stands, where it lies below."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path

"""Commands about a study file, before anything runs: init, validate, plan, schema."""

import os
from pathlib import Path
from typing import Annotated

import typer

from environments.tasks import Path as EnvPath
from sweeps.cli.options import FileArgument, GpusOption, ScaleOption
from sweeps.cli.output import Document, DocumentOption, EnvPathOption, count, format_seconds, show_json, show_rows
from sweeps.errors import SpecError
from sweeps.planning.plan import Plan, make_plan
from sweeps.planning.speed import GivenRate, Speed
from sweeps.spec import StudySpec
from sweeps.spec.inert import inert_notes
from sweeps.spec.scales import scale_names
from sweeps.spec.schema import study_schema
from sweeps.spec.shipped import study_path
from sweeps.spec.space import num_trials
from sweeps.spec.yaml_file import read_yaml

_TEMPLATE = """\
# A study: everything that decides its outcome. Check it with `lagsweep validate`, price it with `lagsweep plan`.
name: {name}
task: {task}                # or any registered Gymnasium id that reports a cost
algorithm: ppo_lagrangian
cost_limit: 25.0            # undiscounted cost per episode
env_steps: 400_000          # per seed
seeds: 3                    # seeds 0, 1 and 2; a list names them
hyperparameters:
  preset: desk              # paper, desk or smoke; any hyperparameter may be given beside it
arms:                       # one or several, each with its own update of the multiplier
  fixed:
    lagrangian: {{update: fixed}}
    search: {{kind: grid, multiplier: [0, 0.1, 0.5, 1, 2]}}   # the word paper stands for the published grid
  ga:
    lagrangian: {{update: ga}}
"""


def register(app: typer.Typer) -> None:
    """Adds the commands of this module."""
    for command in (init, validate, plan, schema):
        app.command()(command)


def init(
    file: Annotated[Path, typer.Argument(help="File to write.")] = Path("study.yaml"),
    task: Annotated[str, typer.Option(help="Task of the study.")] = "Circle1",
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
    output: DocumentOption = Document.TABLE,
) -> None:
    """Write a commented study file to start from."""
    if file.exists() and not force:
        raise SpecError(f"{file} exists.", code="file-exists", help="give another name, or --force to replace it")
    text = _TEMPLATE.format(name=file.stem, task=task)
    StudySpec.from_text(text, str(file))
    file.write_text(text, encoding="utf-8")
    if output == "json":
        show_json({"file": str(file)})
    else:
        typer.echo(f"wrote {file}; next: lagsweep plan {file}")


def validate(file: FileArgument, scale: ScaleOption = None, output: DocumentOption = Document.TABLE) -> None:
    """Check a study file and all its scales; nothing is started."""
    file = study_path(file)
    spec = StudySpec.from_yaml(file, scale)
    scales = scale_names(read_yaml(file))
    for name in scales:
        StudySpec.from_yaml(file, name)
    trials = {name: num_trials(arm) for name, arm in spec.arms.items()}
    seeds = len(spec.seed_list)
    if output == "json":
        show_json(
            {"valid": True, "name": spec.name, "sha256": spec.sha256, "trials": trials, "seeds": seeds}
            | {"scales": scales, "notes": inert_notes(spec)}
        )
        return
    arms = ", ".join(f"{name} ({number})" for name, number in trials.items())
    what = f"{count(sum(trials.values()), 'trial')} × {count(seeds, 'seed')} in {count(len(trials), 'arm')}"
    more = f"; scales: {', '.join(scales)}" if scales else ""
    typer.echo(f"{file}: valid. {what}: {arms}{more}")
    for note in inert_notes(spec):
        typer.echo(f"note: {note}")


def plan(
    file: FileArgument,
    scale: ScaleOption = None,
    measure: Annotated[bool, typer.Option(help="Train for a few seconds to price the study.")] = True,
    rate: Annotated[
        float | None,
        typer.Option(
            min=0.001, help="Env steps per second and core, all seeds of a trial together; not measured then."
        ),
    ] = None,
    cores: Annotated[int | None, typer.Option(min=1, help="Cores to plan for; default: those of this machine.")] = None,
    cpus_per_trial: Annotated[float, typer.Option(min=0.01, help="Cores that a trial reserves.")] = 1.0,
    gpus_per_trial: GpusOption = 0.0,
    max_concurrent: Annotated[int | None, typer.Option(min=1, help="Most trials at once.")] = None,
    env_path: EnvPathOption = "auto",
    output: DocumentOption = Document.TABLE,
) -> None:
    """Show the trials of a study and what they cost, before anything is spent."""
    spec = StudySpec.from_yaml(study_path(file), scale)
    result = make_plan(
        spec,
        cores=cores or len(os.sched_getaffinity(0)),
        cpus_per_trial=cpus_per_trial,
        gpus_per_trial=gpus_per_trial,
        max_concurrent=max_concurrent,
        env_path=env_path,
        speed=_speed(spec, rate, measure, env_path),
    )
    if output == "json":
        show_json(result.to_dict())
    else:
        _show_plan(result)


def schema() -> None:
    """Print the JSON Schema of the study file, for editors."""
    show_json(study_schema())


def _speed(spec: StudySpec, rate: float | None, measure: bool, env_path: EnvPath) -> Speed | None:
    if rate is not None:
        return GivenRate(rate)
    if not measure:
        return None
    from sweeps.planning.calibration import measure_speed  # torch and RLlib: seconds

    typer.echo("measuring the speed of this machine; --no-measure skips it", err=True)
    return measure_speed(spec, env_path=env_path)


def _show_plan(plan: Plan) -> None:
    steps = f"{plan.horizon:,} steps an episode" if plan.horizon else "no time limit"
    typer.echo(f"{plan.study}: {plan.task} ({plan.environment} environments, {steps})")
    rows = [
        {
            "arm": arm.name,
            "update": arm.update,
            "search": arm.search,
            "trials": arm.trials,
            "seeds": arm.seeds,
            "env steps": arm.env_steps,
            "core time": None if arm.cpu_s is None else format_seconds(arm.cpu_s),
        }
        for arm in plan.arms
    ]
    show_rows(rows, Document.TABLE)
    where = f"{plan.concurrent} at once on {count(plan.cores, 'core')}"
    typer.echo(f"{count(plan.trials, 'trial')}, {where}; {plan.env_steps:,} env steps")
    if plan.duration_s is not None and plan.cpu_s is not None:
        hours = f"{plan.cpu_s / 3600:.2f} core hours" + (f", {plan.gpu_s / 3600:.2f} GPU hours" if plan.gpu_s else "")
        typer.echo(f"expected: {format_seconds(plan.duration_s)}, {hours} ({plan.speed})")
    for note in plan.notes:
        typer.echo(f"note: {note}")

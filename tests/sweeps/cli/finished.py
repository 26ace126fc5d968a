"""A study that has been run, as far as commands that only look can tell."""

from pathlib import Path

from typer.testing import CliRunner, Result

from sweeps.cli import app
from sweeps.ledger import SeedProgress, driving
from sweeps.records import Interval
from sweeps.spec import StudySpec
from sweeps.study import Study, create_study

TEXT = """\
name: profile
task: analytic/ring
cost_limit: 12
env_steps: 3_000
seeds: 2
hyperparameters: {preset: smoke}
arms:
  fixed: {lagrangian: {update: fixed}, search: {kind: grid, multiplier: [0, 0.5, 2]}}
"""


def lagsweep(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def finished(storage: Path, results: list[tuple[float, float] | None], text: str = TEXT) -> Study:
    """A study of which the ledger holds each trial's (return, cost), or its failure."""
    study = create_study(StudySpec.from_text(text), storage)
    with driving(study._ledger, study._row) as writer:
        for number, result in enumerate(results):
            execution = writer.ask(number, study.spec.seed_list, None)
            writer.start(execution)
            if result is None:
                writer.fail(execution, "NonFiniteError: seed 1: [loss] is nan")
                continue
            mean, cost = (Interval(value, value - 1.0, value + 1.0, 2) for value in result)
            seeds = [SeedProgress(seed, 3_000, 3, {"cost": float(number)}) for seed in execution.seeds]
            writer.complete(execution, seeds, mean_return=mean, mean_cost={"cost": cost}, feasible=result[1] <= 12.0)
    return study

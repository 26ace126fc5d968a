"""A driver's life: it learns what earlier drivers left, runs what waits, and leaves the study in order."""

import shutil
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

# SQLAlchemy asks its ORM about some bound values, and fails while MLflow's thread is just importing it.
import sqlalchemy.orm  # noqa: F401  # pyright: ignore[reportUnusedImport]
from rich.console import Console

from environments.tasks import Path as EnvPath
from sweeps.history import read_history
from sweeps.ledger import Writer
from sweeps.planning.plan import probe_environment
from sweeps.records import State
from sweeps.running.checkpoints import Cadence
from sweeps.running.crown import crown
from sweeps.running.executor import run_executions
from sweeps.running.private_place import check_private
from sweeps.running.progress import Progress
from sweeps.running.recorder import Recorder
from sweeps.running.resources import Resources
from sweeps.tracking.settle import open_tracker
from sweeps.tracking.spool import SPOOL_NAME

if TYPE_CHECKING:
    from sweeps.study import Study


def drive(
    study: "Study",
    writer: Writer,
    *,
    counts: Mapping[State, int],
    resources: Resources,
    cadence: Cadence,
    address: str | None,
    env_path: EnvPath,
    console: Console,
) -> None:
    """Runs a study until nothing is left.

    Args:
        study: The study.
        writer: The right to write it, after `take_over`.
        counts: Trials by state, those that are still to be suggested among the waiting ones.
        resources: What a trial takes.
        cadence: When workers take checkpoints.
        address: Ray's address, or None.
        env_path: Which environments workers step.
        console: Where to show progress.

    Raises:
        KeyboardInterrupt: If Ctrl-C ended it; what was running waits then for another attempt.
        SweepError: If Ray cannot be reached, another driver took over, the task has no such environments, or everybody
            may write the checkpoints.
    """
    spec, folder = study.spec, study.folder
    if "://" not in study.checkpoints:
        check_private(Path(study.checkpoints))
    if writer.usurps:
        detach(folder / SPOOL_NAME)
    tags = {"env_kind": probe_environment(spec, env_path).kind}  # before Ray starts
    trials = writer.ledger.trials(writer.study)
    finished = [trial for trial in trials if trial.state.is_finished]
    unfinished = {trial.number for trial in trials if not trial.state.is_finished}
    history, unreported = read_history(folder / SPOOL_NAME, unfinished, finished)
    progress = Progress(
        spec.name,
        console,
        counts=counts,
        env_steps=spec.env_steps,
        env_steps_done=sum(run.env_steps for trial in trials for run in trial.seed_runs),
        env_steps_total=study.env_steps_total,
        planned={trial.number: trial.planned_env_steps(spec.env_steps) for trial in trials},
    )
    tracker = open_tracker(spec, study.storage, folder, tags)
    recorder = Recorder(writer, spec, tracker, history, progress, gpus=resources.gpus)
    with ExitStack() as cleanup:  # the last first, each whatever the others do
        tracker.start()
        cleanup.callback(tracker.close)
        for trial in unreported:
            tracker.trial_finished(trial)
        progress.start()
        cleanup.callback(progress.stop)
        cleanup.callback(recorder.release_started)
        run_executions(
            writer,
            spec,
            recorder,
            checkpoints=study.checkpoints,
            cadence=cadence,
            resources=resources,
            address=address,
            env_path=env_path,
        )
        crown(study, writer, tracker)


def detach(spool: Path) -> None:
    """Puts a copy in the place of a spool, so that a suspended driver that awakes appends to a file nobody reads.

    Args:
        spool: The spool; one that does not exist needs nothing.
    """
    if spool.exists():
        copy = spool.with_suffix(".copy")
        shutil.copyfile(spool, copy)
        copy.replace(spool)

"""`lagsweep drive`: what a cluster's job runs. It keeps a driver alive, which is a process of its own."""

import logging
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sweeps.cli.options import (
    CheckpointSecondsOption,
    CheckpointStepsOption,
    ConcurrentOption,
    CpusOption,
    GpusOption,
    NameArgument,
    ScaleOption,
    StorageOption,
)
from sweeps.cli.output import EnvPathOption, Output
from sweeps.errors import ExitCode, StudyBusyError, SweepError, UnreachableError
from sweeps.running.checkpoints import Cadence
from sweeps.spec import StudySpec
from sweeps.spec.shipped import study_path

if TYPE_CHECKING:  # SQLAlchemy: only where something runs
    from sweeps.study import Study

_PARENT_DIED = 1  # prctl's PR_SET_PDEATHSIG


def register(app: typer.Typer) -> None:
    """Adds the commands of this module."""
    app.command()(drive)
    app.command("drive-once", hidden=True)(drive_once)


def drive(
    file: Annotated[
        Path | None,
        typer.Argument(help="Study file; default: the study that this job was submitted with.", show_default=False),
    ] = None,
    scale: ScaleOption = None,
    storage: StorageOption = None,
    max_concurrent: ConcurrentOption = None,
    cpus_per_trial: CpusOption = 1.0,
    gpus_per_trial: GpusOption = 0.0,
    env_path: EnvPathOption = "auto",
    checkpoint_seconds: CheckpointSecondsOption = 30.0,
    checkpoint_steps: CheckpointStepsOption = None,
) -> None:
    """Run a study as a cluster's job: a driver that dies is started again and goes on.

    `lagsweep submit` makes a job that runs this. SIGTERM ends it as `lagsweep stop` does.
    """
    from sweeps.cluster.restarts import DriverLoop
    from sweeps.cluster.submission import DriverOptions, own_spec

    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    spec = own_spec() if file is None else StudySpec.from_yaml(study_path(file), scale)
    options = DriverOptions(
        max_concurrent=max_concurrent,
        cpus_per_trial=cpus_per_trial,
        gpus_per_trial=gpus_per_trial,
        env_path=env_path,
        cadence=Cadence(env_steps=checkpoint_steps, seconds=checkpoint_seconds),
    )
    study = _create(spec, storage)
    command = [sys.executable, "-m", "sweeps.cli", "drive-once", spec.name, "--storage", str(study.storage)]

    def env_steps() -> float:
        try:
            return study.status().env_steps
        except UnreachableError:  # nobody can say; the next driver waits for its ledger
            return 0.0

    loop = DriverLoop([*command, *options.arguments()], measure=env_steps, stop=lambda: study.stop(timeout_s=0.0))
    code = loop.run()
    # One who stops a study has what he wanted: the job has not failed, and nobody shall submit it again.
    raise typer.Exit(ExitCode.OK if code == ExitCode.INTERRUPTED else code)


def _create(spec: StudySpec, storage: Path | None) -> "Study":
    """Creates or finds the study; waits for a ledger that starts, or for a driver that another job leaves."""
    from sweeps.cluster.restarts import Restarts
    from sweeps.study import create_study

    restarts = Restarts()
    while True:
        try:
            return create_study(spec, storage, if_exists="extend")
        except (UnreachableError, StudyBusyError) as error:
            pause = restarts.pause(temporary=True, progressed=False, now=time.monotonic())
            if pause is None:
                raise
            logging.warning("%s Trying again in %.0f s.", error.message, pause)
            time.sleep(pause)


def drive_once(
    name: NameArgument,
    storage: StorageOption = None,
    max_concurrent: ConcurrentOption = None,
    cpus_per_trial: CpusOption = 1.0,
    gpus_per_trial: GpusOption = 0.0,
    env_path: EnvPathOption = "auto",
    checkpoint_seconds: CheckpointSecondsOption = 30.0,
    checkpoint_steps: CheckpointStepsOption = None,
) -> None:
    """Go on with a study for as long as this process lives; what `drive` starts."""
    from sweeps.cli.life_cycle import resume
    from sweeps.cluster.restarts import TEMPORARY

    _end_with_parent()
    try:
        resume(
            name,
            storage,
            max_concurrent=max_concurrent,
            cpus_per_trial=cpus_per_trial,
            gpus_per_trial=gpus_per_trial,
            env_path=env_path,
            checkpoint_seconds=checkpoint_seconds,
            checkpoint_steps=checkpoint_steps,
            output=Output.TABLE,
        )
    except SweepError as error:
        # Another driver's lease, a Ray or a ledger that starts, nodes that are still to come: all may pass.
        if isinstance(error, StudyBusyError | UnreachableError) or error.code == "no-resources":
            typer.echo(error.render(), err=True)
            raise typer.Exit(TEMPORARY) from None
        raise


def _end_with_parent() -> None:
    """Lets the kernel end this process when its parent is killed: no driver without its loop. Linux only."""
    import ctypes

    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PARENT_DIED, signal.SIGTERM)

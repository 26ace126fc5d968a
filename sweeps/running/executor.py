"""Runs the executions of a study on Ray Tune, on this machine or on the cluster at an address."""

import importlib
import logging
import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager

from ray import tune
from ray.tune.experiment import Trial as TuneTrial

from environments.tasks import Path as EnvPath
from sweeps.errors import FailedTrialsError
from sweeps.ledger import Writer
from sweeps.running.capacity import MOST_CONCURRENT, Capacity
from sweeps.running.checkpoints import Cadence
from sweeps.running.execution import ExecutionTrainable
from sweeps.running.gpu import check_gpu
from sweeps.running.ray_session import connected, environment
from sweeps.running.recorder import Recorder, assignment_of
from sweeps.running.resources import Resources
from sweeps.running.scratch import scratch_folder
from sweeps.running.searcher import ExecutionSearcher
from sweeps.running.stopping import StopWhenAsked
from sweeps.spec import StudySpec
from sweeps.tracking.quiet import importing, prepare_environment

_TUNE_ENVIRONMENT = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # no CSV, JSON and TensorBoard files
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # ours lets iterations end
    "TUNE_GLOBAL_CHECKPOINT_S": "inf",  # the ledger is the state; Tune's grows with every trial
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",  # the recorder says them in one line
    "RAY_AIR_NEW_OUTPUT": "0",  # with verbose=0 the old output is the silent one
    "TUNE_MAX_PENDING_TRIALS_PG": str(MOST_CONCURRENT),  # the searcher hands out no more than fit
    "RAY_CHDIR_TO_TRIAL_DIR": "0",  # a task of the user's own module is imported from where the driver started
}


_SIGNALS = (signal.SIGINT, signal.SIGTERM)  # Ray Jobs, Kubernetes and Slurm end a process with the second


def run_executions(
    writer: Writer,
    spec: StudySpec,
    recorder: Recorder,
    *,
    checkpoints: str,
    cadence: Cadence,
    resources: Resources,
    address: str | None,
    env_path: EnvPath,
) -> None:
    """Runs everything that waits in the ledger or is still to be suggested, until nothing is left.

    The first Ctrl-C, SIGTERM or `lagsweep stop` lets running iterations end, leave checkpoints and be recorded; the
    second signal ends at once. All leave a study that can be resumed.

    Args:
        writer: The driver's right to write the study.
        spec: The study.
        recorder: Takes the results.
        checkpoints: Folder or URL of the study's checkpoints.
        cadence: When workers take checkpoints.
        resources: What an execution takes.
        address: Ray's address; None takes RAY_ADDRESS, and without it a Ray of this process's own.
        env_path: Which environments workers step.

    Raises:
        KeyboardInterrupt: If a signal ended it; a request to stop in the ledger or a spent budget is an ordinary end.
        FailedTrialsError: If most trials fail alike.
        SweepError: If Ray cannot be reached, has not the resources of one execution, or a GPU that torch cannot use.
    """
    with environment(_TUNE_ENVIRONMENT), connected(address), _graceful_interrupt(recorder):
        capacity = Capacity(resources.cpus, resources.gpus, resources.max_concurrent)
        capacity.check()
        check_gpu(resources.gpus)
        searcher = ExecutionSearcher(
            writer,
            spec,
            checkpoints=checkpoints,
            cadence=cadence,
            max_concurrent=capacity.num_concurrent,
            stop=recorder.stop,
            env_path=env_path,
            gpus=resources.gpus,
        )
        with scratch_folder() as folder:
            _run_tune(searcher, recorder, resources, str(folder))
    if recorder.failed_alike is not None:
        raise FailedTrialsError(
            recorder.failed_alike, code="failed-alike", help="mend the cause, then `lagsweep retry`"
        )
    if recorder.stop.requested and recorder.stop.reason is None and not writer.stop_requested:
        raise KeyboardInterrupt


def _run_tune(searcher: ExecutionSearcher, recorder: Recorder, resources: Resources, folder: str) -> None:
    logging.getLogger("ray.tune.tune").setLevel(logging.CRITICAL)  # the recorder names failed trials, in one line each
    prepare_environment()
    with importing:  # Tune would, to count its users' callbacks, while the tracking thread imports MLflow too
        importlib.import_module("ray.air.integrations.mlflow")
    try:
        tune.run(
            ExecutionTrainable,
            name="study",
            search_alg=searcher,
            num_samples=-1,  # until the searcher is finished
            resources_per_trial={"cpu": resources.cpus, "gpu": resources.gpus},
            storage_path=folder,
            callbacks=[recorder],
            stop=StopWhenAsked(recorder.stop),
            reuse_actors=True,
            max_failures=0,
            raise_on_failed_trial=False,
            trial_name_creator=_name,
            trial_dirname_creator=_name,
            verbose=0,
        )
    except tune.TuneError:
        if recorder.error is None:
            raise
    if recorder.error is not None:
        raise recorder.error


def _name(trial: TuneTrial) -> str:
    execution = assignment_of(trial).first.execution
    return f"t{execution.trial:04d}-a{execution.attempt}"


@contextmanager
def _graceful_interrupt(recorder: Recorder) -> Generator[None]:
    """Turns the first Ctrl-C or SIGTERM into a request to stop; the second is a KeyboardInterrupt."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may handle signals; a caller in another has its own way to interrupt
        return

    before = {number: signal.getsignal(number) for number in _SIGNALS}

    def request(number: int, frame: object) -> None:
        recorder.stop.requested = True
        recorder.say("Stopping after the running iterations; Ctrl-C again stops now. Both can be resumed.")
        for known in _SIGNALS:
            signal.signal(known, signal.default_int_handler)

    for number in _SIGNALS:
        signal.signal(number, request)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

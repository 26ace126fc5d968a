"""What a failed Tune trial says, and whether its own training or the machine under it was at fault."""

import os
import signal
import sys
from pathlib import Path

import pytest
import ray
from ray.exceptions import ActorDiedError, ActorUnavailableError, RayActorError, RayTaskError
from ray.train._internal.storage import StorageContext
from ray.tune.experiment import Trial as TuneTrial

from algorithms.errors import NonFiniteError
from sweeps.running.failures import Failure, failure_of
from sweeps.running.worker_log import attached_to_errors

pytestmark = pytest.mark.usefixtures("local_ray")  # Tune asks it for a folder


def failed(error: Exception, folder: Path) -> TuneTrial:
    """A Tune trial that has written down its error as it does in a driver."""
    storage = StorageContext(storage_path=str(folder), experiment_dir_name="study", trial_dir_name="trial")
    trial = TuneTrial("ExecutionTrainable", stub=True, storage=storage, trial_id="t0")
    trial.init_local_path()
    trial.handle_error(error)
    return trial


def test_a_lost_worker_is_no_fault_of_the_training(tmp_path: Path) -> None:
    failure = failure_of(failed(ActorDiedError(), tmp_path))

    assert failure.worker_lost
    assert failure.cause.startswith("ActorDiedError: ")


def test_a_machine_that_went_away_is_told_from_a_worker_that_died_alone(tmp_path: Path) -> None:
    died = "The actor died unexpectedly before finishing this task.\n\tip: 10.0.0.7\n"
    node = f"{died}The actor died because its node has died. Node Id: 1f2e"
    alone = f"{died}The actor is dead because its worker process has died. Worker exit type: SYSTEM_ERROR"
    announced = RayActorError("00", alone, False, preempted=True)
    silent = ActorUnavailableError("Socket closed", b"0" * 16)
    by_node, by_itself = RayActorError("00", node, False), RayActorError("00", alone, False)
    errors = [(by_node, True), (by_itself, False), (announced, True), (silent, True)]
    for number, (error, of_node) in enumerate(errors):
        failure = failure_of(failed(error, tmp_path / str(number)))
        assert (failure.worker_lost, failure.node_lost) == (True, of_node)


def test_the_training_s_own_exception_is_named_with_its_first_line(tmp_path: Path) -> None:
    raised = RayTaskError("train", "the traceback", NonFiniteError("seed 1: the loss is nan\nand more"))

    failure = failure_of(failed(raised, tmp_path))

    assert (failure.cause, failure.worker_lost) == ("NonFiniteError: seed 1: the loss is nan", False)
    assert "the traceback" in failure.log


def test_colors_are_left_out_of_a_log(tmp_path: Path) -> None:
    trial = failed(RayTaskError("train", "\x1b[36mblue\x1b[39m", ValueError("no")), tmp_path)

    log = failure_of(trial).log
    assert log.splitlines()[-1] == "blue"


def test_a_trial_that_left_no_exception_says_what_it_can(tmp_path: Path) -> None:
    silent = failed(RayTaskError("train", "ValueError: no", ValueError("no")), tmp_path)
    assert silent.pickled_error_file is not None
    Path(silent.pickled_error_file).unlink()
    assert failure_of(silent).cause == "ValueError: no"

    assert silent.error_file is not None
    Path(silent.error_file).unlink()
    words = "the worker ended without saying why"
    assert failure_of(silent) == Failure(words, words, worker_lost=False)


@ray.remote(num_cpus=0)
class Speaker:
    """A worker that says something and then fails or is killed."""

    def fail(self) -> None:
        with attached_to_errors():
            sys.stdout.write("step 7\n")
            sys.stderr.write("overflow\n")
            raise ValueError("no")

    def die(self) -> None:
        sys.stdout.write("step 7\n")
        sys.stdout.flush()
        os.kill(os.getpid(), signal.SIGKILL)


def test_a_failure_s_log_ends_with_what_its_worker_wrote(tmp_path: Path) -> None:
    speaker = Speaker.remote()
    with pytest.raises(ValueError, match="no") as raised:
        ray.get(speaker.fail.remote())
    assert isinstance(raised.value, RayTaskError)

    failure = failure_of(failed(raised.value, tmp_path))

    assert failure.cause == "ValueError: no"
    written = failure.log[failure.log.index("ValueError: no") :].rstrip()
    assert written == (
        "ValueError: no\n"
        "--- the worker's standard output, its end ---\nstep 7\n"
        "--- the worker's standard error, its end ---\noverflow"
    )


def test_what_a_killed_worker_wrote_is_read_from_its_machine(tmp_path: Path) -> None:
    speaker = Speaker.remote()
    with pytest.raises(ActorDiedError) as raised:
        ray.get(speaker.die.remote())

    failure = failure_of(failed(raised.value, tmp_path))

    assert failure.worker_lost
    assert failure.log.endswith("--- the worker's standard output, its end ---\nstep 7")

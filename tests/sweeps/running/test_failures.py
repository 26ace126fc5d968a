"""What a failed Tune trial says, and whether its own training or the machine under it was at fault."""

from pathlib import Path

import pytest
from ray.exceptions import ActorDiedError, RayTaskError
from ray.train._internal.storage import StorageContext
from ray.tune.experiment import Trial as TuneTrial

from algorithms.errors import NonFiniteError
from sweeps.running.failures import Failure, failure_of

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

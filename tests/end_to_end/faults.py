"""A driver that kills itself at a labelled point: `python -m tests.end_to_end.faults STORAGE NAME VERB [POINT COUNT]`.

A point is `before` or `after` one of the steps below, at its COUNT-th time. The steps are methods that every study
goes through; they are wrapped here, so that nothing of this is in the program that runs studies.
"""

import functools
import os
import signal
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

import ray

STEPS = {
    "ask": ("sweeps.ledger.writer", "Writer", "ask"),
    "start": ("sweeps.ledger.writer", "Writer", "start"),
    "result": ("sweeps.running.recorder", "Recorder", "on_trial_result"),
    "checkpoint": ("sweeps.running.checkpoints", "CheckpointStore", "save"),  # in a worker, which kills its driver
    "tell": ("sweeps.ledger.writer", "Writer", "complete"),
    "log": ("sweeps.tracking.spool", "Spool", "append_lines"),
    "ship": ("mlflow", "MlflowClient", "log_batch"),
}

_POINT, _COUNT, _DRIVER = "LAGSWEEP_TEST_POINT", "LAGSWEEP_TEST_COUNT", "LAGSWEEP_TEST_DRIVER"


def install() -> None:
    """Wraps the step that the environment names; in the driver, and in each of its workers."""
    when, step = os.environ[_POINT].split("-")
    module, owner, method = STEPS[step]
    target = getattr(import_module(module), owner)
    setattr(target, method, _deadly(getattr(target, method), when, int(os.environ[_COUNT])))


def _deadly(method: Callable[..., Any], when: str, count: int) -> Callable[..., Any]:
    calls = 0

    @functools.wraps(method)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if when == "before" and calls == count:
            _kill_driver()
        result = method(*args, **kwargs)
        if when == "after" and calls == count:
            _kill_driver()
        return result

    return wrapper


def _kill_driver() -> None:
    os.kill(int(os.environ[_DRIVER]), signal.SIGKILL)
    signal.pause()  # a worker does not go on while its driver dies


def main(storage: str, name: str, verb: str, point: str = "", count: str = "1") -> None:
    """Drives a study."""
    from sweeps.running.checkpoints import Cadence
    from sweeps.study import load_study

    if point:
        os.environ.update({_POINT: point, _COUNT: count, _DRIVER: str(os.getpid())})
        install()
        if "checkpoint" in point:  # Ray's workers are not our children: they are told by Ray
            _tell_workers()
    getattr(load_study(name, storage), verb)(max_concurrent=2, cadence=Cadence(env_steps=800, seconds=1e9))


def _tell_workers() -> None:
    from sweeps.running import ray_session

    start = ray.init
    told = {name: os.environ[name] for name in (_POINT, _COUNT, _DRIVER)}
    environment = {"worker_process_setup_hook": "tests.end_to_end.faults.install", "env_vars": told}
    ray_session.ray.init = functools.partial(start, runtime_env=environment)


if __name__ == "__main__":
    main(*sys.argv[1:])

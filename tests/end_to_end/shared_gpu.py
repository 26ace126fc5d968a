"""A study whose trials share one GPU, on a machine without one: `python -m tests.end_to_end.shared_gpu STORAGE NAME`.

Ray hands out a GPU that its node says it has; its workers compute on the CPU instead, and write down when each trial
trained and which GPU it got. What is replaced, in the workers only, is the question for the device; what schedules
trials is what schedules them on a real one.
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import ray
import torch

NUM_AT_ONCE = 2
_LOG = "LAGSWEEP_TEST_LOG"
_MEET_S = 120.0


def install() -> None:
    """Lets a worker take the CPU for its GPU, and write down what its trials got."""
    from ray.rllib.core.learner.torch import torch_learner

    from sweeps.running.execution import ExecutionTrainable

    torch.cuda.is_available = lambda: True
    torch_learner.get_device = lambda *_: torch.device("cpu")
    step, release = ExecutionTrainable.step, ExecutionTrainable._release

    def first_steps_meet(self: Any) -> Any:
        if self._algorithm is None:
            _write("start", self)
            _wait_for_others()
        return step(self)

    def end(self: Any) -> None:
        if self._algorithm is not None:
            _write("end", self)
        release(self)

    ExecutionTrainable.step = first_steps_meet
    ExecutionTrainable._release = end


def _write(what: str, trainable: Any) -> None:
    context = ray.get_runtime_context()
    share = context.get_assigned_resources().get("GPU", 0.0)
    trial = trainable._assignment.first.execution.trial
    line = {"what": what, "trial": trial, "gpus": context.get_accelerator_ids()["GPU"], "share": share}
    with Path(os.environ[_LOG]).open("a") as log:
        log.write(json.dumps(line | {"time": time.time()}) + "\n")


def _wait_for_others() -> None:
    """Until two trials have started: they can only do so at once, since none ends before."""
    deadline = time.monotonic() + _MEET_S
    while Path(os.environ[_LOG]).read_text().count('"start"') < NUM_AT_ONCE:
        if time.monotonic() > deadline:
            raise TimeoutError("no other trial started")
        time.sleep(0.05)


def main(storage: str, name: str) -> None:
    """Drives a study on a Ray with cores for all of its trials and one GPU."""
    from sweeps.running.ray_session import _RAY_ENVIRONMENT, environment
    from sweeps.running.scratch import scratch_folder
    from sweeps.study import load_study

    told = {_LOG: os.environ[_LOG]}
    hook = {"worker_process_setup_hook": "tests.end_to_end.shared_gpu.install", "env_vars": told}
    with environment(_RAY_ENVIRONMENT), scratch_folder() as folder:
        ray.init(
            address="local",
            num_cpus=4,
            num_gpus=1,
            include_dashboard=False,
            object_store_memory=200 * 2**20,
            log_to_driver=False,
            runtime_env=hook if "--pretend" in sys.argv else None,
            _temp_dir=str(folder / "ray"),
        )
        try:
            load_study(name, storage).run(gpus_per_trial=0.5)
        finally:
            ray.shutdown()


if __name__ == "__main__":
    main(*sys.argv[1:3])

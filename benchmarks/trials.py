"""What a trial costs beside its training: start-up on a cold and a warm worker, memory, and trials side by side.

    python -m benchmarks.trials [--task Circle1] [--seeds 10] [--trials 1 2 4 8]

Start-up: from the moment an execution is handed to a worker until its first iteration may begin; cold, the worker's
process starts first and imports everything. Memory: of a worker that has trained an iteration of Table A.1's size after
four starts, and what lies in Ray's object store meanwhile. Growth: a study of so many trials, from `run` to the end, on
two cores, Ray's start included.
"""

import argparse
import math
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import psutil
import ray
from ray._private.internal_api import memory_summary
from ray.train._internal.storage import StorageContext
from rich.console import Console

from benchmarks.provenance import write_result
from sweeps import StudySpec, create_study
from sweeps.records import Execution
from sweeps.running.checkpoints import Cadence
from sweeps.running.execution import ASSIGNMENT, Assignment, ExecutionTrainable, Job
from sweeps.running.ray_session import connected


class Worker(ExecutionTrainable):
    """A worker that can be asked where it stands."""

    def build(self) -> None:
        """Does what precedes the first iteration."""
        self._build()

    def memory(self) -> dict[str, float]:
        """Memory of the process, MiB: resident, with its share of what others map too, and its own alone."""
        full = psutil.Process().memory_full_info()
        sizes = {"resident_mib": full.rss, "proportional_mib": full.pss, "unique_mib": full.uss}
        return {name: size / 2**20 for name, size in sizes.items()}


def study(task: str, seeds: int, **changes: Any) -> StudySpec:
    """A study of the size of Table A.1, and whatever is changed."""
    data: dict[str, Any] = {
        "name": "trials",
        "task": task,
        "cost_limit": 25.0,
        "env_steps": 20_000,
        "seeds": seeds,
        "hyperparameters": {"num_epochs": 1},
        "lagrangian": {"update": "fixed"},
    }
    return StudySpec.model_validate(data | changes)


def start_up_and_memory(task: str, seeds: int, folder: Path) -> dict[str, float]:
    """Seconds of one cold and three warm starts, and memory after an iteration of 20 000 steps a seed."""
    spec = study(task, seeds)

    def assignment(number: int) -> dict[str, Any]:
        execution = Execution(id=number, trial=number, attempt=1, seeds=spec.seed_list)
        run = spec.resolve("fixed", {})
        job = Job(execution, run, str(folder / f"t{number}"))
        return {ASSIGNMENT: Assignment((job,), Cadence(seconds=math.inf))}

    storage = StorageContext(storage_path=str(folder), experiment_dir_name="study", trial_dir_name="trial")
    with connected("local"):
        started = time.perf_counter()
        worker: Any = ray.remote(num_cpus=1)(Worker).remote(config=assignment(0), storage=storage)
        ray.get(worker.build.remote())
        cold = time.perf_counter() - started
        warm = []
        for number in (1, 2, 3):
            started = time.perf_counter()
            ray.get(worker.reset.remote(assignment(number), storage=storage))
            ray.get(worker.build.remote())
            warm.append(time.perf_counter() - started)
        ray.get(worker.train.remote())
        memory = ray.get(worker.memory.remote())
        stored = memory_summary(address=ray.get_runtime_context().gcs_address, stats_only=True)
        ray.get(worker.stop.remote())
    in_store = next(line for line in stored.splitlines() if "Plasma memory usage" in line)
    return {
        "cold_start_s": cold,
        "warm_start_s": median(warm),
        **memory,
        "object_store_mib": float(in_store.split()[3]),
    }


def growth(task: str, seeds: int, trials: list[int], folder: Path) -> dict[int, float]:
    """Wall seconds of studies with so many trials, each of 40 000 steps a seed and 10 passes."""
    seconds = {}
    for number in trials:
        spec = study(
            task,
            seeds,
            name=f"trials-{number}",
            env_steps=40_000,
            hyperparameters={"num_epochs": 10},
            search={"kind": "grid", "multiplier": [0.1 * index for index in range(number)]},
        )
        created = create_study(spec, storage=folder / str(number))
        started = time.perf_counter()
        status = created.run(progress=False)
        seconds[number] = time.perf_counter() - started
        assert status.is_finished, status
    return seconds


def main() -> None:
    """Measures and writes results/trials.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", default="Circle1")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--trials", type=int, nargs="*", default=[1, 2, 4, 8])
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ls-") as name:
        folder = Path(name)
        measured: dict[str, Any] = start_up_and_memory(arguments.task, arguments.seeds, folder / "workers")
        Console().print(measured)
        measured["seconds_of_trials"] = growth(arguments.task, 2, arguments.trials, folder)
    Console().print(measured)
    settings = {"task": arguments.task, "seeds": arguments.seeds}
    path = write_result("trials", {**settings, **measured})
    Console().print(f"written to {path.relative_to(path.parents[2])}")


if __name__ == "__main__":
    main()

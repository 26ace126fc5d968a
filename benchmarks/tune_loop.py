"""A driver's cost per result with Ray Tune's own loop: a part of `benchmarks.scale`.

The study's executor runs trials in as many real Ray workers, which report at once and train nothing. Counted is the
processor time of the thread that Tune's loop runs in, from when every trial has reported once to the first trial's end,
so that starts and ends are not in it: what one result takes of it bounds how many a driver can take. What the recorder
takes of that is counted apart; the rest is Tune's: it waits for 64 answers, unpickles one, decides, asks the searcher
whether it has more, and sends the worker off again. Wall time is told too; there 64 workers share the same cores.
"""

import logging
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import ray
from rich.console import Console

from benchmarks.dummy import STEPS, DummyTrainable, signal_of
from sweeps.history import History
from sweeps.running import executor
from sweeps.running.checkpoints import Cadence
from sweeps.running.executor import Resources, run_executions
from sweeps.running.progress import Progress
from sweeps.running.ray_session import OBJECT_STORE_BYTES
from sweeps.running.recorder import Recorder, assignment_of
from sweeps.spec import StudySpec
from sweeps.study import create_study
from sweeps.tracking import Tracker
from sweeps.tracking.store import find_store


@dataclass(frozen=True)
class Clocks:
    """Seconds on several clocks.

    Attributes:
        wall: Of the wall.
        thread: Processor time of this thread.
        process: Processor time of all threads.
    """

    wall: float
    thread: float
    process: float

    @classmethod
    def now(cls) -> "Clocks":
        """As they stand."""
        return cls(time.perf_counter(), time.thread_time(), time.process_time())

    def ms_since(self, start: "Clocks", results: int) -> dict[str, float]:
        """Milliseconds a result on each clock."""
        return {
            name: round(1e3 * (getattr(self, name) - getattr(start, name)) / results, 3)
            for name in ("wall", "thread", "process")
        }


class CountingRecorder(Recorder):
    """A recorder that counts results while all trials run, and its own processor time.

    Attributes:
        concurrent: Trials that run at once.
        begin: When every trial had reported once.
        end: When the first one ended.
        results: Results between.
        own_s: Processor time of the recorder between.
    """

    concurrent = 0
    begin: Clocks | None = None
    end: Clocks | None = None
    results = 0
    own_s = 0.0
    _reported = 0

    def on_step_begin(self, **info: Any) -> None:
        """Counts the time."""
        self._timed(super().on_step_begin, **info)

    def on_step_end(self, **info: Any) -> None:
        """Counts the time."""
        self._timed(super().on_step_end, **info)

    def on_trial_result(self, **info: Any) -> None:
        """Counts the result; once all have reported, lets them go on."""
        self._timed(super().on_trial_result, **info)
        if self.begin is not None:
            self.results += self.end is None
            return
        self._reported += 1
        if self._reported == self.concurrent:
            signal_of(assignment_of(info["trial"]).first.checkpoints).touch()
            self.begin = Clocks.now()

    def on_trial_complete(self, **info: Any) -> None:
        """Notes the first end."""
        if self.end is None:
            self.end = Clocks.now()
        super().on_trial_complete(**info)

    def _timed(self, call: Any, **info: Any) -> None:
        begin = time.thread_time()
        call(**info)
        if self.begin is not None and self.end is None:
            self.own_s += time.thread_time() - begin


def run_dummies(concurrent: int, num_seeds: int, iterations: int) -> dict[str, Any]:
    """Runs so many trials at once, with the live table that a terminal gets.

    Args:
        concurrent: Trials.
        num_seeds: Seeds of each.
        iterations: Results of each.

    Returns:
        Milliseconds per result.
    """
    with tempfile.TemporaryDirectory(prefix="ls-tune-", ignore_cleanup_errors=True) as folder:
        ray.init(
            address="local",
            num_cpus=concurrent,  # so that Ray starts as many workers, whatever this machine has
            include_dashboard=False,
            object_store_memory=OBJECT_STORE_BYTES,
            log_to_driver=False,
            logging_level=logging.ERROR,
            _temp_dir=f"{folder}/ray",
        )
        try:
            with Path(os.devnull).open("w") as nowhere:
                console = Console(file=nowhere, force_terminal=True, width=120, height=50)
                measured = _run(folder, console, concurrent, num_seeds, iterations)
        finally:
            ray.shutdown()
    return {"trials": concurrent, "concurrent": concurrent, "seeds": num_seeds} | measured


def _run(folder: str, console: Console, concurrent: int, num_seeds: int, iterations: int) -> dict[str, Any]:
    spec = StudySpec.model_validate(
        {
            "name": "tune-loop",
            "task": "analytic/ring",
            "cost_limit": 12.0,
            "env_steps": STEPS * iterations,
            "seeds": num_seeds,
            "hyperparameters": {"steps_per_iteration": STEPS, "num_envs": 10, "minibatch_size": 64},
            "lagrangian": {"update": "fixed"},
            "search": {"kind": "grid", "multiplier": [n / concurrent for n in range(concurrent)]},
        }
    )
    study = create_study(spec, folder)
    store = find_store(study.storage)
    tracker = Tracker(study.folder, store.uri, store.artifact_root, spec.name, spec.to_yaml(), {})
    progress = Progress(
        spec.name,
        console,
        counts=study.status().counts,
        env_steps=spec.env_steps,
        env_steps_done=0,
        env_steps_total=study.env_steps_total,
        planned={},
    )
    with study._driving() as writer, mock.patch.object(executor, "ExecutionTrainable", DummyTrainable):
        recorder = CountingRecorder(writer, spec, tracker, History(), progress)
        recorder.concurrent = concurrent
        tracker.start()
        progress.start()
        run_executions(
            writer,
            spec,
            recorder,
            checkpoints=study.checkpoints,
            cadence=Cadence(),
            resources=Resources(),
            address=None,
            env_path="auto",
        )
        progress.stop()
        tracker.close(timeout_s=1.0)
    assert study.status().is_finished
    assert recorder.begin is not None
    assert recorder.end is not None
    per_result = recorder.end.ms_since(recorder.begin, recorder.results)
    own = round(1e3 * recorder.own_s / recorder.results, 3)
    return {
        "results": recorder.results,
        "ms_of_the_loops_thread": per_result["thread"],
        "ms_of_the_recorder_therein": own,
        "ms_of_tune_therein": round(per_result["thread"] - own, 3),
        "ms_of_all_threads": per_result["process"],
        "ms_of_the_wall": per_result["wall"],
    }

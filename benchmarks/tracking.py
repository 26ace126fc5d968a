"""Tracking: requests, seconds and memory of Lagsweep's tracker and of Ray's MLflowLoggerCallback, on the same rows.

    python -m benchmarks.tracking [--trials 1000] [--sent-trials 1000] [--results 100] [--ray-results 100]

A real `mlflow server` on SQLite serves both, each client in a process of its own. Lagsweep sends every row of
`--sent-trials` trials. Ray's callback takes one request a metric, hours for the whole, so that it gets the first
results of the first trial only: the shares are written down, and requests and seconds are counted a result. The
training path is then timed while nobody listens (every row of `--trials` trials), while the server hangs, and while the
disk is full.
"""

import argparse
import contextlib
import multiprocessing
import os
import resource
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Generator, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.provenance import write_result
from sweeps.records import ResultRow, SeedRun, State, Trial
from sweeps.tracking import Tracker
from sweeps.tracking.server import Address, start, stop

EPOCH_S = 1.7e9
_MIB = 2**20


def trial_of(number: int, state: State = State.RUNNING) -> Trial:
    """A trial of one seed."""
    return Trial(number, f"pid:{number}", "pid", {"kp": number / 1000}, state, (SeedRun(0, state),))


def rows_of(number: int, results: int, metrics: int) -> Iterator[ResultRow]:
    """The rows of a trial; the same in every process."""
    values = np.random.default_rng(number).normal(size=(results, metrics))
    for index, row in enumerate(values.tolist(), start=1):
        named = {f"group/metric_{column:02}": value for column, value in enumerate(row)}
        yield ResultRow(number, 0, index, 1000 * index, EPOCH_S + index, 1, named, (row[0],), {"cost": (abs(row[1]),)})


class Requests:
    """Counts the HTTP requests of this process, of any thread."""

    def __init__(self) -> None:
        import requests

        self.count = 0
        send, lock = requests.Session.send, threading.Lock()

        def counted(session: requests.Session, request: Any, **options: Any) -> Any:
            with lock:
                self.count += 1
            return send(session, request, **options)

        requests.Session.send = counted


def peak_mib() -> float:
    """Largest resident memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / _MIB


def track(uri: str, trials: int, results: int, metrics: int) -> dict[str, Any]:
    """Lagsweep: every row of every trial, as fast as it comes."""
    import mlflow  # noqa: F401 - its memory and seconds are not what is measured

    requests = Requests()
    with tempfile.TemporaryDirectory() as folder:
        tracker = Tracker(Path(folder), uri, None, "lagsweep", "name: lagsweep\n", {}, env_steps=1000 * results)
        before, started = peak_mib(), time.perf_counter()
        tracker.start()
        seconds: list[float] = []
        for number in range(trials):
            tracker.trial_started(trial_of(number))
            for row in rows_of(number, results, metrics):
                call = time.perf_counter()
                tracker.rows([row])
                seconds.append(time.perf_counter() - call)
            tracker.trial_finished(trial_of(number, State.COMPLETE))
        produced = time.perf_counter() - started
        left = tracker.close(timeout_s=3600)
    assert left == 0
    return {
        "trials": trials,
        "seconds_producing": produced,
        **cost(trials * results, requests, started, seconds, before),
    }


def call_back(uri: str, results: int, metrics: int) -> dict[str, Any]:
    """Ray's callback: the first rows of the first trial, on the thread that trains."""
    from ray.air.integrations.mlflow import MLflowLoggerCallback
    from ray.tune.experiment import Trial as TuneTrial

    callback = MLflowLoggerCallback(tracking_uri=uri, experiment_name="ray")
    callback.setup()
    requests = Requests()
    before, started = peak_mib(), time.perf_counter()
    seconds: list[float] = []
    trial = TuneTrial("benchmark", stub=True, config=trial_of(0).params)
    callback.log_trial_start(trial)
    for row in rows_of(0, results, metrics):
        result = {**row.metrics, "training_iteration": row.iteration, "timesteps_total": row.env_steps}
        call = time.perf_counter()
        callback.log_trial_result(row.iteration, trial, result)
        seconds.append(time.perf_counter() - call)
    callback.log_trial_end(trial)
    return cost(results, requests, started, seconds, before)


def endure(trouble: str, trials: int, results: int, metrics: int) -> dict[str, Any]:
    """Time of the training path, and memory, in trouble."""
    import mlflow  # noqa: F401

    with tempfile.TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0)) as listener:
        port = 9 if trouble == "nobody listens" else listener.getsockname()[1]  # which takes calls and never answers
        tracker = Tracker(Path(folder), f"http://127.0.0.1:{port}", None, "trouble", "name: trouble\n", {})
        before = peak_mib()
        tracker.start()
        seconds: list[float] = []
        with full_disk(Path(folder) / "spool.jsonl") if trouble == "full disk" else contextlib.nullcontext():
            for number in range(trials):
                tracker.trial_started(trial_of(number))
                for row in rows_of(number, results, metrics):
                    call = time.perf_counter()
                    tracker.rows([row])
                    seconds.append(time.perf_counter() - call)
        tracker.close(timeout_s=0.0)
        size = (Path(folder) / "spool.jsonl").stat().st_size / _MIB
    memory = {"peak_mib_beyond_imports": peak_mib() - before, "spool_mib": size}
    return {"results": len(seconds), **times(seconds), **{name: round(value, 1) for name, value in memory.items()}}


@contextlib.contextmanager
def full_disk(path: Path) -> Generator[None]:
    """The kernel lets no file of this process grow beyond the size of `path`."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def cost(results: int, requests: Requests, started: float, seconds: list[float], before_mib: float) -> dict[str, Any]:
    """What tracking so many results took."""
    elapsed = time.perf_counter() - started
    return {
        "results": results,
        "requests": requests.count,
        "requests_per_result": requests.count / results,
        "seconds_until_sent": round(elapsed, 1),
        "seconds_per_result": elapsed / results,
        "on_training_path": times(seconds),
        "peak_mib_beyond_imports": round(peak_mib() - before_mib, 1),
    }


def times(seconds: list[float]) -> dict[str, float]:
    """Microseconds a result."""
    micro = 1e6 * np.array(seconds)
    return {
        "mean_us": round(float(micro.mean()), 1),
        "median_us": round(float(np.median(micro)), 1),
        "p99_us": round(float(np.percentile(micro, 99)), 1),
        "max_us": round(float(micro.max()), 1),
    }


def _call(connection: Connection, function: Any, arguments: tuple[Any, ...]) -> None:
    connection.send(function(*arguments))


def alone(function: Any, *arguments: Any) -> Any:
    """Runs a function in a fresh process, whose memory and requests are its own."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_call, args=(theirs, function, arguments))
    process.start()
    theirs.close()
    try:
        return ours.recv()
    finally:
        process.join()


def main() -> None:
    """Runs the benchmark, prints a table and writes results/tracking.json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--sent-trials", type=int, default=1000)
    parser.add_argument("--results", type=int, default=100)
    parser.add_argument("--metrics", type=int, default=30)
    parser.add_argument("--ray-results", type=int, default=100)
    options = parser.parse_args()
    os.environ["RAY_AIR_NEW_OUTPUT"] = "0"
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    with tempfile.TemporaryDirectory() as storage:
        server = start(Path(storage), Address(port=5100))
        try:
            ray = alone(call_back, server.url, options.ray_results, options.metrics)
            print(f"Ray's callback: {ray['requests']} requests in {ray['seconds_until_sent']:.1f} s", flush=True)
            ours = alone(track, server.url, options.sent_trials, options.results, options.metrics)
            print(f"Lagsweep: {ours['requests']} requests in {ours['seconds_until_sent']:.1f} s", flush=True)
        finally:
            stop(Path(storage), server)
    sizes = {"nobody listens": options.trials, "server hangs": 10, "full disk": 10}
    trouble = {name: alone(endure, name, trials, options.results, options.metrics) for name, trials in sizes.items()}
    table = Table("", "results", "requests", "a result", "seconds", "mean µs on the path", "p99 µs", "MiB")
    for name, side in (("Lagsweep", ours), ("Ray's callback", ray)):
        path = side["on_training_path"]
        counts = (f"{side['results']:,}", f"{side['requests']:,}", f"{side['requests_per_result']:.3g}")
        took = (f"{side['seconds_until_sent']:.1f}", f"{path['mean_us']:,.0f}", f"{path['p99_us']:,.0f}")
        table.add_row(name, *counts, *took, f"{side['peak_mib_beyond_imports']:.0f}")
    console = Console()
    console.print(table)
    rows = options.trials * options.results
    compared = {
        "rows": rows,
        "lagsweep_share_of_rows": ours["results"] / rows,
        "ray_share_of_rows": ray["results"] / rows,
        "fewer_requests": round(ray["requests_per_result"] / ours["requests_per_result"], 1),
        "hours_of_ray_for_all_rows": round(ray["seconds_per_result"] * rows / 3600, 1),
    }
    console.print(
        f"{compared['fewer_requests']:.0f} times fewer requests a result; of the {rows:,} rows Lagsweep sent "
        f"{compared['lagsweep_share_of_rows']:.1%} and Ray's callback {compared['ray_share_of_rows']:.2%}; "
        f"all would take it {compared['hours_of_ray_for_all_rows']} h"
    )
    for name, path in trouble.items():
        console.print(
            f"{name}: {path['mean_us']:.0f} µs a result, p99 {path['p99_us']:.0f} µs ({path['results']} results)"
        )
    measured = {"metrics": options.metrics, "lagsweep": ours, "ray_callback": ray, **compared}
    console.print(f"written: {write_result('tracking', {**measured, 'path_in_trouble': trouble})}")


if __name__ == "__main__":
    main()

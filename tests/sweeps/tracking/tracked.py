"""What tests of the tracker track, and what MLflow holds of it."""

import dataclasses
import time

from sweeps.records import Interval, ResultRow, SeedRun, State, Trial
from sweeps.tracking import Tracker

START = 1.7e9
SPEC = "name: demo\ntask: Circle1\n"


def trial(number=0, *, state=State.RUNNING, seeds=(0, 1), **changes):
    runs = tuple(SeedRun(seed, State.RUNNING) for seed in seeds)
    base = Trial(number, f"fixed|{number}", "fixed", {"multiplier": number / 2, "delay": 10}, state, runs)
    return dataclasses.replace(base, **changes)


def finished(number=0):
    runs = (
        SeedRun(0, State.COMPLETE, 300, 3, 10.0, {"cost": 20.0}, {"cost": 0.5}),
        SeedRun(1, State.FAIL, 200, 2, None, None, None, "NonFiniteError: loss of seed 1"),
    )
    return trial(
        number,
        state=State.COMPLETE,
        seed_runs=runs,
        mean_return=Interval(10.0, 8.0, 12.0, 1),
        mean_cost={"cost": Interval(20.0, 15.0, 25.0, 1)},
        feasible=True,
    )


def row(iteration, *, number=0, seed=0, attempt=1, value=None, at=None, **metrics):
    value = float(iteration) if value is None else value
    metrics = {"train/return": value, **metrics}
    return ResultRow(
        number, seed, iteration, 100 * iteration, START + iteration if at is None else at, attempt, metrics
    )


def make_tracker(store, folder, **options):
    tags = {"spec_sha256": "f00d", "lagsweep.note": "x"}
    return Tracker(folder, store.uri, store.artifact_root, "demo", SPEC, tags, **options)


def runs_of(client, name="demo"):
    """Kind, trial and seed → run."""
    experiment = client.get_experiment_by_name(name)
    found = client.search_runs([experiment.experiment_id])
    by_key = {}
    for run in found:
        tags = run.data.tags
        key = (tags["lagsweep.kind"], tags.get("lagsweep.trial"), tags.get("lagsweep.seed"))
        assert key not in by_key, "one run a key"
        by_key[key] = run
    return by_key


def history(client, run, key="train/return"):
    return [(m.step, m.value, m.timestamp) for m in client.get_metric_history(run.info.run_id, key)]


def snapshot(client):
    """Everything of the experiment but MLflow's own identifiers and places."""
    result = {}
    for key, run in runs_of(client).items():
        tags = {name: value for name, value in run.data.tags.items() if name != "mlflow.parentRunId"}
        curves = {name: history(client, run, name) for name in run.data.metrics}
        times = (run.info.status, run.info.start_time, run.info.end_time)
        result[key] = (tags, run.data.params, curves, times)
    return result


def wait_until(condition):
    deadline = time.monotonic() + 60  # importing MLflow takes long on a loaded machine
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)

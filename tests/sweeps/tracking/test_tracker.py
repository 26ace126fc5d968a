"""From a driver's calls to what MLflow holds, with a real MLflow on SQLite."""

import contextlib
import dataclasses
import logging
import resource
import signal
import sys
import time
from math import inf, nan
from pathlib import Path

import numpy as np
import pytest

from sweeps.analysis.summary import summarize_seed
from sweeps.policy import load_policy, save_policy
from sweeps.records import Interval, ResultRow, SeedRun, State, Trial
from sweeps.tracking import Tracker, outbox
from sweeps.tracking import shipper as shipper_module
from sweeps.tracking.events import StudyStopped, SystemSampled
from sweeps.tracking.parquet import read_parquet
from sweeps.tracking.provenance import provenance_tags
from sweeps.tracking.shipper import Backoff, Shipper
from sweeps.tracking.spool import read_events, read_rows
from tests.sweeps.test_policy import DESCRIPTION, tensors

# MLflow uses a loader strategy that SQLAlchemy 2.1 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow")

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


@pytest.fixture
def tracker(store, folder):
    tracker = make_tracker(store, folder)
    tracker.start()
    yield tracker
    tracker.close()


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


def test_a_study_becomes_an_experiment_with_a_run_for_itself_its_trials_and_their_seeds(tracker, client, folder):
    tracker.trial_started(trial(0))
    tracker.trial_started(trial(1, seeds=(7,)))
    tracker.rows([row(1), row(1, seed=1), row(2)])
    (folder / "report").mkdir()
    (folder / "report" / "figure.svg").write_text("<svg/>")
    tracker.artifact(folder / "report" / "figure.svg")
    tracker.trial_finished(finished(0))
    assert tracker.close() == 0

    runs = runs_of(client)
    assert set(runs) == {
        ("study", None, None),
        ("trial", "0", None),
        ("seed", "0", "0"),
        ("seed", "0", "1"),
        ("trial", "1", None),
        ("seed", "1", "7"),
    }
    parent, child = runs["trial", "0", None], runs["seed", "0", "0"]
    assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert "mlflow.parentRunId" not in parent.data.tags
    assert parent.data.params == {"multiplier": "0.0", "delay": "10"}
    assert child.data.params == {"multiplier": "0.0", "delay": "10", "seed": "0"}
    assert runs["seed", "1", "7"].data.params["multiplier"] == "0.5"

    study = runs["study", None, None]
    assert [item.path for item in client.list_artifacts(study.info.run_id)] == ["provenance", "report", "spec.yaml"]
    assert [item.path for item in client.list_artifacts(study.info.run_id, "report")] == ["report/figure.svg"]
    assert Path(client.download_artifacts(study.info.run_id, "spec.yaml")).read_text() == SPEC
    note = client.get_experiment_by_name("demo").tags["mlflow.note.content"]
    assert "task: Circle1" in note
    assert f"(#/experiments/{study.info.experiment_id}/runs/{study.info.run_id}/artifacts)" in note


def test_curves_have_env_steps_and_the_recorded_times_and_come_in_any_batches(tracker, client):
    tracker.trial_started(trial(0))
    tracker.rows([row(1), row(2)])
    tracker.rows([row(3, **{"multiplier/value": 0.25})])
    tracker.close()
    run = runs_of(client)["seed", "0", "0"]
    # Step = env steps; timestamps in milliseconds: (1.7e9 + i) s.
    assert history(client, run) == [(100 * i, float(i), 1_700_000_000_000 + 1000 * i) for i in (1, 2, 3)]
    assert history(client, run, "multiplier/value") == [(300, 0.25, 1_700_000_003_000)]


def test_a_finished_trial_shows_its_aggregates_its_state_and_its_feasibility(store, folder, client):
    rate = Interval(0.5, 0.25, inf, 1)
    tracker = make_tracker(store, folder, objectives_of=lambda trial: {"violation_rate": rate})
    tracker.start()
    tracker.trial_started(trial(0))
    tracker.rows([row(1, attempt=2)])
    tracker.trial_finished(finished(0))
    tracker.close()
    runs = runs_of(client)
    parent = runs["trial", "0", None]
    assert parent.data.metrics == {
        "final/return": 10.0,
        "final/return_low": 8.0,
        "final/return_high": 12.0,
        "final/cost": 20.0,
        "final/cost_low": 15.0,
        "final/cost_high": 25.0,
        "final/seeds": 1.0,
        "objective/violation_rate": 0.5,
        "objective/violation_rate_low": 0.25,
    }
    assert parent.info.status == "FINISHED"
    assert parent.info.end_time is not None
    assert parent.data.tags["lagsweep.state"] == "COMPLETE"
    assert parent.data.tags["lagsweep.feasible"] == "true"
    assert parent.data.tags["lagsweep.attempt"] == "2"
    assert "return 10 [8, 12] over 1 seeds" in parent.data.tags["mlflow.note.content"]
    assert runs["seed", "0", "0"].info.status == "FINISHED"
    assert runs["seed", "0", "0"].data.metrics["final/cost"] == 20.0
    assert runs["seed", "0", "1"].info.status == "FAILED"
    assert runs["seed", "0", "1"].data.tags["lagsweep.failure"] == "NonFiniteError: loss of seed 1"


@pytest.mark.parametrize(
    ("state", "status"), [(State.COMPLETE, "FINISHED"), (State.FAIL, "FAILED"), (State.PRUNED, "KILLED")]
)
def test_the_status_of_a_run_is_true(tracker, client, state, status):
    tracker.trial_started(trial(0))
    tracker.trial_finished(trial(0, state=state, failure="cause", seed_runs=(SeedRun(0, state),)))
    tracker.close()
    runs = runs_of(client)
    assert runs["trial", "0", None].info.status == status
    assert runs["seed", "0", "0"].info.status == status
    assert runs["trial", "0", None].data.tags["lagsweep.failure"] == "cause"


def test_runs_carry_where_they_come_from(tracker, client):
    tracker.trial_started(trial(0))
    tracker.close()
    tags = runs_of(client)["seed", "0", "1"].data.tags
    expected = {
        "lagsweep.study": "demo",
        "lagsweep.trial": "0",
        "lagsweep.seed": "1",
        "lagsweep.arm": "fixed",
        "lagsweep.spec_sha256": "f00d",
        "lagsweep.note": "x",
        "lagsweep.version.python": ".".join(str(part) for part in sys.version_info[:3]),
        "lagsweep.version.torch": "2.13.0",
    }
    assert tags.items() >= expected.items()
    assert set(tags) >= {f"lagsweep.version.{name}" for name in ("ray", "mujoco", "safety-gymnasium", "lagsweep")}
    assert tags.items() >= provenance_tags().items()


def test_a_second_driver_goes_on_in_the_same_runs(store, folder, client, tracker):
    tracker.trial_started(trial(0))
    tracker.rows([row(1), row(2)])
    tracker.close()
    assert {run.info.status for key, run in runs_of(client).items() if key[0] != "study"} == {"KILLED"}

    again = make_tracker(store, folder)
    again.start()
    again.trial_started(trial(0))
    again.rows([row(2, attempt=2, value=99.0, at=2e9), row(3, attempt=2)])  # iteration 2 is repeated
    again.trial_finished(finished(0))
    again.close()
    runs = runs_of(client)
    run = runs["seed", "0", "0"]
    assert [point[:2] for point in history(client, run)] == [(100, 1.0), (200, 2.0), (300, 3.0)]
    assert run.data.tags["lagsweep.attempt"] == "2"
    assert run.info.status == "FINISHED"
    assert runs["study", None, None].info.status == "FINISHED"


def test_a_trial_that_goes_on_says_which_environments_it_steps_now(store, folder, client):
    for kind in ("navigation", "gymnasium"):
        driver = Tracker(folder, store.uri, store.artifact_root, "demo", SPEC, {"env_kind": kind})
        driver.start()
        driver.trial_started(trial(0))
        driver.close()
        assert {run.data.tags["lagsweep.env_kind"] for run in runs_of(client).values()} == {kind}


def test_a_driver_that_was_killed_leaves_no_run_running_once_another_starts(store, folder, client):
    killed = make_tracker(store, folder)
    killed.start()
    killed.trial_started(trial(0))
    killed.rows([row(1)])
    wait_until(lambda: killed._shipper.remaining() == 0)
    killed._shipper.close(10)  # without the orderly end of `Tracker.close`, which a killed driver does not have
    killed._outbox.close()
    assert runs_of(client)["trial", "0", None].info.status == "RUNNING"
    again = make_tracker(store, folder)
    again.start()
    wait_until(lambda: again._shipper.remaining() == 0)  # its own end would close them too
    runs = runs_of(client)
    assert {runs["trial", "0", None].info.status, runs["seed", "0", "0"].info.status} == {"KILLED"}
    again.close()


def test_sending_everything_again_changes_nothing(store, folder, client, tracker):
    tracker.trial_started(trial(0))
    tracker.rows([row(1), row(2), row(1, seed=1)])
    tracker.trial_finished(finished(0))
    tracker.close()
    before = snapshot(client)
    (folder / "shipped.json").unlink()
    shipper = Shipper(folder, store.uri, store.artifact_root)
    assert shipper.remaining() == len(list(read_events(folder / "spool.jsonl")))
    shipper.start()
    assert shipper.close(60) == 0
    assert snapshot(client) == before


def test_another_mlflow_gets_everything_from_the_start(store, folder, client, tracker, tmp_path, migrated_database):
    tracker.trial_started(trial(0))
    tracker.rows([row(1)])
    tracker.close()
    other = tmp_path / "other.db"
    other.write_bytes(migrated_database.read_bytes())
    shipper = Shipper(folder, f"sqlite:///{other}", str(tmp_path / "elsewhere"))
    shipper.start()
    assert shipper.close(60) == 0
    assert snapshot(type(client)(tracking_uri=f"sqlite:///{other}")) == snapshot(client)


def test_a_spool_cut_by_a_power_failure_is_sent_again_from_the_start(store, folder, client, tracker):
    tracker.trial_started(trial(0))
    tracker.rows([row(1), row(2), row(3)])
    tracker.close()
    path = folder / "spool.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-3]) + lines[-3][:20])  # rows 2 and 3 are lost here, but not in MLflow
    again = make_tracker(store, folder)
    again.start()
    again.rows([row(2, value=20.0), row(3, value=30.0), row(4)])
    again.close()
    points = history(client, runs_of(client)["seed", "0", "0"])
    assert (400, 4.0, 1_700_000_004_000) in points
    assert (200, 2.0, 1_700_000_002_000) in points


def test_a_study_made_anew_under_the_same_name_has_runs_of_its_own(store, folder, client, tracker, tmp_path):
    tracker.trial_started(trial(0))
    tracker.close()
    anew = make_tracker(store, tmp_path / "anew" / "demo")
    anew.start()
    anew.trial_started(trial(0))
    anew.close()
    experiment = client.get_experiment_by_name("demo")
    parents = client.search_runs([experiment.experiment_id], "tags.`lagsweep.kind` = 'trial'")
    assert len({run.data.tags["lagsweep.history"] for run in parents}) == len(parents) == 2


def test_numbers_that_mlflow_cannot_store_are_flagged_not_sent(tracker, client):
    tracker.trial_started(trial(0))
    tracker.rows([row(1, **{"loss/policy": nan, "loss/kl": inf}), row(2, **{"loss/policy": 0.5})])
    tracker.close()
    run = runs_of(client)["seed", "0", "0"]
    assert history(client, run, "loss/policy") == [(200, 0.5, 1_700_000_002_000)]
    assert history(client, run, "loss/kl") == []
    assert run.data.tags["lagsweep.non_finite"] == "loss/kl, loss/policy"
    assert "lagsweep.non_finite" not in runs_of(client)["seed", "0", "1"].data.tags


def test_several_costs_are_kept_apart_by_name(tracker, client):
    costs = {"hazards": Interval(4.0, 3.0, 5.0, 2), "vases": Interval(1.0, 0.0, 2.0, 2)}
    tracker.trial_started(trial(0))
    tracker.trial_finished(
        trial(0, state=State.COMPLETE, mean_return=Interval(1.0, 0.0, 2.0, 2), mean_cost=costs, feasible=False)
    )
    tracker.close()
    run = runs_of(client)["trial", "0", None]
    assert (run.data.metrics["final/cost/hazards"], run.data.metrics["final/cost/vases_high"]) == (4.0, 2.0)
    assert run.data.tags["lagsweep.feasible"] == "false"


def test_a_request_that_mlflow_refuses_does_not_hold_up_the_rest(tracker, client, caplog):
    tracker.trial_started(trial(0))
    tracker.trial_started(trial(0, params={"multiplier": 3.0, "delay": 10}))  # MLflow's params never change
    tracker.artifact(Path("no-such-file.png"))
    tracker.rows([row(1)])
    with caplog.at_level(logging.WARNING):
        assert tracker.close() == 0
    assert history(client, runs_of(client)["seed", "0", "0"]) == [(100, 1.0, 1_700_000_001_000)]
    warnings = [record.message for record in caplog.records]
    assert sum("refused a request for good" in text and "Changing param" in text for text in warnings) == 1
    assert "MLflow refused 2 requests of study demo for good." in warnings


def test_a_run_deleted_in_the_ui_is_made_again_for_the_next_driver(store, folder, client, tracker):
    tracker.trial_started(trial(0))
    tracker.close()
    client.delete_run(runs_of(client)["seed", "0", "0"].info.run_id)
    again = make_tracker(store, folder)
    again.start()
    again.trial_started(trial(0))
    again.rows([row(1)])
    again.close()
    assert history(client, runs_of(client)["seed", "0", "0"]) == [(100, 1.0, 1_700_000_001_000)]


def test_training_goes_on_without_mlflow_with_one_warning_and_everything_kept(folder, caplog):
    tracker = Tracker(
        folder, "http://ann:secret@127.0.0.1:9", None, "demo", SPEC, {}, backoff=Backoff(first_s=0.01, cap_s=0.02)
    )
    with caplog.at_level(logging.WARNING):
        tracker.start()
        tracker.trial_started(trial(0))
        tracker.rows([row(1), row(2)])
        wait_until(lambda: tracker._shipper.failures >= 5)
        left = tracker.close(timeout_s=0.5)
    assert left == 7  # the spool's opening, the study's start, its provenance, the trial's start, two rows, the end
    warnings = [record.message for record in caplog.records]
    assert sum("does not answer" in text for text in warnings) == 1
    assert any("7 events of study demo are not in MLflow yet" in text for text in warnings)
    assert "secret" not in caplog.text
    assert read_rows(folder / "spool.jsonl") == [row(1), row(2)]


def test_closing_does_not_wait_long_for_an_mlflow_that_does_not_answer(folder, monkeypatch):
    monkeypatch.setattr(shipper_module, "_LAST_ATTEMPTS_S", 0.3)
    tracker = Tracker(folder, "http://127.0.0.1:9", None, "demo", SPEC, {}, backoff=Backoff(0.01, 0.01))
    tracker.start()
    wait_until(lambda: tracker._shipper.failures >= 3)
    started = time.monotonic()
    assert tracker.close(timeout_s=100.0) == 4
    assert time.monotonic() - started < 50.0


def test_what_a_full_disk_refuses_waits_in_memory(client, tracker, monkeypatch, caplog):
    monkeypatch.setattr(outbox, "_INTERVAL_S", 0.0)
    tracker.trial_started(trial(0))
    with full_disk(tracker.folder / "spool.jsonl"):
        tracker.rows([row(1)])
        tracker.rows([row(2)])
        assert tracker._outbox.waiting == 2
    tracker.rows([row(3)])
    assert tracker.close() == 0
    assert [point[1] for point in history(client, runs_of(client)["seed", "0", "0"])] == [1.0, 2.0, 3.0]
    assert sum("takes no more lines" in record.message for record in caplog.records) == 1


def test_a_disk_that_stays_full_costs_what_waits_and_says_so(tracker, caplog):
    wait_until(lambda: tracker._shipper.remaining() == 0)  # MLflow's file could not grow either
    with full_disk(tracker.folder / "spool.jsonl"):
        tracker.rows([row(1), row(2)])
        assert tracker.close() == 3  # two rows and the study's end
    assert any("3 events could not be written" in record.message for record in caplog.records)


@contextlib.contextmanager
def full_disk(path):
    """The kernel lets no file of this process grow beyond the size of `path`."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)


def test_nothing_is_tracked_before_start_or_after_close(store, folder):
    tracker = make_tracker(store, folder)
    with pytest.raises(RuntimeError, match="`start` must come before"):
        tracker.rows([row(1)])
    assert tracker.close() == 0
    tracker.start()
    tracker.close()
    with pytest.raises(RuntimeError, match="`close` after"):
        tracker.rows([row(1)])
    assert tracker.close() == 0
    assert isinstance(list(read_events(folder / "spool.jsonl"))[-1], StudyStopped)


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


def test_a_failed_attempt_leaves_its_log_without_credentials(tracker, client):
    tracker.trial_started(trial(0))
    failure = "ConnectionError: http://ann:canary@host/x"
    tracker.attempt_failed(0, 2, f"Traceback\n  line 1\n{failure}")
    tracker.trial_finished(trial(0, state=State.FAIL, failure=failure))
    tracker.close()
    run = runs_of(client)["trial", "0", None]
    log = Path(client.download_artifacts(run.info.run_id, "failures/attempt-2.txt")).read_text()
    assert log == "Traceback\n  line 1\nConnectionError: http://host/x"
    assert run.data.tags["lagsweep.failure"] == "ConnectionError: http://host/x"


def test_every_metric_of_a_trial_can_be_recomputed_from_its_parquet_files(store, folder, client):
    """Return, cost and violations from the episodes that MLflow keeps equal what the study's summary said."""
    rows = [
        ResultRow(
            0,
            seed,
            i,
            100 * i,
            START + i,
            1,
            {"train/return": float(np.mean(episodes)), "train/cost": float(np.mean(costs)), "loss/kl": 0.01 * i},
            tuple(episodes),
            {"cost": tuple(costs)},
        )
        for seed in (0, 1)
        for i in range(1, 4)
        for episodes, costs in [([1.0 * i, 2.0 * i + seed], [10.0 * i, 30.0 - seed])]
    ]
    tracker = make_tracker(store, folder)
    tracker.start()
    tracker.trial_started(trial(0))
    tracker.rows(rows[:4])
    tracker.trial_started(trial(1))
    tracker.rows([row(1, number=1, seed=0)])  # another trial's, in between
    tracker.rows([*rows[3:], dataclasses.replace(rows[0], metrics={"train/return": 99.0})])  # repeated after a kill
    tracker.trial_finished(finished(0))
    tracker.close()
    run = runs_of(client)["trial", "0", None]
    kept = read_parquet(Path(client.download_artifacts(run.info.run_id, "results")))
    assert kept == rows
    # The last 5 % of 3 iterations is the third: seed 0 returns 3 and 6, costs 30 and 30; seed 1 3 and 7, 30 and 29.
    summaries = [summarize_seed([row for row in kept if row.seed == seed]) for seed in (0, 1)]
    assert [summary.mean_return for summary in summaries] == [4.5, 5.0]
    assert [summary.mean_cost for summary in summaries] == [{"cost": 30.0}, {"cost": 29.5}]
    for kept_row in kept:
        assert np.mean(kept_row.episode_returns) == kept_row.metrics["train/return"]


def test_long_runs_are_drawn_with_few_points_and_kept_whole_in_parquet(store, folder, client):
    tracker = make_tracker(store, folder, env_steps=100 * 3000)
    tracker.start()
    tracker.trial_started(trial(0, seeds=(0,)))
    tracker.rows([row(i, seed=0) for i in range(1, 3001)])
    tracker.trial_finished(trial(0, state=State.COMPLETE, seed_runs=(SeedRun(0, State.COMPLETE),)))
    tracker.close()
    runs = runs_of(client)
    # 3000 iterations at every third: 1000 points; the last one is among them.
    steps = [point[0] for point in history(client, runs["seed", "0", "0"])]
    assert steps == [100 * i for i in range(3, 3001, 3)]
    results = Path(client.download_artifacts(runs["trial", "0", None].info.run_id, "results"))
    assert len(read_parquet(results)) == 3000


def test_a_run_shows_at_most_forty_curves(tracker, client):
    tracker.trial_started(trial(0))
    tracker.rows([row(1, **{f"loss/{index:02}": 1.0 for index in range(60)})])
    tracker.close()
    metrics = runs_of(client)["seed", "0", "0"].data.metrics
    assert len(metrics) == 40
    assert "train/return" in metrics


def test_system_metrics_are_kept_on_request_only(store, folder, client, monkeypatch):
    monkeypatch.setenv("MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING", "true")
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "0.05")
    tracker = make_tracker(store, folder)
    tracker.start()
    wait_until(lambda: any(isinstance(event, SystemSampled) for event in read_events(folder / "spool.jsonl")))
    tracker.close()
    metrics = runs_of(client)["study", None, None].data.metrics
    assert 0.0 <= metrics["system/cpu_utilization_percentage"] <= 100.0
    assert metrics["system/system_memory_usage_megabytes"] > 100.0


def test_a_sampling_interval_that_is_no_positive_number_is_refused(store, folder, monkeypatch):
    monkeypatch.setenv("MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING", "true")
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "often")
    with pytest.raises(ValueError, match=r"INTERVAL > 0` must hold, but got 'often'"):
        make_tracker(store, folder)


def test_a_policy_is_registered_once_and_the_last_best_one_is_the_champion(store, folder, client):
    tracker = make_tracker(store, folder)
    tracker.start()
    for number in (0, 1, 0):
        tracker.trial_started(trial(number))
        policy = folder / f"policy-{number}"
        save_policy(policy, DESCRIPTION.model_copy(update={"trial": number}), tensors())
        tracker.policy(number, policy)
    tracker.close()
    (folder / "shipped.json").unlink()
    again = Shipper(folder, store.uri, store.artifact_root)
    again.start()
    assert again.close(60) == 0
    versions = client.search_model_versions("name = 'lagsweep-demo'")
    assert sorted((int(v.version), v.tags["lagsweep.trial"]) for v in versions) == [(1, "0"), (2, "1")]
    champion = client.get_model_version_by_alias("lagsweep-demo", "champion")
    assert champion.run_id == runs_of(client)["trial", "0", None].info.run_id
    kept = load_policy(client.download_artifacts(champion.run_id, "policy"))
    assert kept.description.trial == 0


def test_what_identifies_a_trial_can_be_filtered_by(store, folder, client):
    tracker = make_tracker(store, folder, params_of=lambda trial: {"update": "ga", "lr": 0.05, **trial.params})
    tracker.start()
    tracker.trial_started(trial(0, params={}))
    tracker.close()
    experiment = client.get_experiment_by_name("demo").experiment_id
    found = client.search_runs([experiment], "params.lr = '0.05' and tags.`lagsweep.kind` = 'trial'")
    assert [run.data.params for run in found] == [{"update": "ga", "lr": "0.05"}]

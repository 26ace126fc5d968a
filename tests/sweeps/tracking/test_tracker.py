"""From a driver's calls to what MLflow holds, with a real MLflow on SQLite."""

import dataclasses
import sys
from math import inf, nan
from pathlib import Path

import numpy as np
import pytest

from sweeps.analysis.summary import summarize_seed
from sweeps.records import Interval, ResultRow, SeedRun, State
from sweeps.tracking.events import SystemSampled
from sweeps.tracking.parquet import read_parquet
from sweeps.tracking.provenance import provenance_tags
from sweeps.tracking.spool import read_events
from tests.sweeps.tracking.tracked import (
    SPEC,
    START,
    finished,
    history,
    make_tracker,
    row,
    runs_of,
    trial,
    wait_until,
)

# MLflow uses a loader strategy that SQLAlchemy 2.1 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow")


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


def test_numbers_that_mlflow_cannot_store_are_flagged_not_sent(tracker, client):
    tracker.trial_started(trial(0))
    tracker.rows([row(1, **{"loss/policy": nan, "loss/kl": inf}), row(2, **{"loss/policy": 0.5})])
    tracker.close()
    run = runs_of(client)["seed", "0", "0"]
    assert history(client, run, "loss/policy") == [(200, 0.5, 1_700_000_002_000)]
    assert history(client, run, "loss/kl") == []
    assert run.data.tags["lagsweep.non_finite"] == "loss/kl, loss/policy"
    assert "lagsweep.non_finite" not in runs_of(client)["seed", "0", "1"].data.tags


def test_numbers_that_were_not_finite_are_flagged_where_no_point_is_drawn_too(store, folder, client):
    tracker = make_tracker(store, folder, env_steps=100 * 3000)  # every third iteration is drawn
    tracker.start()
    tracker.trial_started(trial(0, seeds=(0,)))
    tracker.rows([row(1, **{"loss/kl": inf}), row(2), row(3)])
    tracker.trial_finished(trial(0, state=State.FAIL, seed_runs=(SeedRun(0, State.FAIL),)))
    tracker.close()
    for key in (("seed", "0", "0"), ("trial", "0", None)):
        assert runs_of(client)[key].data.tags["lagsweep.non_finite"] == "loss/kl"


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


def test_a_failed_attempt_leaves_its_log_without_credentials(tracker, client, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "canary/3@4")
    tracker.trial_started(trial(0))
    failure = "ConnectionError: http://ann:canary@host/x"
    others = "postgresql://ann:can/ary@db/x postgresql://db/x?user=u&password=canary&a=b said canary/3@4 TOKEN=canary"
    tracker.attempt_failed(0, 2, f"Traceback\n  {others}\n{failure}")
    tracker.trial_finished(trial(0, state=State.FAIL, failure=failure))
    tracker.close()
    run = runs_of(client)["trial", "0", None]
    log = Path(client.download_artifacts(run.info.run_id, "failures/attempt-2.txt")).read_text()
    shown = "postgresql://db/x postgresql://db/x?user=u&password=***&a=b said *** TOKEN=***"
    assert log == f"Traceback\n  {shown}\nConnectionError: http://host/x"
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


def test_a_run_shows_at_most_forty_keys(tracker, client):
    tracker.trial_started(trial(0))
    usual = {"train/cost": 1.0, "train/violation_rate": 0.0, "multiplier/value": 0.5}
    tracker.rows([row(1, **{f"loss/{index:02}": 1.0 for index in range(60)}, **usual)])
    moved = {f"multiplier/at_zero/cost_{index:02}": 0.0 for index in range(20)}
    seeds = (SeedRun(0, State.COMPLETE, 300, 3, 10.0, {"cost": 20.0}, measures=moved),)
    tracker.trial_finished(trial(0, state=State.COMPLETE, seed_runs=seeds))
    tracker.close()
    metrics = runs_of(client)["seed", "0", "0"].data.metrics
    assert len(metrics) == 30 + 10
    assert {"train/return", "final/return", "final/cost", "final/multiplier/at_zero/cost_00", *usual} <= set(metrics)
    # 30 curves: the four above and the first 26 losses.
    not_drawn = runs_of(client)["seed", "0", "0"].data.tags["lagsweep.not_drawn"]
    assert not_drawn == ", ".join(f"loss/{index:02}" for index in range(26, 60))


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


def test_what_identifies_a_trial_can_be_filtered_by(store, folder, client):
    tracker = make_tracker(store, folder, params_of=lambda trial: {"update": "ga", "lr": 0.05, **trial.params})
    tracker.start()
    tracker.trial_started(trial(0, params={}))
    tracker.close()
    experiment = client.get_experiment_by_name("demo").experiment_id
    found = client.search_runs([experiment], "params.lr = '0.05' and tags.`lagsweep.kind` = 'trial'")
    assert [run.data.params for run in found] == [{"update": "ga", "lr": "0.05"}]

"""A second driver, a second sending, a second MLflow: nothing is lost, nothing is there twice."""

from math import inf, nan

import pytest

from sweeps.tracking import Tracker
from sweeps.tracking.shipper import Shipper
from sweeps.tracking.spool import read_events
from tests.sweeps.tracking.tracked import (
    SPEC,
    finished,
    history,
    make_tracker,
    row,
    runs_of,
    snapshot,
    trial,
    wait_until,
)

# MLflow uses a loader strategy that SQLAlchemy 2.1 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow")


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


def test_a_second_driver_keeps_what_the_first_has_flagged(store, folder, client, tracker):
    tracker.trial_started(trial(0))
    tracker.rows([row(1, attempt=2, **{"loss/kl": inf})])
    tracker.close()
    again = make_tracker(store, folder)
    again.start()
    again.trial_started(trial(0))
    again.rows([row(2, attempt=2, **{"loss/policy": nan})])
    again.close()
    assert runs_of(client)["seed", "0", "0"].data.tags["lagsweep.non_finite"] == "loss/kl, loss/policy"
    last = make_tracker(store, folder)
    last.start()
    last.trial_started(trial(0))
    last.trial_finished(finished(0))  # its last iteration was the one before
    last.close()
    tags = runs_of(client)["trial", "0", None].data.tags
    assert (tags["lagsweep.attempt"], tags["lagsweep.non_finite"]) == ("2", "loss/kl, loss/policy")


def test_a_run_whose_tags_somebody_has_changed_holds_nothing_up(store, folder, client, tracker):
    tracker.trial_started(trial(0))
    tracker.close()
    changed = runs_of(client)["seed", "0", "1"].info.run_id
    client.set_tag(changed, "lagsweep.trial", "the good one")
    again = make_tracker(store, folder)
    again.start()
    again.rows([row(1)])
    assert again.close() == 0
    assert len(history(client, runs_of(client)["seed", "0", "0"])) == 1


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

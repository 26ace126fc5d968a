"""What a tracker does where MLflow or the disk does not take what it brings."""

import contextlib
import logging
import resource
import signal
import time
from pathlib import Path

import pytest

from sweeps.tracking import Tracker, outbox
from sweeps.tracking import shipper as shipper_module
from sweeps.tracking.events import StudyStopped
from sweeps.tracking.shipper import Backoff
from sweeps.tracking.spool import read_events, read_rows
from tests.sweeps.tracking.tcp_proxy import TcpProxy
from tests.sweeps.tracking.tracked import (
    SPEC,
    history,
    make_tracker,
    row,
    runs_of,
    trial,
    wait_until,
)

# MLflow uses a loader strategy that SQLAlchemy 2.1 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow")


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


def test_a_run_that_somebody_deletes_is_begun_anew(tracker, client):
    tracker.trial_started(trial(0))
    tracker.rows([row(1)])
    wait_until(lambda: tracker._shipper.remaining() == 0)
    deleted = runs_of(client)["seed", "0", "0"].info.run_id
    client.delete_run(deleted)
    tracker.rows([row(2)])
    assert tracker.close() == 0
    assert tracker._shipper.refused == 0
    anew = runs_of(client)["seed", "0", "0"]
    assert anew.info.run_id != deleted
    assert [point[1] for point in history(client, anew)] == [2.0]


def test_a_bucket_that_does_not_answer_holds_nothing_up(store, folder, caplog, monkeypatch):
    monkeypatch.setenv("MLFLOW_S3_ENDPOINT_URL", "http://127.0.0.1:9")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "canary")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    backoff = Backoff(first_s=0.01, cap_s=0.02)
    tracker = Tracker(folder, store.uri, "s3://bucket/runs", "demo", SPEC, {}, backoff=backoff)
    tracker.start()
    wait_until(lambda: tracker._shipper.failures >= 3)
    assert tracker._shipper._thread.is_alive()
    assert tracker.close(timeout_s=0.5) > 0
    assert sum("does not answer" in record.message for record in caplog.records) == 1


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


def test_a_server_that_agrees_to_everything_is_not_taken_for_mlflow(folder, caplog):
    proxy = TcpProxy(target=None)
    proxy.fault = "yes to all"
    tracker = Tracker(folder, proxy.url, None, "demo", SPEC, {}, backoff=Backoff(first_s=0.01, cap_s=0.02))
    tracker.start()
    tracker.trial_started(trial(0))
    tracker.rows([row(1)])
    wait_until(lambda: tracker._shipper.failures >= 3)
    assert tracker.close(timeout_s=0.5) == 6
    proxy.close()
    assert tracker._shipper.refused == 0
    assert sum("does not answer" in record.message for record in caplog.records) == 1


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


def test_what_cannot_be_written_is_refused_alone(tracker, client):
    with pytest.raises(ValueError, match="serialize"):
        tracker.trial_started(trial(0, params={"multiplier": object()}))
    tracker.trial_started(trial(0))
    tracker.rows([row(1)])
    assert tracker.close() == 0
    assert len(history(client, runs_of(client)["seed", "0", "0"])) == 1


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

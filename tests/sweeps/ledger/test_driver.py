"""One driver a study."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import update

from sweeps.errors import StudyBusyError
from sweeps.ledger import Ledger, StudyRow, driving
from sweeps.ledger.tables import lease

DRIVE_AND_WRITE = """
import sys, time
from sweeps.ledger import Ledger, NewTrial, driving

ledger = Ledger(sys.argv[1])
with driving(ledger, ledger.study("profile"), lease_s=1.0, renewal_s=0.2) as writer:
    for n in range(10**6):
        writer.add_trial(NewTrial(f"{n}", "fixed", {}), [0])
        print(n, flush=True)
        time.sleep(0.01)
"""

DRIVE_FOR_EVER = """
import sys, time
from pathlib import Path
from sweeps.ledger import Ledger, driving

ledger = Ledger(sys.argv[1])
with driving(ledger, ledger.study("profile")):
    print("driving", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def study(ledger: Ledger) -> StudyRow:
    return ledger.create_study("profile", "", "a" * 64, [0], [])


def test_a_second_driver_is_refused_by_the_name_of_the_first(ledger: Ledger, study: StudyRow, tmp_path: Path) -> None:
    with (
        driving(ledger, study),
        pytest.raises(StudyBusyError, match=f"driven by process {os.getpid()} on {socket.gethostname()}, since 2"),
        driving(ledger, study),
    ):
        pass


def test_the_token_grows_with_each_driver_and_the_holder_leaves(
    ledger: Ledger, study: StudyRow, tmp_path: Path
) -> None:
    assert ledger.holder(study.id) is None
    for token in (1, 2):
        with driving(ledger, study) as writer:
            holder = ledger.holder(study.id)
            assert holder is not None
            assert (writer.token, holder.token, holder.pid) == (token, token, os.getpid())
        assert ledger.holder(study.id) is None


def test_a_killed_driver_gives_the_study_back(ledger: Ledger, study: StudyRow, tmp_path: Path) -> None:
    command = [sys.executable, "-c", DRIVE_FOR_EVER, ledger.url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "driving\n"
        with pytest.raises(StudyBusyError, match=f"process {other.pid} "), driving(ledger, study):
            pass
        other.send_signal(signal.SIGKILL)
        other.wait()

    with driving(ledger, study) as writer:
        assert writer.token == 2


def test_a_suspended_driver_is_taken_over_when_its_lease_runs_out_and_writes_nothing_more(
    ledger: Ledger, study: StudyRow
) -> None:
    command = [sys.executable, "-c", DRIVE_AND_WRITE, ledger.url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stderr is not None
        assert other.stdout.readline() == "0\n"
        other.send_signal(signal.SIGSTOP)
        with pytest.raises(StudyBusyError), driving(ledger, study):  # it may only have paused
            pass
        wait_until(lambda: ledger.holder(study.id) is None)
        with driving(ledger, study) as writer:
            written = len(ledger.trials(study.id))
            other.send_signal(signal.SIGCONT)

            assert other.wait() == 1
            assert "StaleWriterError: `this driver holds the study` must hold, but another took it over" in (
                other.stderr.read()
            )
            assert len(ledger.trials(study.id)) == written
            assert writer.usurps
            writer.renew()
            assert not writer.is_stale


def test_a_lease_of_another_machine_lasts_until_it_runs_out(ledger: Ledger, study: StudyRow) -> None:
    with driving(ledger, study, renewal_s=1e6):
        set_lease(ledger, host="elsewhere", pid=1)
        assert ledger.holder(study.id) is not None
        set_lease(ledger, expires_at=1.0)
        assert ledger.holder(study.id) is None
        with driving(ledger, study) as writer:
            assert writer.usurps


def test_a_process_id_that_was_used_again_is_no_driver(ledger: Ledger, study: StudyRow) -> None:
    with driving(ledger, study, renewal_s=1e6):
        set_lease(ledger, process_started_at=1.0)  # the process of this id is younger than the lease's
        assert ledger.holder(study.id) is None
        with driving(ledger, study) as writer:
            assert not writer.usurps


def test_a_driver_renews_its_lease_and_hears_that_it_shall_stop(ledger: Ledger, study: StudyRow) -> None:
    assert ledger.request_stop(study.id) is None  # nobody to ask
    with driving(ledger, study, renewal_s=0.02) as writer:
        first = ledger.holder(study.id)
        assert first is not None
        assert not writer.stop_requested

        assert ledger.request_stop(study.id) == first

        wait_until(lambda: writer.stop_requested)
        wait_until(lambda: (now := ledger.holder(study.id)) is not None and now.expires_at > first.expires_at)
    with driving(ledger, study) as following:  # the request was to the driver before
        following.renew()
        assert not following.stop_requested


def set_lease(ledger: Ledger, **values: object) -> None:
    with ledger.engine.begin() as connection:
        connection.execute(update(lease).values(**values))


def wait_until(reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30.0
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.02)

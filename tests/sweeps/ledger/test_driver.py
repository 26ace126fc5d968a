"""One driver a study."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from sweeps.errors import StudyBusyError
from sweeps.ledger import Ledger, StudyRow, driving

DRIVE_FOR_EVER = """
import sys, time
from pathlib import Path
from sweeps.ledger import Ledger, driving

ledger = Ledger(sys.argv[1])
with driving(ledger, ledger.study("profile"), Path(sys.argv[2])):
    print("driving", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(f"sqlite:///{tmp_path}/ledger.db")


@pytest.fixture
def study(ledger: Ledger) -> StudyRow:
    return ledger.create_study("profile", "", "a" * 64, [0], [])


def test_a_second_driver_is_refused_by_the_name_of_the_first(ledger: Ledger, study: StudyRow, tmp_path: Path) -> None:
    lock = tmp_path / "studies" / "profile" / "driver.lock"
    with (
        driving(ledger, study, lock),
        pytest.raises(StudyBusyError, match=f"driven by process {os.getpid()} on {socket.gethostname()}, since 2"),
        driving(ledger, study, lock),
    ):
        pass


def test_the_token_grows_with_each_driver_and_the_holder_leaves(
    ledger: Ledger, study: StudyRow, tmp_path: Path
) -> None:
    assert ledger.holder(study.id) is None
    for token in (1, 2):
        with driving(ledger, study, tmp_path / "driver.lock") as writer:
            holder = ledger.holder(study.id)
            assert holder is not None
            assert (writer.token, holder.token, holder.pid) == (token, token, os.getpid())
        assert ledger.holder(study.id) is None


def test_a_killed_driver_gives_the_study_back(ledger: Ledger, study: StudyRow, tmp_path: Path) -> None:
    lock = tmp_path / "driver.lock"
    command = [sys.executable, "-c", DRIVE_FOR_EVER, ledger.url, str(lock)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "driving\n"
        with pytest.raises(StudyBusyError, match=f"process {other.pid} "), driving(ledger, study, lock):
            pass
        other.send_signal(signal.SIGKILL)
        other.wait()

    with driving(ledger, study, lock) as writer:
        assert writer.token == 2

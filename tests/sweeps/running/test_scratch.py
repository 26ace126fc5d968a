"""Folders of killed processes are removed, those of living ones and of others are not."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sweeps.running.scratch import scratch_folder

MAKE_AND_DIE = """
import os, signal, sys
from pathlib import Path
from sweeps.running.scratch import scratch_folder
with scratch_folder(Path(sys.argv[1])) as folder:
    (folder / "socket").touch()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_folder_lives_as_long_as_it_is_needed(tmp_path: Path) -> None:
    with scratch_folder(tmp_path) as first, scratch_folder(tmp_path) as second:
        assert first.exists()
        assert second.exists()
    assert list(tmp_path.iterdir()) == []


def test_the_next_start_removes_what_a_killed_process_left(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", MAKE_AND_DIE, str(tmp_path)], check=False)
    (left,) = tmp_path.iterdir()
    assert (left / "socket").exists()

    with scratch_folder(tmp_path):
        assert not left.exists()


@pytest.mark.parametrize("owner", [None, "{", "{}", {"namespace": "pid:[1]"}, {}])
def test_what_may_belong_to_somebody_stays(tmp_path: Path, owner: object) -> None:
    with scratch_folder(tmp_path) as known:
        mine = json.loads((known / "owner.json").read_text())
    other = tmp_path / "lagsweep-other"
    other.mkdir()
    if isinstance(owner, str):
        (other / "owner.json").write_text(owner)
    elif isinstance(owner, dict):  # of another container; or of a process that lives
        process = {"pid": 2**22 + 1} if owner else {"pid": os.getpid()}
        (other / "owner.json").write_text(json.dumps(mine | process | owner))

    with scratch_folder(tmp_path):
        assert other.exists()


def test_a_process_id_that_was_used_again_keeps_nothing(tmp_path: Path) -> None:
    with scratch_folder(tmp_path) as known:
        mine = json.loads((known / "owner.json").read_text())
    other = tmp_path / "lagsweep-other"
    other.mkdir()
    (other / "owner.json").write_text(json.dumps(mine | {"started_at": 1.0}))

    with scratch_folder(tmp_path):
        assert not other.exists()

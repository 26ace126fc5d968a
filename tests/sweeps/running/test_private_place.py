"""Checkpoints are unpickled only from where not every user of the machine may put one."""

import os
from pathlib import Path

import pytest

from sweeps.errors import SweepError
from sweeps.running.checkpoint_place import place_of
from sweeps.running.private_place import check_private


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "storage" / "study" / "t0000"
    folder.mkdir(parents=True)
    return folder


def test_a_folder_that_only_its_owner_and_a_group_write_is_fine(folder: Path) -> None:
    folder.chmod(0o770)
    check_private(folder)
    check_private(folder / "not" / "yet")


@pytest.mark.parametrize("up", [0, 1, 2])
def test_a_folder_that_everybody_may_write_is_refused_and_so_is_all_below_it(folder: Path, up: int) -> None:
    exposed = (folder, *folder.parents)[up]
    exposed.chmod(0o777)
    with pytest.raises(SweepError, match=f"everybody may write {exposed}.$") as refused:
        check_private(folder)
    assert refused.value.help is not None
    assert f"chmod o-w {exposed}" in refused.value.help


def test_what_is_ours_below_a_folder_as_tmp_is_cannot_be_replaced(folder: Path) -> None:
    folder.parent.chmod(0o1777)
    check_private(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives a folder away")
def test_what_is_somebody_elses_below_a_folder_as_tmp_is_refused(folder: Path) -> None:
    folder.parent.chmod(0o1777)
    os.chown(folder, 65534, 65534)
    with pytest.raises(SweepError, match="everybody may write"):
        check_private(folder)


def test_a_checkpoint_is_not_fetched_from_such_a_place(folder: Path) -> None:
    place = place_of(folder)
    with place.write("a1-i000001") as content:
        (content / "manifest.json").write_text("{}")
    assert place.fetch("a1-i000001").is_dir()
    folder.chmod(0o777)
    with pytest.raises(SweepError, match="everybody may write"):
        place.fetch("a1-i000001")

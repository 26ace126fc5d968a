"""Checkpoints are written whole, verified, and fall back."""

import json
import logging
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from sweeps.records import ResultRow
from sweeps.running.checkpoints import CheckpointStore, trial_folder


def rows(iteration: int) -> list[ResultRow]:
    return [
        ResultRow(
            trial=7,
            seed=seed,
            iteration=iteration,
            env_steps=100 * iteration,
            time=1.5,
            attempt=1,
            metrics={"train/return": 0.1},
            episode_returns=(1.0, 2.0),
            episode_costs={"cost": (3.0, 4.0)},
        )
        for seed in (0, 1)
    ]


def write(content: str) -> Callable[[Path], None]:
    def write_state(folder: Path) -> None:
        (folder / "inner").mkdir()
        (folder / "inner" / "state.pkl").write_text(content)

    return write_state


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "t0007"


@pytest.fixture
def store(folder: Path, tmp_path: Path) -> CheckpointStore:
    assert trial_folder(str(tmp_path), 7) == str(folder)
    return CheckpointStore(folder, seeds=[0, 1])


def test_loads_what_was_saved_with_the_rows_of_its_iteration(store: CheckpointStore, folder: Path) -> None:
    path = store.save(1, rows(12), write("twelve"))

    checkpoint = store.load()

    assert path == str(folder / "a1-i000012")
    assert checkpoint is not None
    assert (checkpoint.location, checkpoint.path, checkpoint.iteration) == (path, Path(path), 12)
    assert checkpoint.rows == tuple(rows(12))
    assert (checkpoint.algorithm / "inner" / "state.pkl").read_text() == "twelve"


def test_nothing_saved_is_nothing_to_load(store: CheckpointStore) -> None:
    assert store.newest() is None
    assert store.load() is None


def test_keeps_the_two_newest_and_a_later_attempt_is_newer(store: CheckpointStore, folder: Path) -> None:
    for attempt, iteration in [(1, 9), (1, 10), (2, 8), (10, 7)]:
        store.save(attempt, rows(iteration), write(f"{attempt}-{iteration}"))

    assert sorted(path.name for path in folder.iterdir()) == ["a10-i000007", "a2-i000008"]
    assert store.newest() == str(folder / "a10-i000007")


def test_saving_the_same_iteration_again_changes_nothing(store: CheckpointStore) -> None:
    store.save(1, rows(3), write("first"))
    path = Path(store.save(1, rows(3), write("second")))

    assert (path / "algorithm" / "inner" / "state.pkl").read_text() == "first"


def test_a_file_linked_into_the_next_checkpoint_is_not_read_again(store: CheckpointStore, tmp_path: Path) -> None:
    block = tmp_path / "block"
    block.write_text("as written")
    written = block.stat()

    def link(folder: Path) -> None:
        (folder / "block").hardlink_to(block)

    store.save(1, rows(1), link)
    block.write_text("AS WRITTEN")  # damage that leaves size and time: whoever does not read it does not notice
    os.utime(block, ns=(written.st_atime_ns, written.st_mtime_ns))
    store.save(1, rows(2), link)
    assert store.load() is None  # the digests are those of the first reading, and loading reads every file

    block.write_text("new")
    store.save(1, rows(3), link)
    assert store.load() is not None


@pytest.mark.parametrize("damage", ["flipped", "truncated", "missing", "extra", "no manifest", "torn manifest"])
def test_a_damaged_newest_falls_back_to_the_one_before_with_a_warning(
    store: CheckpointStore, folder: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    store.save(1, rows(1), write("one"))
    newest = Path(store.save(1, rows(2), write("two")))
    state, manifest = newest / "algorithm" / "inner" / "state.pkl", newest / "manifest.json"
    match damage:
        case "flipped":
            state.write_text("tvo")
        case "truncated":
            state.write_text("tw")
        case "missing":
            state.unlink()
        case "extra":
            (newest / "algorithm" / "bomb.pkl").write_text("boom")
        case "no manifest":
            manifest.unlink()
        case _:
            manifest.write_text(manifest.read_text()[:40])

    with caplog.at_level(logging.WARNING):
        checkpoint = store.load()

    assert checkpoint is not None
    assert checkpoint.iteration == 1
    assert "a1-i000002 is damaged" in caplog.text
    assert not newest.exists()
    assert len(list(folder.glob("a1-i000002.*.damaged"))) == 1


def test_a_checkpoint_of_another_format_is_not_loaded(store: CheckpointStore) -> None:
    path = Path(store.save(1, rows(1), write("one")))
    manifest = json.loads((path / "manifest.json").read_text())
    (path / "manifest.json").write_text(json.dumps(manifest | {"version": 2}))

    assert store.load() is None


def test_an_interrupted_write_leaves_the_checkpoint_before_it(store: CheckpointStore, folder: Path) -> None:
    store.save(1, rows(1), write("one"))

    def die(algorithm: Path) -> None:
        (algorithm / "half.pkl").write_text("ha")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.save(1, rows(2), die)

    checkpoint = store.load()
    assert checkpoint is not None
    assert checkpoint.iteration == 1
    assert [path.name for path in folder.iterdir()] == ["a1-i000001"]


def test_checkpoints_of_other_seeds_are_neither_loaded_nor_removed(store: CheckpointStore, folder: Path) -> None:
    other = CheckpointStore(folder, seeds=[5])
    other_path = other.save(1, rows(1), write("other"))
    for iteration in (2, 3, 4):
        store.save(2, rows(iteration), write("own"))

    assert store.newest() == str(folder / "a2-i000004")
    assert other.newest() == other_path

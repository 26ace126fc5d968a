"""Which trials share a pack, from a real ledger and real checkpoint folders, without training."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sweeps.ledger import Extension, Ledger, NewTrial, SeedProgress, Writer, driving, extend
from sweeps.records import Execution, Interval, ResultRow
from sweeps.running.checkpoints import CheckpointStore, trial_folder
from sweeps.running.packs import PACK_FAILED, Packs
from sweeps.spec import StudySpec

MULTIPLIERS = [0.0, 0.25, 0.5, 0.75, 1.0]


def spec(pack: int | None) -> StudySpec:
    return StudySpec.model_validate(
        {
            "name": "grid",
            "task": "analytic/ring",
            "cost_limit": 12.0,
            "env_steps": 20_000,
            "seeds": 2,
            "lagrangian": {"update": "fixed"},
            "search": {"kind": "grid", "multiplier": MULTIPLIERS},
            "pack": pack,
        }
    )


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[Writer]:
    ledger = Ledger(f"sqlite:///{tmp_path}/ledger.db")
    grid = [NewTrial(f"fixed:{value}", "fixed", {"multiplier": value}) for value in MULTIPLIERS]
    study = ledger.create_study("grid", "", "a" * 64, (0, 1), grid)
    with driving(ledger, study) as writer:
        yield writer
    ledger.close()


def companions(
    writer: Writer, folder: Path, trial: int, pack: int | None = 5, without: tuple[int, ...] = ()
) -> list[int]:
    packs = Packs(spec(pack), writer, str(folder))
    return [each.number for each in packs.companions(writer.trial(trial), without=without)]


def run(writer: Writer, trial: int) -> Execution:
    execution = writer.ask(trial, (0, 1), None)
    writer.start(execution)
    return execution


def save(folder: Path, trial: int, iteration: int) -> None:
    """A checkpoint after an iteration."""
    rows = [ResultRow(trial, seed, iteration, 100 * iteration, 0.0, 1, {}) for seed in (0, 1)]
    CheckpointStore(trial_folder(str(folder), trial), (0, 1)).save(1, rows, lambda path: (path / "x").write_text("x"))


def test_a_pack_is_filled_with_the_first_trials_that_wait(writer: Writer, tmp_path: Path) -> None:
    assert companions(writer, tmp_path, 0, pack=3) == [1, 2]
    assert companions(writer, tmp_path, 2, pack=3) == [0, 1]
    assert companions(writer, tmp_path, 0) == [1, 2, 3, 4]
    assert companions(writer, tmp_path, 0, pack=None) == []


def test_trials_that_are_handed_out_or_run_stay_out(writer: Writer, tmp_path: Path) -> None:
    run(writer, 3)
    assert companions(writer, tmp_path, 0, without=(1,)) == [2, 4]


def test_who_was_in_a_pack_that_failed_goes_on_alone(writer: Writer, tmp_path: Path) -> None:
    writer.release(run(writer, 1), f"{PACK_FAILED}: not finite")
    writer.release(run(writer, 2), "its node was lost")
    assert companions(writer, tmp_path, 1) == []
    assert companions(writer, tmp_path, 0) == [2, 3, 4]


def test_only_trials_at_the_same_iteration_share_a_pack(writer: Writer, tmp_path: Path) -> None:
    for trial, iteration in ((0, 2), (1, 2), (2, 3)):
        writer.release(run(writer, trial), "the driver was stopped")
        save(tmp_path, trial, iteration)
    assert companions(writer, tmp_path, 0) == [1]
    assert companions(writer, tmp_path, 2) == []
    assert companions(writer, tmp_path, 3) == [4]


def test_checkpoints_of_a_trial_that_never_ran_here_do_not_count(writer: Writer, tmp_path: Path) -> None:
    """They would be another study's, in a folder that was used before."""
    save(tmp_path, 1, 2)
    assert companions(writer, tmp_path, 0) == [1, 2, 3, 4]


def test_only_trials_that_wait_for_the_same_seeds_share_a_pack(writer: Writer, tmp_path: Path) -> None:
    """Two trials are complete when a third seed is added, for which alone they wait."""
    for trial in (0, 1):
        seeds = [SeedProgress(seed, 100, 1, {"cost": 0.0}, 1.0, {"cost": 1.0}) for seed in (0, 1)]
        value = Interval(1.0, 1.0, 1.0, 2)
        writer.complete(run(writer, trial), seeds, mean_return=value, mean_cost={"cost": value}, feasible=True)
    extend(writer, Extension("", "b" * 64, seeds=(0, 1, 2), new_trials=(), raises_budget=False))
    assert writer.trial(0).next_seeds == (2,)
    assert companions(writer, tmp_path, 0) == [1]
    assert companions(writer, tmp_path, 2) == [3, 4]

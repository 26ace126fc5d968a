"""What a run with a multiplier network leaves behind, so that its calibration can be measured without Ray or torch."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FOLDER = "calibration"
"""Of a study's folder."""


@dataclass(frozen=True)
class CalibrationRecord:
    """States that the final policy visited in fresh episodes, and λ at fixed probe states over the training.

    Axes: S seeds, T steps, E environments a seed, I iterations, P probe states.

    Attributes:
        seeds: `[S]` int64.
        multiplier: `[S, T, E]` float32; λ(s) after training.
        violation: `[S, T, E]` float32; g(s, π).
        cost: `[S, T, E]` float32; cost of the step from s.
        ended: `[S, T, E]` bool; where the episode ends with the step.
        position: `[S, T, E, 2]` float32; place in the plane, meters; NaN where the task has none.
        probes: `[S, I, P]` float32; λ at the probe states after each iteration that learned.
        multiplier_max: λ_max.
        discount: γ of costs.
    """

    seeds: NDArray[np.int64]
    multiplier: NDArray[np.float32]
    violation: NDArray[np.float32]
    cost: NDArray[np.float32]
    ended: NDArray[np.bool_]
    position: NDArray[np.float32]
    probes: NDArray[np.float32]
    multiplier_max: float
    discount: float


_BY_SEED = ("seeds", "multiplier", "violation", "cost", "ended", "position", "probes")


def write_record(folder: Path, trial: int, attempt: int, arrays: Mapping[str, Any]) -> Path:
    """Writes what an execution recorded, whole or not at all.

    Args:
        folder: The study's folder.
        trial: The trial's number.
        attempt: The execution's attempt.
        arrays: The fields of a `CalibrationRecord`.

    Returns:
        The file.
    """
    path = folder / FOLDER / f"trial-{trial:04d}-attempt-{attempt:04d}.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    with partial.open("wb") as stream:
        np.savez_compressed(stream, **arrays)
    partial.replace(path)
    return path


def read_record(folder: Path, trial: int) -> CalibrationRecord | None:
    """Reads what a trial recorded, of each seed what its latest attempt wrote.

    Args:
        folder: The study's folder.
        trial: The trial's number.

    Returns:
        The record with the seeds in rising order, or None where there is none.
    """
    latest: dict[int, tuple[dict[str, Any], int]] = {}
    for path in sorted((folder / FOLDER).glob(f"trial-{trial:04d}-attempt-*.npz")):
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        latest |= {int(seed): (arrays, index) for index, seed in enumerate(arrays["seeds"])}
    if not latest:
        return None
    chosen = [latest[seed] for seed in sorted(latest)]
    joined: dict[str, Any] = {name: _stacked([arrays[name][index] for arrays, index in chosen]) for name in _BY_SEED}
    first = chosen[0][0]
    multiplier_max, discount = float(first["multiplier_max"]), float(first["discount"])
    return CalibrationRecord(**joined, multiplier_max=multiplier_max, discount=discount)


def _stacked(parts: list[NDArray[Any]]) -> NDArray[Any]:
    """Stacks the seeds; those that differ in length, since one was extended, share the shorter one's end."""
    if parts[0].ndim == 0:
        return np.stack(parts)
    shortest = min(len(part) for part in parts)
    return np.stack([part[len(part) - shortest :] for part in parts])

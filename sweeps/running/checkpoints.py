"""Checkpoints of a trial: written whole or not at all, verified before anything in them is unpickled.

A trial's folder `t0007/` holds one folder a checkpoint, `a2-i000012/` for attempt 2 after iteration 12:

    algorithm/      what the algorithm wrote
    rows.json       the result rows of that iteration
    manifest.json   size and SHA-256 of every other file, and which seeds the checkpoint belongs to

The rows are there because a process may die after its checkpoint and before its rows have reached the driver; the next
attempt then reports them before it goes on. A damaged checkpoint is renamed to `….damaged`, never loaded.
"""

import hashlib
import json
import logging
import os
import re
import shutil
import uuid
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from sweeps.records import ResultRow

logger = logging.getLogger(__name__)

FORMAT_VERSION = 1
NUM_KEPT = 2

_ROWS = TypeAdapter(tuple[ResultRow, ...])
_FOLDER = re.compile(r"a(\d+)-i(\d+)")


class DamagedCheckpointError(ValueError):
    """A checkpoint's files are not those that were written."""


@dataclass(frozen=True)
class Cadence:
    """When a checkpoint is due: as soon as one of the two counts is reached; the last iteration always is.

    Attributes:
        iterations: Iterations since the last checkpoint, or None: only time counts.
        seconds: Seconds since the last checkpoint.
    """

    iterations: int | None = None
    seconds: float = 60.0

    def is_due(self, iterations: int, seconds: float) -> bool:
        """Whether a checkpoint is due so many iterations and seconds after the last one.

        Examples:
            >>> Cadence(iterations=3, seconds=60.0).is_due(3, 1.0), Cadence().is_due(3, 1.0)
            (True, False)
        """
        return seconds >= self.seconds or (self.iterations is not None and iterations >= self.iterations)


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint on disk, verified when it was opened.

    Attributes:
        path: Its folder.
        iteration: Iterations behind it.
        rows: The result rows of that iteration.
    """

    path: Path
    iteration: int
    rows: tuple[ResultRow, ...]

    @property
    def algorithm(self) -> Path:
        """The folder that the algorithm wrote."""
        return self.path / "algorithm"


class CheckpointStore:
    """The checkpoints of one trial and one set of seeds.

    Args:
        folder: The trial's folder.
        seeds: Seeds that train together; checkpoints of other seeds are left alone.
    """

    def __init__(self, folder: Path, seeds: Sequence[int]) -> None:
        self.folder = folder
        self.seeds = tuple(seeds)

    def save(self, attempt: int, rows: Sequence[ResultRow], write: Callable[[Path], None]) -> Path:
        """Writes a checkpoint, and then removes all but the newest `NUM_KEPT`.

        Args:
            attempt: The execution's attempt.
            rows: The result rows of the iteration after which it is taken, one a seed.
            write: Writes the algorithm into the folder that it is given.

        Returns:
            The checkpoint's folder.
        """
        iteration = rows[0].iteration
        target = self.folder / f"a{attempt}-i{iteration:06d}"
        if target.exists():  # taken before: nothing was trained since
            return target
        self.folder.mkdir(parents=True, exist_ok=True)
        temporary = self.folder / f".{target.name}-{uuid.uuid4().hex[:8]}"
        (temporary / "algorithm").mkdir(parents=True)
        write(temporary / "algorithm")
        (temporary / "rows.json").write_text(json.dumps([asdict(row) for row in rows]), encoding="utf-8")
        manifest = {"version": FORMAT_VERSION, "seeds": self.seeds, "iteration": iteration, "files": _hash(temporary)}
        (temporary / "manifest.json").write_text(json.dumps(manifest, indent=1), encoding="utf-8")
        _flush_to_disk(temporary)
        temporary.rename(target)
        _flush(self.folder)
        self._remove_old()
        return target

    def newest(self) -> Path | None:
        """The folder of the newest checkpoint, unverified, or None."""
        return next(iter(self._folders()), None)

    def load(self) -> Checkpoint | None:
        """Opens the newest checkpoint that is whole.

        Damaged ones are set aside with a warning, and what a killed process left half written is removed.

        Returns:
            The checkpoint, or None where there is none to start from.
        """
        for half_written in self.folder.glob(".a*"):
            shutil.rmtree(half_written)
        for path in self._folders():
            try:
                return _verified(path)
            except DamagedCheckpointError as damage:
                aside = path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}.damaged")
                path.rename(aside)
                logger.warning("Checkpoint %s is damaged (%s) and was set aside; trying the one before.", path, damage)
        return None

    def _folders(self) -> list[Path]:
        """Folders of these seeds' checkpoints, newest first: a later attempt is newer than any earlier one."""
        if not self.folder.is_dir():
            return []
        found = [(match, path) for path in self.folder.iterdir() if (match := _FOLDER.fullmatch(path.name))]
        ordered = sorted(found, key=lambda item: (int(item[0][1]), int(item[0][2])), reverse=True)
        return [path for _, path in ordered if _seeds_of(path) in (self.seeds, None)]

    def _remove_old(self) -> None:
        for path in self._folders()[NUM_KEPT:]:
            shutil.rmtree(path)


def trial_folder(checkpoints: Path, trial: int) -> Path:
    """The folder of a trial's checkpoints.

    Examples:
        >>> trial_folder(Path("checkpoints"), 7).as_posix()
        'checkpoints/t0007'
    """
    return checkpoints / f"t{trial:04d}"


def _verified(path: Path) -> Checkpoint:
    manifest = _manifest(path)
    if manifest is None:
        raise DamagedCheckpointError("its manifest cannot be read")
    if manifest["version"] != FORMAT_VERSION:
        raise DamagedCheckpointError(f"`version {FORMAT_VERSION}` must hold, but it has {manifest['version']}")
    found = _hash(path)
    if found != manifest["files"]:
        wrong = sorted(name for name in found | manifest["files"] if found.get(name) != manifest["files"].get(name))
        raise DamagedCheckpointError(f"{', '.join(wrong)} not as written")
    rows = _ROWS.validate_json((path / "rows.json").read_bytes())
    return Checkpoint(path=path, iteration=manifest["iteration"], rows=rows)


def _manifest(path: Path) -> dict[str, Any] | None:
    try:
        manifest = json.loads((path / "manifest.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    is_whole = isinstance(manifest, dict) and manifest.keys() >= {"version", "seeds", "iteration", "files"}
    return manifest if is_whole else None


def _seeds_of(path: Path) -> tuple[int, ...] | None:
    manifest = _manifest(path)
    return None if manifest is None else tuple(manifest["seeds"])


def _hash(folder: Path) -> dict[str, dict[str, int | str]]:
    """Size and SHA-256 of every file in a folder but its manifest, by relative path."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / "manifest.json")
    hashes: dict[str, dict[str, int | str]] = {}
    for path in files:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        hashes[path.relative_to(folder).as_posix()] = {"bytes": path.stat().st_size, "sha256": digest}
    return hashes


def _flush_to_disk(folder: Path) -> None:
    for path in (*folder.rglob("*"), folder):
        _flush(path)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

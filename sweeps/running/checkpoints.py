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
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from sweeps.records import ResultRow
from sweeps.running.checkpoint_place import MANIFEST, join, place_of

logger = logging.getLogger(__name__)

FORMAT_VERSION = 1
NUM_KEPT = 2

_ROWS = TypeAdapter(tuple[ResultRow, ...])
_FOLDER = re.compile(r"a(\d+)-i(\d+)")

FileState = tuple[int, int, int, int]
"""Device, inode, bytes and time of the last change of a file's content."""


class DamagedCheckpointError(ValueError):
    """A checkpoint's files are not those that were written."""


@dataclass(frozen=True)
class Cadence:
    """When a checkpoint is due: as soon as one of the two counts is reached; the last iteration always is.

    Attributes:
        env_steps: Env steps of a seed since the last checkpoint, or None: only time counts.
        seconds: Seconds since the last checkpoint.
    """

    env_steps: int | None = None
    seconds: float = 30.0

    def __post_init__(self) -> None:
        """Checks the values.

        Raises:
            ValueError: If one is out of range.
        """
        if self.env_steps is not None and self.env_steps < 1:
            raise ValueError(f"`env_steps >= 1` must hold, but got {self.env_steps}.")
        if not self.seconds >= 0.0:
            raise ValueError(f"`seconds >= 0` must hold, but got {self.seconds}.")

    def is_due(self, env_steps: int, seconds: float) -> bool:
        """Whether a checkpoint is due so many env steps and seconds after the last one.

        Examples:
            >>> Cadence(env_steps=3000).is_due(3000, 1.0), Cadence().is_due(3000, 1.0)
            (True, False)
        """
        return seconds >= self.seconds or (self.env_steps is not None and env_steps >= self.env_steps)


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint, verified when it was opened.

    Attributes:
        location: Its path or URL.
        path: The folder of its files on this machine.
        iteration: Iterations behind it.
        rows: The result rows of that iteration.
    """

    location: str
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
        where: The trial's folder or URL.
        seeds: Seeds that train together; checkpoints of other seeds are left alone.
    """

    def __init__(self, where: str | Path, seeds: Sequence[int]) -> None:
        self.seeds = tuple(seeds)
        self._place = place_of(where)
        self._known: dict[FileState, str] = {}

    def save(self, attempt: int, rows: Sequence[ResultRow], write: Callable[[Path], object]) -> str:
        """Writes a checkpoint, and then removes all but the newest `NUM_KEPT`.

        Args:
            attempt: The execution's attempt.
            rows: The result rows of the iteration after which it is taken, one a seed.
            write: Writes the algorithm into the folder that it is given.

        Returns:
            The checkpoint's path or URL.
        """
        iteration = rows[0].iteration
        name = f"a{attempt}-i{iteration:06d}"
        if self._place.manifest(name) is None:  # else it was taken before: nothing was trained since
            with self._place.write(name) as folder:
                (folder / "algorithm").mkdir()
                write(folder / "algorithm")
                (folder / "rows.json").write_text(json.dumps([asdict(row) for row in rows]), encoding="utf-8")
                manifest = {"version": FORMAT_VERSION, "seeds": self.seeds, "iteration": iteration}
                content = json.dumps(manifest | {"files": _hash(folder, self._known)}, indent=1)
                (folder / MANIFEST).write_text(content, encoding="utf-8")
            for old in self._names()[NUM_KEPT:]:
                self._place.remove(old)
        return self._place.where(name)

    def newest(self) -> str | None:
        """The path or URL of the newest checkpoint, unverified, or None."""
        names = self._names()
        return self._place.where(names[0]) if names else None

    def newest_iteration(self) -> int:
        """The iteration of the newest checkpoint, 0 without one."""
        names = self._names()
        match = _FOLDER.fullmatch(names[0]) if names else None
        return 0 if match is None else int(match[2])

    def load(self) -> Checkpoint | None:
        """Opens the newest checkpoint that is whole; `release` frees it.

        Damaged ones are set aside with a warning, and what a killed process left half written is removed.

        Returns:
            The checkpoint, or None where there is none to start from.
        """
        self._place.remove_half_written()
        for name in self._names():
            location = self._place.where(name)
            try:
                return _verified(self._place.fetch(name), location)
            except DamagedCheckpointError as damage:
                self._place.set_aside(name)
                logger.warning("Checkpoint %s is damaged (%s); it was set aside for the one before.", location, damage)
        return None

    def release(self) -> None:
        """Frees what `load` brought to this machine."""
        self._place.release()

    def _names(self) -> list[str]:
        """Names of these seeds' checkpoints, newest first: a later attempt is newer than any earlier one."""
        found = [name for name in self._place.names() if _FOLDER.fullmatch(name)]
        return [name for name in sorted(found, key=age_of, reverse=True) if self._is_ours(name)]

    def _is_ours(self, name: str) -> bool:
        """Whether a checkpoint is of these seeds; one whose manifest cannot be read may be."""
        manifest = _parse(self._place.manifest(name))
        return manifest is None or tuple(manifest["seeds"]) == self.seeds


def age_of(location: str | None) -> tuple[int, int]:
    """Attempt and iteration of a checkpoint; of two the larger is the newer.

    Examples:
        >>> age_of("checkpoints/t0007/a2-i000012"), age_of(None)
        ((2, 12), (0, 0))
    """
    match = _FOLDER.fullmatch((location or "").rpartition("/")[2])
    return (int(match[1]), int(match[2])) if match else (0, 0)


def trial_folder(checkpoints: str, trial: int) -> str:
    """The folder or URL of a trial's checkpoints.

    Examples:
        >>> trial_folder("checkpoints", 7)
        'checkpoints/t0007'
    """
    return join(checkpoints, f"t{trial:04d}")


def _verified(path: Path, location: str) -> Checkpoint:
    manifest = _parse((path / MANIFEST).read_bytes() if (path / MANIFEST).exists() else None)
    if manifest is None:
        raise DamagedCheckpointError("its manifest cannot be read")
    if manifest["version"] != FORMAT_VERSION:
        raise DamagedCheckpointError(f"`version {FORMAT_VERSION}` must hold, but it has {manifest['version']}")
    found = _hash(path)
    if found != manifest["files"]:
        wrong = sorted(name for name in found | manifest["files"] if found.get(name) != manifest["files"].get(name))
        raise DamagedCheckpointError(f"{', '.join(wrong)} not as written")
    rows = _ROWS.validate_json((path / "rows.json").read_bytes())
    return Checkpoint(location=location, path=path, iteration=manifest["iteration"], rows=rows)


def _parse(content: bytes | None) -> dict[str, Any] | None:
    try:
        manifest = json.loads(content or b"")
    except ValueError:
        return None
    is_whole = isinstance(manifest, dict) and manifest.keys() >= {"version", "seeds", "iteration", "files"}
    return manifest if is_whole else None


def _hash(folder: Path, known: dict[FileState, str] | None = None) -> dict[str, dict[str, int | str]]:
    """Size and SHA-256 of every file in a folder but its manifest, by relative path.

    Args:
        folder: The folder.
        known: Digests of the last call's files, replaced by those of this one: a block of a replay buffer that is
            linked into one checkpoint after another is read once. None reads every file.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / MANIFEST)
    states = {path: _state(path) for path in files}
    digests = {state: (known or {}).get(state) or _digest(path) for path, state in states.items()}
    if known is not None:
        known.clear()
        known.update(digests)
    return {
        path.relative_to(folder).as_posix(): {"bytes": state[2], "sha256": digests[state]}
        for path, state in states.items()
    }


def _state(path: Path) -> FileState:
    stat = path.stat()
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

"""Folders of one process under /tmp, and the removal of those that killed processes left."""

import contextlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

_PREFIX = "lagsweep-"
_OWNER = "owner.json"
_NUM_REMOVALS = 6


@contextmanager
def scratch_folder(parent: Path = Path("/tmp")) -> Generator[Path]:
    """A folder for as long as it is needed; first removes those whose processes are gone.

    Args:
        parent: Where. Ray's sockets lie in such a folder, and a socket's path may have 107 characters: short, whatever
            TMPDIR says.

    Yields:
        The folder, which only this user may enter.
    """
    _remove_stale(parent)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
    (folder / _OWNER).write_text(json.dumps(_this_process()), encoding="utf-8")
    try:
        yield folder
    finally:
        _remove(folder)


def _this_process() -> dict[str, Any]:
    return {"pid": os.getpid(), "started_at": psutil.Process().create_time(), "namespace": _namespace()}


def _namespace() -> str:
    """What process ids are counted in: containers may share /tmp and not see each other's processes."""
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""


def _remove_stale(parent: Path) -> None:
    for folder in parent.glob(f"{_PREFIX}*"):
        if _is_stale(folder):
            with contextlib.suppress(OSError):  # another process removes it, too
                _remove_once(folder)


def _is_stale(folder: Path) -> bool:
    """Whether a folder is this user's and its process is known to be gone."""
    try:
        if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
            return False
        owner = json.loads((folder / _OWNER).read_text(encoding="utf-8"))
        if owner["namespace"] != _namespace():
            return False
        return abs(psutil.Process(owner["pid"]).create_time() - owner["started_at"]) > 1.0
    except psutil.NoSuchProcess:
        return True
    except (OSError, ValueError, KeyError, TypeError):  # being made or removed, or none of ours
        return False


def _remove(folder: Path) -> None:
    """Removes a folder into which ending processes of Ray may still write their last log lines."""
    for _ in range(_NUM_REMOVALS):
        with contextlib.suppress(OSError):
            _remove_once(folder)
        if not folder.exists():
            return
        time.sleep(0.5)


def _remove_once(folder: Path) -> None:
    """Removes what can be removed, and who owns it last: what is left then is still known to be stale one day."""
    for child in folder.iterdir():
        if child.is_dir() and not child.is_symlink():
            shutil.rmtree(child, ignore_errors=True)
        elif child.name != _OWNER:
            child.unlink(missing_ok=True)
    if [child.name for child in folder.iterdir()] in ([], [_OWNER]):
        shutil.rmtree(folder, ignore_errors=True)

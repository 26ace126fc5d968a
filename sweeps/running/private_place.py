"""Who may write where checkpoints lie: they are unpickled, and so run what whoever wrote them wants."""

import os
import stat
from pathlib import Path

from sweeps.errors import SweepError


def check_private(folder: Path) -> None:
    """Refuses a folder into which every user of this machine could put a checkpoint.

    Groups and other owners are the business of who shares a folder on purpose; `lagsweep doctor` warns of them.

    Args:
        folder: A folder of checkpoints; parts of its path that do not exist yet are fine.

    Raises:
        SweepError: If everybody may write it, or replace it or a folder above it.
    """
    path = folder.absolute()
    exposed = path if path.exists() and _is_open(path) else None
    for above, below in zip(path.parents, (path, *path.parents), strict=False):
        if exposed is None and below.exists() and _is_open(above) and not _is_safe_in(above, below):
            exposed = above
    if exposed is not None:
        raise SweepError(
            "`nobody else writes checkpoints` must hold, since loading one runs code, "
            f"but everybody may write {exposed}.",
            code="unsafe-place",
            help=f"chmod o-w {exposed}, once you know that what lies there is yours",
        )


def _is_open(folder: Path) -> bool:
    return bool(folder.stat().st_mode & stat.S_IWOTH)


def _is_safe_in(above: Path, below: Path) -> bool:
    """Whether the sticky bit, as /tmp has it, keeps others from replacing what is ours, or the machine's."""
    return bool(above.stat().st_mode & stat.S_ISVTX) and below.stat().st_uid in (0, os.geteuid())

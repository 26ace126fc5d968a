"""Where results come from: commit, versions, user; as tags."""

import contextlib
import getpass
import importlib.metadata
import platform
import subprocess
from functools import cache
from pathlib import Path

import sweeps
from sweeps.tracking.run_content import TAG

_PACKAGES = ("torch", "ray", "mujoco", "safety-gymnasium", "gymnasium", "optuna", "lagsweep")


@cache
def provenance_tags() -> dict[str, str]:
    """Collects what a run needs to be repeated.

    Returns:
        Tag → value: versions of Python and of the packages that decide a result, MLflow's user and source, and, where
        Lagsweep runs from a git checkout, its commit and whether tracked files differ from it.
    """
    tags = {f"{TAG}version.python": platform.python_version(), "mlflow.source.name": "lagsweep"}
    for package in _PACKAGES:
        try:
            tags[f"{TAG}version.{package}"] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    with contextlib.suppress(KeyError, OSError):  # a container whose user has no name
        tags["mlflow.user"] = getpass.getuser()
    return tags | _commit()


def _commit() -> dict[str, str]:
    folder = Path(sweeps.__file__ or "").parent
    # A package installed into some other project's checkout is not tracked there.
    if _git(folder, "ls-files", "--error-unmatch", "__init__.py") is None:
        return {}
    commit = _git(folder, "rev-parse", "HEAD")
    changes = _git(folder, "status", "--porcelain", "--untracked-files=no")
    if commit is None or changes is None:
        return {}
    return {f"{TAG}git_commit": commit, f"{TAG}git_dirty": str(bool(changes)).lower()}


def _git(folder: Path, *arguments: str) -> str | None:
    """Output of a git command, or None where git is absent, slow or refuses."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()

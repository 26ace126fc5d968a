"""Where results come from: commit, changes, versions, lock file, machine, user."""

import contextlib
import getpass
import hashlib
import importlib.metadata
import os
import platform
import shutil
import subprocess
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import psutil

import sweeps
from sweeps.tracking.run_content import TAG

_PACKAGES = ("torch", "ray", "mujoco", "safety-gymnasium", "gymnasium", "optuna", "lagsweep")
_MAX_DIFF = 2**20  # characters


@cache
def provenance_tags() -> dict[str, str]:
    """Collects what a run needs to be repeated.

    Returns:
        Tag → value: versions of Python and of the packages that decide a result, the driver's machine, MLflow's user
        and source, and, where Lagsweep runs from a git checkout, its commit, whether tracked files differ from it, and
        the SHA-256 of `uv.lock`.
    """
    tags = {f"{TAG}version.python": platform.python_version(), "mlflow.source.name": "lagsweep"}
    for package in _PACKAGES:
        try:
            tags[f"{TAG}version.{package}"] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    with contextlib.suppress(KeyError, OSError):  # a container whose user has no name
        tags["mlflow.user"] = getpass.getuser()
    return tags | _hardware() | _commit() | _lock()


def write_provenance(folder: Path, started: float) -> Path:
    """Writes what is too long for tags: every installed package, and the changes of tracked files against the commit.

    Args:
        folder: The study's folder.
        started: When its driver started, seconds since the epoch.

    Returns:
        The folder `provenance/<UTC time>` with `packages.txt` and, in a checkout with changes, `changes.diff` (its
        first million characters).
    """
    target = folder / "provenance" / datetime.fromtimestamp(started, UTC).strftime("%Y%m%dT%H%M%SZ")
    target.mkdir(parents=True, exist_ok=True)
    # Names and versions only: where a package was installed from may hold a password.
    packages = {f"{package.name}=={package.version}" for package in importlib.metadata.distributions()}
    (target / "packages.txt").write_text("\n".join(sorted(packages, key=str.lower)) + "\n", encoding="utf-8")
    changes = _git("diff", "HEAD") if _checkout() is not None else None
    if changes:
        (target / "changes.diff").write_text(changes[:_MAX_DIFF] + "\n", encoding="utf-8")
    return target


def _hardware() -> dict[str, str]:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    facts = {
        "cpu": model or platform.processor() or platform.machine(),
        "cores": str(os.cpu_count()),
        "memory_gib": f"{psutil.virtual_memory().total / 2**30:.1f}",
        "os": platform.platform(),
    }
    program = shutil.which("nvidia-smi")
    gpus = None if program is None else _output(program, "--query-gpu=name", "--format=csv,noheader")
    if gpus:
        facts["gpus"] = ", ".join(gpus.splitlines())
    return {f"{TAG}hardware.{name}": value for name, value in facts.items()}


def _commit() -> dict[str, str]:
    if _checkout() is None:
        return {}
    commit = _git("rev-parse", "HEAD")
    changes = _git("status", "--porcelain", "--untracked-files=no")
    if commit is None or changes is None:
        return {}
    return {f"{TAG}git_commit": commit, f"{TAG}git_dirty": str(bool(changes)).lower()}


def _lock() -> dict[str, str]:
    checkout = _checkout()
    lock = None if checkout is None else checkout / "uv.lock"
    if lock is None or not lock.exists():
        return {}
    return {f"{TAG}lock_sha256": hashlib.sha256(lock.read_bytes()).hexdigest()}


def _checkout() -> Path | None:
    """The git checkout that Lagsweep runs from; a package installed into another project's is not tracked there."""
    if _git("ls-files", "--error-unmatch", "__init__.py") is None:
        return None
    top = _git("rev-parse", "--show-toplevel")
    return None if top is None else Path(top)


def _git(*arguments: str) -> str | None:
    """Output of a git command in the package's folder, or None where git is absent, slow or refuses."""
    return _output("git", "-C", str(Path(sweeps.__file__ or "").parent), *arguments)


def _output(*command: str) -> str | None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()

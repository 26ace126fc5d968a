"""Compiles entry points and keeps their machine code on disk, apart for every version of this package's sources.

Numba's own cache notices a change of the file that defines a function, but not of the functions that it calls from
other files: it would go on running the old ones.
"""

import hashlib
import importlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numba import njit

_PACKAGE = Path(__file__).parent
_settings: Any = importlib.import_module("numba.core.config")

MAX_THREADS: int = _settings.NUMBA_NUM_THREADS


def source_digest() -> str:
    """A short name for this package's sources as they are.

    Returns:
        16 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for file in sorted(_PACKAGE.glob("*.py")):
        digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()[:16]


def cache_folder(environment: dict[str, str]) -> Path:
    """Where machine code is kept: `NUMBA_CACHE_DIR`, else beside the sources, else in the user's cache folder.

    Args:
        environment: Environment variables.

    Returns:
        The folder for the sources as they are; it need not exist yet.
    """
    if environment.get("NUMBA_CACHE_DIR"):
        root = Path(environment["NUMBA_CACHE_DIR"])
    elif os.access(_PACKAGE, os.W_OK):
        root = _PACKAGE / "__pycache__"
    else:
        root = Path(environment.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return root / "lagsweep-navigation" / source_digest()


_FOLDER = cache_folder(dict(os.environ))


def compiled(function: Callable[..., Any]) -> Any:
    """Compiles a function at its first call, or loads it, to run without Python's lock.

    Args:
        function: What to compile.

    Returns:
        The compiled function.
    """
    return _compile(function, parallel=False)


def compiled_for_threads(function: Callable[..., Any]) -> Any:
    """As `compiled`, and shares the function's `prange` loops among threads.

    Args:
        function: What to compile; another one than was given to `compiled`, as both are kept under its name.

    Returns:
        The compiled function.
    """
    return _compile(function, parallel=True)


def _compile(function: Callable[..., Any], *, parallel: bool) -> Any:
    outer = _settings.CACHE_DIR
    _settings.CACHE_DIR = str(_FOLDER)
    try:
        return njit(cache=True, nogil=True, parallel=parallel)(function)
    finally:
        _settings.CACHE_DIR = outer

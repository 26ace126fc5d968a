"""What must be the same on a cluster as here: pickles and metadata go from one to the other."""

import importlib.metadata
import platform
from collections.abc import Mapping

import ray

from sweeps.errors import SweepError


def own_versions() -> dict[str, str]:
    """Versions of `ray`, `python` (major and minor) and `lagsweep` in this process."""
    python = ".".join(platform.python_version_tuple()[:2])
    return {"ray": ray.__version__, "python": python, "lagsweep": importlib.metadata.version("lagsweep")}


def list_differences(there: Mapping[str, str]) -> list[str]:
    """Names what differs from the versions here.

    Args:
        there: Name → version, some of `own_versions`.

    Returns:
        A phrase for each version that differs.
    """
    here = own_versions()
    return [f"{name} {here[name]} here and {version} there" for name, version in there.items() if version != here[name]]


def check_versions(there: Mapping[str, str], address: str) -> None:
    """Compares versions of a cluster with those here.

    Args:
        there: Name → version, some of `own_versions`.
        address: What the cluster is called.

    Raises:
        SweepError: If one differs; names all that do.
    """
    if different := list_differences(there):
        raise SweepError(
            f"`client and cluster have the same versions` must hold, but {address} has other ones: "
            f"{', '.join(different)}.",
            code="version-mismatch",
            help="install here what the cluster's image has, or rebuild the image",
        )

"""Versions of what is installed, against the oldest ones without a known hole."""

import importlib.metadata
import platform

from packaging.version import Version

from sweeps.cluster.doctor.finding import Finding, failure, ok

FLOORS = {
    "ray": ("2.54.0", "a web page can delete jobs (CVE-2026-27482), older ones have no tokens (GHSA-gx77-xgc2-4888)"),
    "mlflow": ("3.11.0", "its login can be got around (CVE-2026-2652) and its folders run code (CVE-2026-4137)"),
    "torch": ("2.10.0", "loading weights can run code (CVE-2026-24747)"),
}
"""Package → oldest version that is accepted, and what is wrong with the ones before."""


def check_versions() -> list[Finding]:
    """Compares the installed packages with `FLOORS`."""
    found = [
        failure(
            "versions", f"{name} {version} is older than {floor}: {why}.", "install from uv.lock: `uv sync --frozen`"
        )
        for name, (floor, why) in FLOORS.items()
        if Version(version := importlib.metadata.version(name)) < Version(floor)
    ]
    known = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("lagsweep", *FLOORS))
    return found or [ok("versions", f"{known}, Python {platform.python_version()}")]

"""Where a number comes from: the commit, the command and the machine."""

import json
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], capture_output=True, text=True, check=True).stdout.strip()


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())


def provenance() -> dict[str, Any]:
    """Commit (with `-dirty` for uncommitted changes), command, date, machine and versions."""
    dirty = "-dirty" if _git("status", "--porcelain", "--untracked-files=no") else ""
    module = sys.modules["__main__"].__spec__
    program = f"python -m {module.name}" if module else Path(sys.argv[0]).name
    return {
        "command": " ".join([program, *sys.argv[1:]]),
        "commit": _git("rev-parse", "--short", "HEAD") + dirty,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {
            "processor": _processor(),
            "cores": os.cpu_count(),
            "load_average_1_min": round(os.getloadavg()[0], 2),
        },
        "versions": {"python": platform.python_version()}
        | {name: version(name) for name in ("torch", "ray", "mujoco", "numpy")},
    }


def write_result(name: str, measured: Any) -> Path:
    """Writes results/NAME.json.

    Args:
        name: Of the benchmark.
        measured: Its numbers.

    Returns:
        The file.
    """
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps({**provenance(), "measured": measured}, indent=1) + "\n")
    return path

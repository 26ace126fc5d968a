"""Where the deployment files lie, and the programs that check them."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
CLUSTER = ROOT / "cluster"
DOCKER = ROOT / "docker"
PROGRAMS = Path(sys.executable).parent


def run(*command: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs a program of the environment in the root of the repository, with these variables and no others but PATH."""
    program, *arguments = command
    variables = {"PATH": "/usr/bin:/bin", **environment}
    return subprocess.run(
        [PROGRAMS / program, *arguments], cwd=ROOT, env=variables, capture_output=True, text=True, check=False
    )

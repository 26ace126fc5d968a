import os
import subprocess
import sys
from pathlib import Path

import pytest
import ray

# Another process, since this one is connected; Ray compares the versions that it finds at the cluster with its own.
CONNECT = """
import sys
import ray
from sweeps.errors import SweepError
from sweeps.running.ray_session import connected

ray.__version__ = "2.0.0"
try:
    with connected(sys.argv[1]):
        pass
except SweepError as error:
    print(error.code, error.message)
"""


@pytest.mark.usefixtures("local_ray")
def test_a_cluster_of_another_version_is_refused_with_both_versions() -> None:
    address = ray.get_runtime_context().gcs_address
    version = ray.__version__
    said = subprocess.run([sys.executable, "-c", CONNECT, address], capture_output=True, text=True, check=False)
    assert said.stdout.startswith("version-mismatch "), said.stderr
    assert "2.0.0" in said.stdout
    assert version in said.stdout


@pytest.mark.usefixtures("local_ray")
def test_nobody_else_reaches_the_folder_of_a_ray_of_our_own() -> None:
    """Ray opens its folder to every user of the machine; one above it must be closed."""
    node = ray._private.worker._global_node
    assert node is not None
    folder = Path(node.get_session_dir_path())
    assert any(
        parent.stat().st_mode & 0o777 == 0o700 and parent.stat().st_uid == os.geteuid() for parent in folder.parents
    )

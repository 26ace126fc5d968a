import subprocess
import sys

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

"""Where results come from."""

import getpass
import platform
import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest

import sweeps
from sweeps.tracking.provenance import provenance_tags


def test_names_the_versions_that_decide_a_result():
    tags = provenance_tags()
    assert tags["lagsweep.version.python"] == platform.python_version()
    for package in ("torch", "ray", "mujoco", "safety-gymnasium", "lagsweep"):
        assert tags[f"lagsweep.version.{package}"] == version(package)
    assert tags["mlflow.user"] == getpass.getuser()


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_names_the_commit_of_the_checkout_it_runs_from():
    folder = Path(sweeps.__file__).parent
    head = subprocess.run(["git", "-C", folder, "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    tags = provenance_tags()
    assert tags.get("lagsweep.git_commit", "") == head.stdout.strip()
    assert ("lagsweep.git_dirty" in tags) == (head.returncode == 0)


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_a_package_installed_in_another_checkout_does_not_claim_its_commit(tmp_path, monkeypatch):
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    (tmp_path / "__init__.py").touch()
    monkeypatch.setattr(sweeps, "__file__", str(tmp_path / "__init__.py"))
    assert not [name for name in provenance_tags.__wrapped__() if "git" in name]

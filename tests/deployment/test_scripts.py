"""Start scripts for machines without a container engine."""

import os
import subprocess

import pytest

from tests.deployment.places import CLUSTER, DOCKER, ROOT, run

SCRIPTS = sorted([*CLUSTER.glob("*.sh"), *DOCKER.glob("*.sh")])


def test_shellcheck_finds_nothing():
    checked = run("shellcheck", "--external-sources", "--enable=all", "--exclude=SC2312,SC2250,SC2310,SC2311", *SCRIPTS)
    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_says_what_it_is_for_and_stops_at_the_first_error(script):
    text = script.read_text()
    assert text.splitlines()[1].startswith("# ")
    if text.startswith("#!"):
        assert "set -euo pipefail" in text or "set -eu" in text
        assert script.stat().st_mode & 0o111


def start(script: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    variables = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", **environment}
    return subprocess.run(
        [CLUSTER / script, *arguments], env=variables, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "must name a file with the token"), ("", "has 0"), ("short", "has 5"), ("gone", "cannot be read")],
)
@pytest.mark.parametrize("script", ["head.sh", "worker.sh"])
def test_nothing_starts_without_a_token(script, content, said, tmp_path):
    file = tmp_path / "token"
    if content not in {None, "gone"}:
        file.write_text(f"{content}\n")
    environment = {} if content is None else {"RAY_AUTH_TOKEN_PATH": str(file)}
    started = start(script, "127.0.0.1:1", **environment)
    assert started.returncode != 0
    assert said in started.stderr
    assert "ray" not in started.stdout.lower()


def test_slurm_script_wants_an_allocation_and_a_working_tree(tmp_path):
    said = start("slurm.sh", "study.yaml")
    assert said.returncode != 0
    assert "must be submitted with sbatch" in said.stderr
    job = {"SLURM_JOB_ID": "7", "SLURM_JOB_NODELIST": "n1", "SLURM_SUBMIT_DIR": str(tmp_path)}
    said = start("slurm.sh", **job)
    assert "must be a study file" in said.stderr
    said = start("slurm.sh", "study.yaml", **job)
    assert said.returncode == 2
    assert "must be the working tree" in said.stderr


PROGRAMS = {
    "scontrol": "printf 'n1\\nn2\\n'",
    # The head's step lives, the worker's ends at once.
    "srun": 'case "$*" in *hostname*) echo 10.0.0.1 ;; *head.sh*) exec sleep 30 ;; *) exit 1 ;; esac',
}


def test_slurm_script_ends_where_the_step_of_one_node_has_ended(tmp_path):
    tree, programs = tmp_path / "tree", tmp_path / "programs"
    own = {tree / ".venv" / "bin" / "lagsweep": "exit 1", tree / ".venv" / "bin" / "ray": "exit 1"}
    for path, script in own.items() | {(programs / name, script) for name, script in PROGRAMS.items()}:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/usr/bin/env bash\n{script}\n")
        path.chmod(0o755)
    job = {
        "SLURM_JOB_ID": "7",
        "SLURM_JOB_NODELIST": "n[1-2]",
        "SLURM_SUBMIT_DIR": str(tree),
        "SLURM_CPUS_ON_NODE": "1",
    }
    said = start("slurm.sh", "study.yaml", PATH=f"{programs}:/usr/bin:/bin", HOME=str(tmp_path), **job)
    assert said.returncode == 5
    assert list((tmp_path / ".lagsweep").iterdir()) == []  # nor is a token left


def test_a_node_keeps_ray_where_nobody_else_may_enter(tmp_path):
    token = tmp_path / "token"
    token.write_text("a" * 32)
    read = (
        f'source {CLUSTER / "node.sh"} && stat -c %a "$(dirname "$LAGSWEEP_RAY_FOLDER")" && echo "$LAGSWEEP_RAY_FOLDER"'
    )
    variables = {"PATH": "/usr/bin:/bin", "RAY_AUTH_TOKEN_PATH": str(token), "SLURM_JOB_ID": "7"}
    command = ["bash", "-euo", "pipefail", "-c", read]
    said = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    assert said.stdout.splitlines() == ["700", f"/tmp/ray-of-{os.getuid()}/7"], said.stderr
    for script in ("head.sh", "worker.sh"):
        assert '--temp-dir "$LAGSWEEP_RAY_FOLDER"' in (CLUSTER / script).read_text()

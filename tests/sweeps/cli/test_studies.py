"""Commands about studies that exist: what they show, and which exit code says how a study ended."""

import csv
import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from sweeps.ledger import driving
from sweeps.policy import PolicyDescription, save_policy
from tests.sweeps.cli.finished import TEXT, finished, lagsweep


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "profile.yaml"
    path.write_text(TEXT)
    return path


def test_the_storage_may_come_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    finished(tmp_path, [(20.0, 10.0)])
    monkeypatch.setenv("LAGSWEEP_STORAGE", str(tmp_path))
    assert lagsweep("best", "profile").exit_code == 0


@pytest.mark.parametrize(
    ("command", "results", "exit_code"),
    [
        ("run", [(30.0, 20.0), (20.0, 10.0), (10.0, 5.0)], 0),
        ("resume", [(30.0, 20.0), (20.0, 19.0), None], 6),  # a failure may be why none is feasible
        ("resume", [(30.0, 20.0), (20.0, 19.0), (10.0, 18.0)], 7),
    ],
)
def test_running_a_finished_study_tells_again_how_it_ended(
    command: str, results: list[tuple[float, float] | None], exit_code: int, tmp_path: Path, file: Path
):
    finished(tmp_path, results)
    target = file if command == "run" else "profile"
    result = lagsweep(command, target, "--storage", tmp_path, "--no-report")
    assert result.exit_code == exit_code
    assert result.stdout.splitlines()[-1].startswith("metrics: lagsweep ui")
    assert ("1 trial failed" in result.stderr) == (exit_code == 6)


def test_a_run_under_another_name_is_another_study(tmp_path: Path, file: Path):
    finished(tmp_path, [(20.0, 10.0)] * 3, TEXT.replace("profile", "again"))
    result = lagsweep("run", file, "--name", "again", "--storage", tmp_path, "--no-report")
    assert result.exit_code == 0
    assert [path.name for path in (tmp_path / "studies").iterdir()] == ["again"]


def test_a_changed_file_under_the_same_name_is_refused_with_the_difference(tmp_path: Path, file: Path):
    finished(tmp_path, [(20.0, 10.0)] * 3)
    file.write_text(TEXT.replace("cost_limit: 12", "cost_limit: 13"))
    result = lagsweep("run", file, "--storage", tmp_path)
    assert result.exit_code == 2
    assert "error[study-changed]" in result.stderr
    assert "cost_limit" in result.stderr


def test_a_study_that_another_process_drives_is_not_run(tmp_path: Path, file: Path):
    study = finished(tmp_path, [])
    with driving(study._ledger, study._row):
        result = lagsweep("run", file, "--storage", tmp_path)
    assert result.exit_code == 2
    assert "error[study-busy]" in result.stderr


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_report_is_written_and_named(tmp_path: Path):
    study = finished(tmp_path, [(30.0, 20.0), (20.0, 10.0), None])
    result = lagsweep("report", "profile", "--storage", tmp_path)
    assert result.exit_code == 0, result.output
    assert "best feasible trial: trial 1" in result.stdout
    assert "trial 2 (fixed, multiplier=2) failed: NonFiniteError: seed 1: [loss] is nan" in result.stdout
    assert f"report: {study.folder / 'report'}" in result.stdout
    assert (study.folder / "report" / "lambda-profile.png").stat().st_size > 1_000
    data = json.loads(lagsweep("report", "profile", "--storage", tmp_path, "--output", "json").stdout)
    assert all(Path(name).exists() for name in data["files"])


def start(*arguments: str | Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "sweeps.cli", *map(str, arguments)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_study_is_run_interrupted_and_resumed_from_the_command_line(tmp_path: Path, file: Path):
    """Real training on a real Ray: Ctrl-C after the first trial ends with 130, `resume` finishes with 0 or 7."""
    file.write_text(TEXT.replace("3_000", "20_000"))
    child = start("run", file, "--storage", tmp_path, "--max-concurrent", "1")
    assert child.stderr is not None
    seen: list[str] = []
    for line in child.stderr:
        seen.append(line)
        if line.startswith("trial 0 complete"):
            break
    child.send_signal(signal.SIGINT)
    _, stderr = child.communicate(timeout=300)
    assert child.returncode == 130, [*seen, stderr]
    assert "Traceback" not in stderr
    status = json.loads(lagsweep("status", "profile", "--storage", tmp_path, "--output", "json").stdout)
    assert status["trials"]["complete"] >= 1
    assert not status["finished"]

    stdout, stderr = start("resume", "profile", "--storage", tmp_path).communicate(timeout=300)
    status = json.loads(lagsweep("status", "profile", "--storage", tmp_path, "--output", "json").stdout)
    assert (status["finished"], status["trials"]["complete"]) == (True, 3), stderr
    assert status["env_steps"] == 3 * 2 * 20_000
    assert "report: " in stdout
    assert (tmp_path / "studies" / "profile" / "report" / "lambda-profile.svg").exists()


@pytest.mark.slow
def test_ui_serves_the_studies_until_ctrl_c(tmp_path: Path):
    finished(tmp_path, [(20.0, 10.0)])
    child = start("ui", "--storage", tmp_path, "--port", "5611")
    assert child.stdout is not None
    line = child.stdout.readline()
    url = line.split(" at ")[1].split()[0]
    with urllib.request.urlopen(f"{url}/health", timeout=10) as response:
        assert response.status == 200
    child.send_signal(signal.SIGINT)
    _, stderr = child.communicate(timeout=60)
    assert child.returncode == 0, stderr
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(f"{url}/health", timeout=2)


def test_ui_of_a_folder_that_is_not_there_ends_with_3(tmp_path: Path):
    assert lagsweep("ui", "--storage", tmp_path / "none").exit_code == 3


def test_studies_are_compared_and_the_page_is_named(tmp_path: Path):
    finished(tmp_path, [(20.0, 18.0), (15.0, 10.0), (9.0, 4.0)])
    finished(tmp_path, [(20.0, 18.0), (12.0, 10.0), (9.0, 4.0)], TEXT.replace("name: profile", "name: other"))
    out = tmp_path / "out"
    result = lagsweep("compare", "profile", "other", "--storage", tmp_path, "--out", out)
    assert result.exit_code == 0, result.output
    assert f"page: {out / 'comparison.html'}" in result.stdout
    assert (out / "comparison.html").exists()
    rows = json.loads(lagsweep("compare", "profile", "other", "--storage", tmp_path, "--output", "json").stdout)
    assert [(row["label"], row["return"]) for row in rows] == [("profile", 15.0), ("other", 12.0)]
    finished(tmp_path, [], TEXT.replace("name: profile", "name: else").replace("analytic/ring", "analytic/bandit"))
    refused = lagsweep("compare", "profile", "else", "--storage", tmp_path)
    assert refused.exit_code == 2
    assert "task (analytic/ring, analytic/bandit)" in refused.stderr


def test_the_policy_to_deploy_is_shown_and_exported(tmp_path: Path):
    study = finished(tmp_path, [(20.0, 18.0), (15.0, 10.0), (9.0, 4.0)])
    missing = lagsweep("policy", "profile", "--storage", tmp_path)
    assert missing.exit_code == 3
    assert "no-policy" in missing.stderr or "policy.json" in missing.stderr
    seeds, entries = (0, 1), 8
    told = PolicyDescription(
        study="profile", trial=1, arm="fixed", task="analytic/ring", algorithm="ppo_lagrangian", params={}, seeds=seeds,
        seed=0, cost_limits={"cost": 12.0}, returns=(1.0, 1.0), costs={"cost": (1.0, 1.0)}, activation="tanh",
        squash="clip", observation_clip=None,
    )  # fmt: skip
    tensors = {"layer0.weight": np.zeros((2, entries, 1)), "layer0.bias": np.array([[-1.0], [1.0]])}
    tensors |= {"observation_mean": np.zeros((2, entries)), "observation_std": np.ones((2, entries))}
    tensors |= {"log_std": np.zeros((2, 1)), "action_low": np.array([-1.0]), "action_high": np.array([1.0])}
    save_policy(study.folder / "policies" / "trial-0001-0", told, tensors)
    command = ("policy", "profile", "--storage", tmp_path, "--episodes", "4", "--cost-limit", "1000")
    shown = lagsweep(*command, "--export", tmp_path / "out")
    assert shown.exit_code == 0, shown.output
    assert "greedy" in shown.stdout
    assert "exploring" in shown.stdout
    assert "2 of 2 policies surely keep the limit, in 4 held-out episodes each (trial 1)" in shown.stdout
    assert f"written: {tmp_path / 'out'}" in shown.stdout
    data = json.loads(lagsweep(*command, "--output", "json").stdout)
    assert data["feasible"]
    assert len(data["greedy"]["returns"]) == 4
    assert [(each["trial"], each["seed"]) for each in data["candidates"]] == [(1, 0), (1, 1)]
    assert data["seed"] == 1  # it goes around the ring, through cells that cost; seed 0 stays where nothing does
    strict = lagsweep(*command[:-1], "0", "--output", "json")
    assert json.loads(strict.stdout)["seed"] == 0
    tensors["layer0.bias"][:] = 1.0  # both go around the ring
    save_policy(study.folder / "policies" / "trial-0001-0", told, tensors)
    refused = lagsweep(*command[:-1], "0")
    assert refused.exit_code == 7
    assert "--allow-infeasible" in refused.stderr
    allowed = lagsweep(*command[:-1], "0", "--allow-infeasible", "--output", "json")
    assert not json.loads(allowed.stdout)["feasible"]


def test_all_data_are_exported_with_their_dictionary(tmp_path: Path):
    finished(tmp_path, [(20.0, 18.0), (15.0, 10.0), (9.0, 4.0)])
    result = lagsweep("export", "profile", tmp_path / "out", "--format", "csv", "--storage", tmp_path)
    assert result.exit_code == 0, result.output
    assert f"dictionary.md, origin.json in {tmp_path / 'out'}" in result.stdout
    with (tmp_path / "out" / "trials.csv").open(encoding="utf-8") as file:
        assert [row["return"] for row in csv.DictReader(file)] == ["20.0", "15.0", "9.0"]


def test_a_video_of_another_suffix_is_refused_before_anything_is_written(tmp_path: Path):
    finished(tmp_path, [(20.0, 18.0), (15.0, 10.0), (9.0, 4.0)])
    command = ("policy", "profile", "--storage", tmp_path, "--export", tmp_path / "out")
    refused = lagsweep(*command, "--render", tmp_path / "v.txt")
    assert refused.exit_code == 2
    assert "`--render FILE.mp4` must hold" in refused.stderr
    assert not (tmp_path / "out").exists()


def test_a_policy_is_not_exported_onto_another_file(tmp_path: Path):
    finished(tmp_path, [(20.0, 18.0), (15.0, 10.0), (9.0, 4.0)])
    (tmp_path / "notes.txt").write_text("mine")
    refused = lagsweep("policy", "profile", "--storage", tmp_path, "--export", tmp_path / "notes.txt")
    assert refused.exit_code == 2
    assert "is another file" in refused.stderr


def test_a_folder_is_no_optuna_storage(tmp_path: Path):
    finished(tmp_path, [(20.0, 18.0), (15.0, 10.0), (9.0, 4.0)])
    refused = lagsweep("export", "profile", tmp_path, "--storage", tmp_path)
    assert refused.exit_code == 2
    assert "`--format optuna` writes a storage" in refused.stderr
    assert "--format parquet" in refused.stderr

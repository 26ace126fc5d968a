"""Commands about studies that exist: what they show, and which exit code says how a study ended."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from sweeps.cli import app
from sweeps.ledger import SeedProgress, driving
from sweeps.policy import PolicyDescription, save_policy
from sweeps.records import Interval
from sweeps.spec import StudySpec
from sweeps.study import Study, create_study

TEXT = """\
name: profile
task: analytic/ring
cost_limit: 12
env_steps: 3_000
seeds: 2
hyperparameters: {preset: smoke}
arms:
  fixed: {lagrangian: {update: fixed}, search: {kind: grid, multiplier: [0, 0.5, 2]}}
"""


def lagsweep(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def finished(storage: Path, results: list[tuple[float, float] | None], text: str = TEXT) -> Study:
    """A study of which the ledger holds each trial's (return, cost), or its failure."""
    study = create_study(StudySpec.from_text(text), storage)
    with driving(study._ledger, study._row) as writer:
        for number, result in enumerate(results):
            execution = writer.ask(number, study.spec.seed_list, None)
            writer.start(execution)
            if result is None:
                writer.fail(execution, "NonFiniteError: seed 1: [loss] is nan")
                continue
            mean, cost = (Interval(value, value - 1.0, value + 1.0, 2) for value in result)
            seeds = [SeedProgress(seed, 3_000, 3, {"cost": float(number)}) for seed in execution.seeds]
            writer.complete(execution, seeds, mean_return=mean, mean_cost={"cost": cost}, feasible=result[1] <= 12.0)
    return study


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "profile.yaml"
    path.write_text(TEXT)
    return path


def test_trials_are_a_table_with_intervals_and_causes(tmp_path: Path):
    finished(tmp_path, [(30.0, 20.0), (20.0, 10.0), None])
    lines = [
        " ".join(line.split()) for line in lagsweep("trials", "profile", "--storage", tmp_path).stdout.splitlines()
    ]
    assert lines[2] == "trial arm parameters λ return cost feasible state"
    assert lines[4:7] == [
        "0 fixed multiplier=0 0 30 [29, 31] 20 [19, 21] no COMPLETE",
        "1 fixed multiplier=0.5 1 20 [19, 21] 10 [9, 11] yes COMPLETE",
        "2 fixed multiplier=2 – – – – NonFiniteError: seed 1: [loss] is nan",
    ]


def test_trials_as_csv_are_the_data_frame(tmp_path: Path):
    study = finished(tmp_path, [(30.0, 20.0), (20.0, 10.0), None])
    rows = list(
        csv.DictReader(io.StringIO(lagsweep("trials", "profile", "--storage", tmp_path, "--output", "csv").stdout))
    )
    assert list(rows[0]) == list(study.trials_dataframe().columns)
    assert [(row["multiplier"], row["return"], row["feasible"]) for row in rows] == [
        ("0.0", "30.0", "False"),
        ("0.5", "20.0", "True"),
        ("2.0", "", ""),
    ]


def test_trials_as_json_have_their_seeds(tmp_path: Path):
    finished(tmp_path, [(30.0, 20.0)])
    trials: list[dict[str, Any]] = json.loads(
        lagsweep("trials", "profile", "--storage", tmp_path, "--output", "json").stdout
    )
    assert [trial["state"] for trial in trials] == ["COMPLETE", "WAITING", "WAITING"]
    assert trials[0]["mean_cost"]["cost"] == {"mean": 20.0, "low": 19.0, "high": 21.0, "num_seeds": 2}
    assert [run["seed"] for run in trials[0]["seed_runs"]] == [0, 1]


def test_the_storage_may_come_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    finished(tmp_path, [(20.0, 10.0)])
    monkeypatch.setenv("LAGSWEEP_STORAGE", str(tmp_path))
    assert lagsweep("best", "profile").exit_code == 0


def test_best_is_the_feasible_trial_with_the_highest_return(tmp_path: Path):
    finished(tmp_path, [(30.0, 20.0), (20.0, 10.0), (10.0, 5.0)])
    result = lagsweep("best", "profile", "--storage", tmp_path)
    assert result.exit_code == 0
    expected = "best feasible: trial 1 (fixed, multiplier=0.5): return 20 [19, 21], cost 10 [9, 11]\n"
    assert result.stdout == expected
    data = json.loads(lagsweep("best", "profile", "--storage", tmp_path, "--output", "json").stdout)
    assert (data["number"], data["params"], data["feasible"]) == (1, {"multiplier": 0.5}, True)


def test_without_a_feasible_trial_best_ends_with_7(tmp_path: Path):
    finished(tmp_path, [(30.0, 20.0), (20.0, 13.0), (10.0, 12.5)])
    result = lagsweep("best", "profile", "--storage", tmp_path)
    assert result.exit_code == 7
    assert "error[no-feasible-trial]" in result.stderr
    data = json.loads(lagsweep("best", "profile", "--storage", tmp_path, "--output", "json").stdout)
    assert (data["error"]["code"], data["error"]["exit_code"]) == ("no-feasible-trial", 7)


def test_status_counts_trials_and_env_steps(tmp_path: Path):
    finished(tmp_path, [(20.0, 10.0), None])
    text = lagsweep("status", "profile", "--storage", tmp_path).stdout
    # One of three trials has done its 2 · 3 000 steps; the failed one none.
    assert text.splitlines() == [
        "profile: not finished; trials: 1 waiting, 1 complete, 1 fail",
        "env steps: 6,000 of 18,000 (33%)",
        "best feasible: trial 0, return 20 [19, 21]",
    ]
    data = json.loads(lagsweep("status", "profile", "--storage", tmp_path, "--output", "json").stdout)
    assert (data["finished"], data["env_steps"], data["best"]["number"]) == (False, 6_000, 0)
    assert data["trials"] == {"waiting": 1, "running": 0, "complete": 1, "pruned": 0, "fail": 1}


def test_list_shows_every_study(tmp_path: Path):
    finished(tmp_path, [(20.0, 10.0)])
    finished(tmp_path, [], TEXT.replace("profile", "other"))
    rows = json.loads(lagsweep("list", "--storage", tmp_path, "--output", "json").stdout)
    assert [(row["study"], row["complete"], row["waiting"]) for row in rows] == [("profile", 1, 2), ("other", 0, 3)]
    assert lagsweep("list", "--storage", tmp_path / "none").stdout == "nothing to show\n"


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


def test_all_data_are_exported_with_their_dictionary(tmp_path: Path):
    finished(tmp_path, [(20.0, 18.0), (15.0, 10.0), (9.0, 4.0)])
    result = lagsweep("export", "profile", tmp_path / "out", "--format", "csv", "--storage", tmp_path)
    assert result.exit_code == 0, result.output
    assert f"dictionary.md, origin.json in {tmp_path / 'out'}" in result.stdout
    with (tmp_path / "out" / "trials.csv").open(encoding="utf-8") as file:
        assert [row["return"] for row in csv.DictReader(file)] == ["20.0", "15.0", "9.0"]

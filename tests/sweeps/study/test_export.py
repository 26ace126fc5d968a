"""A study in Optuna's own storage, read by Optuna and by the server of optuna-dashboard."""

import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from sweeps.ledger import SeedProgress
from sweeps.records import Interval
from sweeps.spec import StudySpec
from sweeps.study import Study, create_study
from sweeps.study.export import export_to_optuna

SPEC = StudySpec.model_validate(
    {
        "name": "profile",
        "task": "analytic/ring",
        "cost_limit": 12.0,
        "env_steps": 20_000,
        "seeds": 2,
        "arms": {
            "fixed": {
                "lagrangian": {"update": "fixed"},
                "search": {"kind": "grid", "multiplier": [0.0, 0.5, 1.0], "hidden_sizes": [[64, 64]]},
            },
            "ga": {"lagrangian": {"update": "ga"}},
            "pid": {
                "lagrangian": {"update": "pid"},
                "search": {"kind": "optuna", "trials": 5, "space": {"kp": {"low": 0.01, "high": 1.0}}},
            },
        },
    }
)


@pytest.fixture
def study(tmp_path: Path) -> Study:
    """Trial 0 is infeasible, trial 1 feasible, trial 2 has failed, trial 3 (ga) waits."""
    study = create_study(SPEC, tmp_path)
    with study._driving() as writer:
        for number, cost in enumerate([30.0, 10.0]):
            execution = writer.ask(number, (0, 1), None)
            writer.start(execution)
            returns, costs = (Interval(value, value - 1.0, value + 1.0, 2) for value in (90.0 - number, cost))
            seeds = [SeedProgress(seed, 20_000, 1, {"cost": 0.5}) for seed in (0, 1)]
            writer.complete(
                execution, seeds, mean_return=returns, mean_cost={"cost": costs}, feasible=costs.mean <= 12.0
            )
        failed = writer.ask(2, (0, 1), None)
        writer.start(failed)
        writer.fail(failed, "boom")
    return study


def test_optuna_reads_values_constraints_and_states(study: Study, tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path}/optuna.db"

    for _ in range(2):  # an export replaces the one before
        assert export_to_optuna(study, storage) == ["profile/fixed", "profile/ga", "profile/pid"]

    fixed = optuna.load_study(study_name="profile/fixed", storage=storage)
    assert [trial.state for trial in fixed.trials] == [TrialState.COMPLETE, TrialState.COMPLETE, TrialState.FAIL]
    assert fixed.trials[1].params == {"multiplier": 0.5, "hidden_sizes": "(64, 64)"}
    assert fixed.trials[1].value == 89.0
    assert fixed.trials[1].user_attrs["cost interval"] == [9.0, 11.0]
    assert fixed.best_trial.number == 1  # the first has the higher return, and costs 30 - 12 = 18 too much
    assert fixed.user_attrs["objectives"] == ["return"]
    (waiting,) = optuna.load_study(study_name="profile/ga", storage=storage).trials
    assert (waiting.state, waiting.user_attrs["trial"]) == (TrialState.WAITING, 3)
    assert optuna.load_study(study_name="profile/pid", storage=storage).trials == []


def get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=5.0) as answer:
        return json.load(answer)


def wait_for(url: str, process: subprocess.Popen[bytes]) -> Any:
    deadline = time.monotonic() + 60.0
    while True:
        try:
            return get(url)
        except urllib.error.URLError:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.2)


def test_the_dashboard_shows_the_export(study: Study, tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path}/optuna.db"
    export_to_optuna(study, storage)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = "from optuna_dashboard._cli import main; main()"
    command = [sys.executable, "-c", program, storage, "--host", "127.0.0.1", "--port", str(port)]
    with (tmp_path / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as dashboard:
        try:
            shown = wait_for(f"http://127.0.0.1:{port}/api/studies", dashboard)["study_summaries"]
            ids = {summary["study_name"]: summary["study_id"] for summary in shown}
            assert sorted(ids) == ["profile/fixed", "profile/ga", "profile/pid"]
            detail = get(f"http://127.0.0.1:{port}/api/studies/{ids['profile/fixed']}?after=0")
            assert [trial["state"] for trial in detail["trials"]] == ["Complete", "Complete", "Fail"]
            assert [trial.get("values") for trial in detail["trials"]] == [[90.0], [89.0], None]
        finally:
            dashboard.terminate()

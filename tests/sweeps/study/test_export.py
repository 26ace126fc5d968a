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

from sweeps.analysis.summary import SeedSummary
from sweeps.ledger import NewTrial, SeedProgress, Writer
from sweeps.running.completion import results_of
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


def complete(study: Study, writer: Writer, number: int, mean_return: float, mean_cost: float) -> None:
    """Two seeds, 1 apart in return and in cost."""
    execution = writer.ask(number, (0, 1), None)
    writer.start(execution)
    seeds = [
        SeedProgress(seed, 20_000, 1, {"cost": 0.5}, mean_return + apart, {"cost": mean_cost + apart})
        for seed, apart in ((0, -0.5), (1, 0.5))
    ]
    reached = {seed.seed: SeedSummary(seed.mean_return, seed.mean_cost, 4, 1, 20_000, {"cost": 0.5}) for seed in seeds}
    results = results_of(list(reached.values()), {"cost": 12.0}, study.spec.aggregate, study.spec.cost_bound)
    writer.complete(execution, seeds, **results)


@pytest.fixture
def study(tmp_path: Path) -> Study:
    """Trial 0 is infeasible, trial 1 feasible, trial 2 has failed, trial 3 (ga) waits."""
    study = create_study(SPEC, tmp_path)
    with study._driving() as writer:
        for number, cost in enumerate([30.0, 10.0]):
            complete(study, writer, number, 90.0 - number, cost)
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
    # x̄ ± t(0.975, 1) s / √2 = 10 ± 12.706 · 0.7071 / 1.4142
    assert fixed.trials[1].user_attrs["cost interval"] == pytest.approx([3.647, 16.353], abs=1e-3)
    assert fixed.best_trial.number == 1  # the first has the higher return, and costs 30 - 12 = 18 too much
    assert fixed.user_attrs["objectives"] == ["return"]
    (waiting,) = optuna.load_study(study_name="profile/ga", storage=storage).trials
    assert (waiting.state, waiting.user_attrs["trial"]) == (TrialState.WAITING, 3)
    assert optuna.load_study(study_name="profile/pid", storage=storage).trials == []


def test_feasible_in_optuna_is_what_the_study_calls_feasible(tmp_path: Path) -> None:
    arms = {"fixed": {"lagrangian": {"update": "fixed"}, "search": {"kind": "grid", "multiplier": [0.0, 1.0]}}}
    changes = {"arms": arms, "cost_bound": "upper"}
    study = create_study(StudySpec.model_validate(SPEC.model_dump() | changes), tmp_path)
    with study._driving() as writer:
        complete(study, writer, 0, 90.0, 10.0)  # at most 10 + 12.706 · 0.5 = 16.4, beyond the limit of 12
        complete(study, writer, 1, 80.0, 2.0)  # at most 8.4
    storage = f"sqlite:///{tmp_path}/optuna.db"

    export_to_optuna(study, storage)

    assert study.best_trial.number == 1
    fixed = optuna.load_study(study_name="profile/fixed", storage=storage)
    assert [trial.constraints["cost"] for trial in fixed.trials] == pytest.approx([4.353, -3.647], abs=1e-3)
    assert fixed.best_trial.number == 1


def test_a_trial_that_goes_on_is_not_complete_and_a_retest_says_what_it_repeats(study: Study, tmp_path: Path) -> None:
    study.extend(env_steps=10_000)
    with study._driving() as writer:
        writer.add_trial(NewTrial("again", "fixed", {"multiplier": 0.5, "hidden_sizes": (64, 64)}, retest_of=1), [7])
    storage = f"sqlite:///{tmp_path}/optuna.db"

    export_to_optuna(study, storage)

    fixed = optuna.load_study(study_name="profile/fixed", storage=storage)
    waits = TrialState.WAITING
    assert [trial.state for trial in fixed.trials] == [waits, waits, TrialState.FAIL, waits]
    assert [trial.user_attrs.get("retest_of") for trial in fixed.trials] == [None, None, None, 1]


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

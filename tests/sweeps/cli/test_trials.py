"""What commands show of a study's trials: intervals, causes, what is best and how far it is."""

import csv
import io
import json
from pathlib import Path
from typing import Any

from sqlalchemy import update

from sweeps.ledger import NewTrial, SeedProgress, driving
from sweeps.ledger.database import writing
from sweeps.ledger.tables import executions
from sweeps.records import Interval
from tests.sweeps.cli.finished import TEXT, finished, lagsweep


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
    # One of two trials has done its 2 · 3 000 steps; the failed one did none and will do none.
    assert text.splitlines() == [
        "profile: not finished; trials: 1 waiting, 1 complete, 1 fail",
        "env steps: 6,000 of 12,000 (50%)",
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


SEARCH = """\
aggregate: worst
arms:
  pid:
    lagrangian: {update: pid}
    search:
      kind: optuna
      trials: 2
      objectives: {best_feasible_return: maximize, violation_rate: minimize}
      space: {kp: {low: 0.01, high: 1.0}}
      enqueue: [{kp: 0.1}, {kp: 0.2}]
retest: {top: 1, seeds: 2}
"""


def searched(storage: Path) -> None:
    """Two trials of a search, the first with a seed that was stopped, and a retest of the second."""
    study = finished(storage, [], TEXT[: TEXT.index("arms:")] + SEARCH)
    mean = Interval(5.0, 4.0, 6.0, 2)
    measures = {0: (8.0, 0.25), 1: (6.0, 0.5)}
    with driving(study._ledger, study._row) as writer:
        for number in range(2):
            execution = writer.ask(number, (0, 1), None)
            writer.start(execution)
            seeds = [
                SeedProgress(
                    seed, 3_000, 3, {"cost": 0.5}, 5.0, {"cost": 5.0},
                    {"best_feasible_return": best, "violation_rate": rate},
                )
                for seed, (best, rate) in measures.items()
            ]  # fmt: skip
            if number == 0:
                writer.stop_seeds(execution, seeds, {1: "hopeless"})
                execution = writer.ask(number, (0, 1), None)
                writer.start(execution)
            writer.complete(execution, seeds, mean_return=mean, mean_cost={"cost": mean}, feasible=True)
        again = writer.add_trial(NewTrial("retest", "pid", {"kp": 0.2}, retest_of=1), (1_000_000, 1_000_001))
        assert again.number == 2


def test_trials_of_a_search_show_its_objectives_with_intervals_and_what_their_numbers_are(tmp_path: Path):
    searched(tmp_path)

    lines = [
        " ".join(line.split()) for line in lagsweep("trials", "profile", "--storage", tmp_path).stdout.splitlines()
    ]

    assert lines[2].split(" λ return cost ")[1] == "best feasible return (worst) violation rate (worst) feasible state"
    # Of the seeds' 8 and 6 the worst is 6, of the rates 0.25 and 0.5 it is 0.5; the bootstrap reaches to the better.
    assert lines[4].startswith("0 pid kp=0.1 0.5 5 [4, 6] 5 [4, 6] 6 [6, 8] 0.5 [0.25, 0.5] yes ")
    assert lines[4].endswith(" COMPLETE (1 of 2 seeds stopped)")
    assert lines[5].endswith("yes COMPLETE")
    assert lines[6] == "2 pid kp=0.2 – – – – – – WAITING (retest of 1)"


def test_trials_of_a_search_as_csv_and_json_have_the_same(tmp_path: Path):
    searched(tmp_path)
    command = ("trials", "profile", "--storage", tmp_path, "--output")

    row, _, retest = csv.DictReader(io.StringIO(lagsweep(*command, "csv").stdout))
    assert [row[f"violation_rate (worst){end}"] for end in ("", "_low", "_high")] == ["0.5", "0.25", "0.5"]
    assert (row["seeds"], row["seeds_stopped"], row["retest_of"]) == ("2", "1", "")
    assert retest["retest_of"] == "1"
    trial, _, again = json.loads(lagsweep(*command, "json").stdout)
    assert trial["objectives"]["best_feasible_return (worst)"] == {"mean": 6.0, "low": 6.0, "high": 8.0, "num_seeds": 2}
    assert trial["stopped_seeds"] == [1]
    assert (again["retest_of"], again["objectives"]["violation_rate (worst)"]) == (1, None)


def test_best_names_its_objectives(tmp_path: Path):
    searched(tmp_path)
    shown = lagsweep("best", "profile", "--storage", tmp_path).stdout.splitlines()
    assert shown[0] == (
        "best feasible: trial 0 (pid, kp=0.1): return 5 [4, 6], cost 5 [4, 6], "
        "best_feasible_return (worst) 6 [6, 8], violation_rate (worst) 0.5 [0.25, 0.5]"
    )


def test_status_says_what_kills_have_cost(tmp_path: Path):
    study = finished(tmp_path, [])
    with driving(study._ledger, study._row) as killed:
        killed.start(killed.ask(0, (0, 1), None))
    with driving(study._ledger, study._row) as writer:
        writer.take_over()
        execution = writer.ask(0, (0, 1), None)
        writer.start(execution)
        writer.release(execution, "interrupted")
    with writing(study._ledger.engine).begin() as connection:  # a minute and a half of training until the kill
        first = executions.c.id == 1
        connection.execute(update(executions).where(first).values(started_at=100.0, finished_at=190.0))

    assert "kills: 1 attempt lost 1 min 30 s of training" in lagsweep("status", "profile", "--storage", tmp_path).stdout
    status = json.loads(lagsweep("status", "profile", "--storage", tmp_path, "--output", "json").stdout)
    assert (status["kills"], status["lost_s"]) == (1, 90.0)

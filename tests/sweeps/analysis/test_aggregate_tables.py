"""Interquartile means and bootstrap intervals as reports print them."""

import re
from pathlib import Path
from typing import Any

from sweeps.analysis.aggregate_tables import conditions_table, robust_table, updates_table
from sweeps.analysis.results import read_results
from tests.sweeps.analysis.studies import finished_study

ARMS = {
    "fixed": {"lagrangian": {"update": "fixed"}, "search": {"kind": "grid", "multiplier": [0.0, 1.0]}},
    "ga": {"lagrangian": {"update": "ga"}, "search": {"kind": "grid", "cost_limit": [20.0, 50.0, 80.0, 100.0]}},
    "pid": {"lagrangian": {"update": "pid"}},
}


def outcome(arm: str, params: dict[str, Any]) -> tuple[float, float]:
    """Return and cost of seed 0; seed s adds s to both."""
    if arm == "ga":
        return params["cost_limit"], 1.5 * params["cost_limit"] - 1.5
    return 10.0, 40.0


def cells(text: str) -> list[float]:
    return [float(number) for number in re.findall(r"-?[\d.]+", text)]


def test_a_trial_has_the_mean_of_its_middle_seeds_with_a_bootstrap(tmp_path: Path) -> None:
    table = robust_table(read_results(finished_study(tmp_path, ARMS, outcome, seeds=4)))
    assert table is not None
    assert table.header == ("trial", "configuration", "return", "cost", "seeds")
    assert len(table.rows) == 7
    # Seeds 10, 11, 12, 13: without the lowest and the highest 11.5; draws of four lie within the seeds.
    mean, low, high = cells(table.rows[0][2])
    assert (mean, table.rows[0][-1]) == (11.5, "4")
    assert 10.0 <= low < mean < high <= 13.0
    assert robust_table(read_results(finished_study(tmp_path, ARMS, outcome, seeds=1, name="one"))) is None


def test_an_arm_has_the_mean_of_its_middle_trials_at_their_own_limits(tmp_path: Path) -> None:
    table = conditions_table(read_results(finished_study(tmp_path, ARMS, outcome, seeds=4)))
    assert table is not None
    assert [row[:2] for row in table.rows] == [("fixed", "2"), ("ga", "4")]  # pid has a single trial
    # ga's trials return 21.5, 51.5, 81.5 and 101.5 over seeds: the middle two give 66.5.
    mean, low, high = cells(table.rows[1][2])
    assert mean == 66.5
    assert low < mean < high
    # Its costs are 1.5 d − 1.5 + s, 1.5 d in the mean over seeds 0 … 3: half above each own limit.
    assert cells(table.rows[1][3])[0] == 0.5
    # fixed: costs 40 + s, 41.5 in the mean, at the study's limit of 50: (41.5 − 50) / 50.
    assert cells(table.rows[0][3])[0] == -0.17


def test_an_update_has_the_middle_of_its_conditions_over_tasks_and_limits(tmp_path: Path) -> None:
    arms = {"ga": {"lagrangian": {"update": "ga"}}, "pid": {"lagrangian": {"update": "pid"}}}
    found = [
        finished_study(tmp_path, arms, lambda arm, params, cost=cost: (1.0, cost), name=task, task=task, seeds=4)
        for task, cost in (("Circle1", 23.5), ("Goal1", 48.5), ("Push1", 73.5), ("Button1", 498.5))
    ]
    studies = [read_results(study) for study in found]
    contestants = [(arm, results, trial) for results in studies for trial in results.complete for arm in [trial.arm]]
    table = updates_table(contestants)
    assert table is not None
    # Means over seeds 25, 50, 75 and 500 at the limit 50: −0.5, 0, 0.5 and 9; the middle two give 0.25.
    assert [(row[0], row[1], cells(row[2])[0]) for row in table.rows] == [("ga", "4", 0.25), ("pid", "4", 0.25)]
    assert updates_table(contestants[:2]) is None

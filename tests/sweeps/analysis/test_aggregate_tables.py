"""Interquartile means and bootstrap intervals as reports print them."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from sweeps.analysis.aggregate_tables import conditions_table, robust_table, updates_table
from sweeps.analysis.results import Results, read_results
from sweeps.records import State
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
    assert [row[:2] for row in table.rows] == [("fixed", "2 of 2"), ("ga", "4 of 4")]  # pid has a single trial
    # ga's trials return 21.5, 51.5, 81.5 and 101.5 over seeds: the middle two give 66.5.
    mean, low, high = cells(table.rows[1][2])
    assert mean == 66.5
    assert low < mean < high
    # Its costs are 1.5 d − 1.5 + s, 1.5 d in the mean over seeds 0 … 3: half above each own limit.
    assert cells(table.rows[1][3])[0] == 0.5
    # fixed: costs 40 + s, 41.5 in the mean, at the study's limit of 50: (41.5 − 50) / 50.
    assert cells(table.rows[0][3])[0] == -0.17
    # A grid of λ is no method's choice.
    assert table.faint == {0}
    assert "Faint: the middle of a grid of fixed λ" in table.note
    assert "75 % of cases with two seeds" in table.note
    assert " trials count (" not in table.note


def test_trials_that_do_not_count_are_told_with_their_number_and_reason(tmp_path: Path) -> None:
    # Trials 0 and 1 are fixed, 2 to 5 ga's, 6 pid's.
    ends = {3: State.FAIL, 5: State.PRUNED}
    study = finished_study(tmp_path, ARMS, outcome, seeds=4, state=lambda n: ends.get(n, State.COMPLETE))
    study.trials.append(replace(study.trials[2], number=7, key="2 retest", retest_of=2))
    study.trials[1] = replace(study.trials[1], seed_runs=study.trials[1].seed_runs[:1])
    table = conditions_table(read_results(study))
    assert table is not None
    # ga's trials 2 and 4 are left, at 21.5 and 81.5; counted twice, trial 2 would make it 41.5.
    assert [row[:2] for row in table.rows] == [("ga", "2 of 4")]
    assert cells(table.rows[0][2])[0] == 51.5
    assert "Of ga 2 of 4 trials count (failed: 3; stopped early: 5)." in table.note
    assert "Of fixed 1 of 2 trials count (with fewer than two seeds: 1)." in table.note
    assert "Retests are no further conditions and left out: 7." in table.note
    assert "Faint" not in table.note


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
    assert "Left out" not in table.note
    assert "75 % of cases with two seeds" in table.note
    assert updates_table(contestants[:2]) is None


def test_conditions_that_no_update_s_middle_counts_are_told(tmp_path: Path) -> None:
    fixed = {"fixed": {"lagrangian": {"update": "fixed"}}}
    arms = {**fixed, "ga": {"lagrangian": {"update": "ga"}}, "pid": {"lagrangian": {"update": "pid"}}}

    def study(task: str, arms: dict[str, Any], limit: float = 50.0) -> Results:
        found = finished_study(
            tmp_path, arms, lambda *_: (1.0, 40.0), name=f"{task}-{limit:g}", task=task, cost_limit=limit
        )
        return read_results(found)

    studies = [study("Circle1", arms), study("Goal1", {**fixed, "ga": arms["ga"]}), study("Push1", arms, 0.0)]
    contestants = [(f"{r.spec.task} {t.arm}", r, t) for r in studies for t in r.complete]
    table = updates_table([*contestants, ("again", studies[0], studies[0].complete[1])])
    assert table is not None
    assert [row[:2] for row in table.rows] == [("fixed", "2"), ("ga", "2")]
    assert "Push1 ga at Push1, cost ≤ 0 (no share of a limit of 0)" in table.note
    assert "again at Circle1, cost ≤ 50 (a second ga there)" in table.note
    assert "pid (one condition)" in table.note
    assert table.faint == {0}
    assert "Faint: a fixed λ is picked from its grid in hindsight" in table.note

"""Studies side by side: who takes part, what is tested, what is refused."""

from dataclasses import replace

import pytest

from sweeps.analysis.compare import compare_studies
from sweeps.analysis.results import read_results
from sweeps.errors import SweepError
from tests.sweeps.analysis.studies import finished_study

FIXED = {"fixed": {"lagrangian": {"update": "fixed"}, "search": {"kind": "grid", "multiplier": [0.0, 1.0]}}}


def make(tmp_path, name, arms, value, cost=40.0, **settings):
    def outcome(arm, params):
        return value - 10.0 * params.get("multiplier", 0.0), cost - 20.0 * params.get("multiplier", 0.0)

    return finished_study(tmp_path, arms, outcome, name=name, **settings)


@pytest.fixture
def studies(tmp_path):
    ga, pid = {"ga": {"lagrangian": {"update": "ga"}}}, {"gains": {"lagrangian": {"update": "pid"}}}
    return [make(tmp_path, "grid", FIXED, 30.0), make(tmp_path, "a", ga, 25.0), make(tmp_path, "b", pid, 20.0, 70.0)]


def test_each_study_takes_part_with_its_leader(studies):
    table = compare_studies(studies).table()
    assert table["label"].tolist() == ["grid", "a", "b"]
    assert table["return"].tolist() == [31.0, 26.0, 21.0]
    assert table["feasible"].tolist() == [True, True, False]
    assert table["limit_cost"].tolist() == [50.0] * 3


def test_pairs_are_compared_by_common_seeds(studies):
    found = compare_studies(studies).contrasts()
    assert [(c.first, c.second) for c in found] == [("grid", "a"), ("grid", "b"), ("a", "b")]
    assert (found[0].returns.value.mean, found[0].returns.paired) == (5.0, True)
    # Seeds 0, 1, 2 add 0, 1, 2: of 30, 31, 32 against 25, 26, 27 all are better.
    assert found[0].improvement == 1.0
    assert found[2].costs["cost"].value.mean == -30.0


def test_arms_and_updates_can_take_part(studies):
    assert compare_studies(studies, "arm").table()["label"].tolist() == ["grid: fixed", "a: ga", "b: gains"]
    assert compare_studies(studies, "update").table()["label"].tolist() == ["fixed", "ga", "pid"]
    assert compare_studies(studies[:1], "arm").table()["label"].tolist() == ["fixed"]


def test_an_update_takes_part_once_however_many_studies_have_it(studies, tmp_path):
    better = make(tmp_path, "c", {"again": {"lagrangian": {"update": "ga"}}}, 28.0)
    table = compare_studies([*studies, better], "update").table()
    assert table[table["label"] == "ga"]["study"].tolist() == ["c"]


def test_table_one_has_a_row_a_task_and_two_columns_an_update(studies):
    table = compare_studies(studies).table_one()
    assert table is not None
    assert table.header == ("task", "ga best return", "ga cost violations", "pid best return", "pid cost violations")
    # ga: cost (40 + s)(2 − k/10) over seeds 0 … 2: 41 (2 − k/10) ≤ 50 from k = 8 (49.2) on; then none is above. Its
    # return is best at the end: 26. pid ends at 71: never.
    assert table.rows == (("Circle1 (cost ≤ 50)", "26.00", "0.0 %", "–", "–"),)


def test_table_one_calls_an_update_that_a_task_has_twice_by_its_contestants(studies, tmp_path):
    better = make(tmp_path, "c", {"again": {"lagrangian": {"update": "ga"}}}, 28.0)
    table = compare_studies([studies[1], better]).table_one()
    assert table is not None
    assert table.header[1::2] == ("a best return", "c best return")


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"task": "Goal1"}, "task (Circle1, Goal1)"),
        ({"cost_limit": 25.0}, "cost limits (cost ≤ 50, cost ≤ 25)"),
        ({"env_steps": 80_000}, "env steps (40,000, 80,000)"),
        ({"cost_bound": "upper"}, "rule of feasibility (mean over seeds, bound mean, mean over seeds, bound upper)"),
        ({"aggregate": "worst"}, "rule of feasibility (mean over seeds, bound mean, worst over seeds, bound mean)"),
    ],
)
def test_different_settings_are_refused_by_name_and_shown_untested_with_force(tmp_path, studies, settings, told):
    other = make(tmp_path, "other", {"ga": {"lagrangian": {"update": "ga"}}}, 1.0, **settings)
    with pytest.raises(SweepError) as caught:
        compare_studies([studies[0], other])
    assert told in caught.value.message
    assert "--force" in caught.value.help
    comparison = compare_studies([studies[0], other], force=True)
    assert len(comparison.table()) == 2
    assert comparison.contrasts() == []
    assert told in " ".join(comparison.page().missing)


def test_other_hyperparameters_are_named_and_tested(tmp_path, studies):
    settings = {"hyperparameters": {"preset": "desk", "gamma": 0.5}}
    other = make(tmp_path, "other", {"ga": {"lagrangian": {"update": "ga"}}}, 1.0, **settings)
    comparison = compare_studies([studies[0], other])
    assert comparison.notes == ("The studies differ in gamma (0.99, 0.5).",)
    assert [(c.first, c.second) for c in comparison.contrasts()] == [("grid", "other")]
    assert "gamma (0.99, 0.5)" in comparison.page().to_markdown()


LIMITS = {"ga": {"lagrangian": {"update": "ga"}, "search": {"kind": "grid", "cost_limit": [90.0, 50.0]}}}


def test_an_arm_that_searches_the_limit_takes_part_at_the_studys_own(tmp_path, studies):
    # At limit 90 the return is 49, at the study's own 45.
    searched = finished_study(tmp_path, LIMITS, lambda _, p: (40 + p["cost_limit"] / 10, 40.0), name="searched")
    comparison = compare_studies([studies[0], searched])
    assert comparison.table()["limit_cost"].tolist() == [50.0, 50.0]
    assert len(comparison.contrasts()) == 1


def test_leaders_at_other_limits_are_not_tested(tmp_path, studies):
    arms = {"ga": {"lagrangian": {"update": "ga"}, "search": {"kind": "grid", "cost_limit": [90.0]}}}
    elsewhere = finished_study(tmp_path, arms, lambda _, p: (40.0, 40.0), name="elsewhere")
    with pytest.raises(SweepError, match=r"cost limits \(cost ≤ 50, cost ≤ 90\)"):
        compare_studies([studies[0], elsewhere])
    assert compare_studies([studies[0], elsewhere], force=True).contrasts() == []


def test_a_lucky_trial_leads_with_what_its_rerun_on_fresh_seeds_reached(tmp_path):
    lucky = make(tmp_path, "lucky", {"ga": {"lagrangian": {"update": "ga"}}}, 30.0)
    again = make(tmp_path / "again", "lucky", {"ga": {"lagrangian": {"update": "ga"}}}, 14.0).trials[0]
    lucky.trials.append(replace(again, number=1, key="0 retest", retest_of=0))
    assert compare_studies([lucky]).table()["return"].tolist() == [15.0]
    assert [trial.number for trial in read_results(lucky).leaders] == [1]


def test_the_comparison_is_written_as_page_tables_and_figures(studies, tmp_path):
    files = {path.name for path in compare_studies(studies).write(tmp_path / "out")}
    figures = {f"{name}.{end}" for name in ("leaders-circle1", "curves-circle1") for end in ("png", "svg", "csv")}
    assert files >= {"comparison.html", "comparison.md", "comparison.tex", "comparison.csv"} | figures
    page = (tmp_path / "out" / "comparison.html").read_text()
    assert "Pairwise differences" in page
    assert "grid · a · b" in page


def test_the_page_names_the_origin_of_each_study(studies):
    terms = dict(next(section for section in compare_studies(studies).page().sections if section.id == "origin").terms)
    for name in ("grid", "a", "b"):
        assert (terms[f"{name}: commit"], terms[f"{name}: versions"]) == ("c0ffee", "torch 9.9")
        assert (terms[f"{name}: seeds"], terms[f"{name}: failures"], terms[f"{name}: early stops"]) == (
            "0, 1, 2", "0", "0"
        )  # fmt: skip
        assert terms[f"{name}: budget"].startswith("40,000 env steps a seed")


def test_nonsense_is_refused(studies):
    with pytest.raises(ValueError, match="at least one study"):
        compare_studies([])
    with pytest.raises(ValueError, match="`by` must be"):
        compare_studies(studies, "seed")

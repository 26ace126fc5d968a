"""The definitions that a report prints are those by which the study decided."""

import pytest

from sweeps.analysis.data_export import dictionary
from sweeps.analysis.page import Section
from sweeps.analysis.results import read_results
from sweeps.analysis.study_page import study_page
from tests.sweeps.analysis.studies import finished_study

ARMS = {"ga": {"lagrangian": {"update": "ga"}}}

RULES = [
    ({}, "the mean over seeds of every cost is at most its limit."),
    (
        {"cost_bound": "upper"},
        "the upper end (cost_bound: upper) of the 95 % t-interval of the mean over seeds of every cost "
        "is at most its limit.",
    ),
    ({"aggregate": "worst"}, "the worst seed's value (aggregate: worst) of every cost is at most its limit."),
    (
        {"aggregate": "iqm", "cost_bound": "lower"},
        "the lower end (cost_bound: lower) of the 95 % bootstrap interval of the interquartile mean over seeds "
        "(aggregate: iqm) of every cost is at most its limit.",
    ),
    (  # the value that a quarter of the seeds is worse than: of costs the 0.75 quantile
        {"aggregate": {"quantile": 0.25}},
        "the 0.75 quantile over seeds (aggregate: quantile 0.25) of every cost is at most its limit.",
    ),
]


def page_of(study):
    return study_page(read_results(study), (), (), {}, Section("policy", "Policy")).to_markdown()


@pytest.mark.parametrize(("settings", "rule"), RULES)
def test_report_and_dictionary_define_feasible_as_the_study_decides_it(tmp_path, settings, rule):
    study = finished_study(tmp_path, ARMS, lambda arm, params: (20.0, 40.0), **settings)
    assert rule in page_of(study)
    words = dictionary(study.spec)
    assert f"| `feasible` | whether in the trial {rule.rstrip('.')} |" in words
    assert f"**Feasible**: {rule}" in words


def test_the_settings_name_the_aggregate_and_the_bound(tmp_path):
    settings = {"aggregate": {"quantile": 0.25}, "cost_bound": "upper"}
    study = finished_study(tmp_path, ARMS, lambda arm, params: (20.0, 40.0), **settings)
    text = page_of(study)
    assert "quantile 0.25 |" in text
    assert "| cost_bound (of feasibility) | upper |" in text

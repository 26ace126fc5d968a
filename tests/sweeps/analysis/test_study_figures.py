"""Which figures a study has, and that their data are what the study reached."""

import math
import warnings
from html.parser import HTMLParser

import pytest

from sweeps.analysis.gains import importances
from sweeps.analysis.lambda_star import LambdaStar
from sweeps.analysis.limit_figures import lambda_star_exhibit
from sweeps.analysis.report import write_report
from sweeps.analysis.results import read_results
from sweeps.analysis.smoothing import lowess
from sweeps.analysis.study_figures import profile_exhibit, study_exhibits
from sweeps.records import State
from tests.sweeps.analysis.studies import finished_study

GRID = [0.0, 0.5, 1.0, 2.0]
ARMS = {
    "fixed": {"lagrangian": {"update": "fixed"}, "search": {"kind": "grid", "multiplier": GRID}},
    "ga": {"lagrangian": {"update": "ga"}, "search": {"kind": "grid", "cost_limit": [30.0, 50.0, 80.0]}},
    "pid": {
        "lagrangian": {"update": "pid"},
        "search": {
            "kind": "optuna",
            "trials": 12,
            "space": {"kp": {"low": 1e-3, "high": 1.0, "log": True}, "ki": {"low": 0.0, "high": 1.0}},
        },
    },
}
SUGGESTED = {"pid": [{"kp": 10.0 ** (-(i % 4)), "ki": 0.25 * (i // 4)} for i in range(12)]}


def outcome(arm, params):
    if arm == "fixed":
        return 40.0 - 10.0 * params["multiplier"], 100.0 - 40.0 * params["multiplier"]
    if arm == "ga":
        return 0.5 * params["cost_limit"], params["cost_limit"] - 2.0
    return 30.0 + 5.0 * math.log10(params["kp"]), 45.0 + 40.0 * params["ki"]


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return finished_study(tmp_path_factory.mktemp("s"), ARMS, outcome, suggested=SUGGESTED)


@pytest.fixture(scope="module")
def exhibits(study):
    return {exhibit.name: exhibit for exhibit in study_exhibits(read_results(study))}


@pytest.fixture(scope="module")
def report(study):
    return write_report(study, publish_files=False)


def test_a_study_with_everything_has_every_figure(exhibits):
    assert list(exhibits) == [
        "lambda-profile", "pareto", "training", "training-lambda-star", "stability", "return-cost", "limits-ga",
        "gains-pid",
    ]  # fmt: skip


def test_the_front_tells_how_far_each_update_is_from_it(exhibits):
    rows = {row["label"]: row for row in exhibits["pareto"].rows}
    # Seeds 0, 1, 2 add 1 on average. Fixed λ = 1: return 31, cost 61; λ = 2: 21, 21. The hull between them has slope
    # 1/4; the pid leader (kp = 1, ki = 0) has return 31 at cost 46: R*(46) = 21 + 25/4.
    assert rows["fixed λ=1"]["distance_to_hull"] == pytest.approx(0.0)
    assert rows["pid kp=1, ki=0"]["distance_to_hull"] == pytest.approx(31.0 - 27.25)
    assert rows["fixed λ=0"]["multiplier"] == 0.0
    assert "3.75 above the hull" in exhibits["pareto"].description


def test_the_training_figure_at_lambda_star_has_the_nearest_fixed_multiplier(exhibits):
    # Cost 50 + 1 is met between λ = 1 (61) and λ = 2 (21) at u = 1 + ln(2)·..: (61 − 50)/40 of the way, nearest 1.
    labels = {row["arm"] for row in exhibits["training-lambda-star"].rows}
    trials = {row["trial"] for row in exhibits["training-lambda-star"].rows if row["arm"] == "fixed"}
    assert labels == {"fixed", "ga", "pid"}
    assert trials == {2}


def test_limits_have_their_own_feasibility_and_points(exhibits):
    rows = [row for row in exhibits["return-cost"].rows if row["series"] == "ga"]
    assert [(row["limit"], row["cost"], row["return"]) for row in rows] == [
        (30.0, 29.0, 16.0), (50.0, 49.0, 26.0), (80.0, 79.0, 41.0)
    ]  # fmt: skip
    assert {row["limit"] for row in exhibits["limits-ga"].rows} == {30.0, 50.0, 80.0}
    ends = {row["limit"]: row["mean"] for row in exhibits["limits-ga"].rows if row["quantity"] == "cost/cost"}
    assert ends[30.0] == pytest.approx(29.0)  # the last row of each limit


def test_the_leader_of_an_arm_is_one_trained_for_the_studys_limit(study):
    results = read_results(study)
    assert [(trial.arm, results.limits(trial)["cost"]) for trial in results.leaders] == [("ga", 50.0), ("pid", 50.0)]


def test_the_stability_figure_holds_mean_and_deviation_of_the_leaders(exhibits):
    rows = [row for row in exhibits["stability"].rows if row["label"].startswith("pid") and row["quantity"] == "return"]
    # At the end: 30, 31, 32: mean 31, population SD √(2/3).
    assert rows[-1]["mean"] == pytest.approx(31.0)
    assert rows[-1]["sd"] == pytest.approx(math.sqrt(2.0 / 3.0))


def test_importance_finds_the_gain_that_matters(study, exhibits):
    found = importances(read_results(study), "pid")
    assert found["return"]["kp"] > 0.9
    assert found["violation"]["ki"] > 0.9
    assert sum(found["return"].values()) == pytest.approx(1.0)
    trials = [row for row in exhibits["gains-pid"].rows if row["kind"] == "trial"]
    assert len(trials) == 12
    assert trials[0]["violation"] == pytest.approx((46.0 - 50.0) / 50.0)


def test_few_trials_show_no_importance(tmp_path):
    study = finished_study(tmp_path, {"pid": ARMS["pid"]}, outcome, suggested={"pid": SUGGESTED["pid"][:9]})
    assert importances(read_results(study), "pid") == {}
    assert "gains-pid" not in {exhibit.name for exhibit in study_exhibits(read_results(study))}


def test_lambda_star_per_task_draws_open_intervals():
    exhibit = lambda_star_exhibit({"A": LambdaStar(0.5, 0.2, 0.9, 1.0, 5), "B": LambdaStar(2.0, 1.0, math.inf, 0.8, 5)})
    assert exhibit.description == "A: 0.5 [0.2, 0.9]; B: 2 [1, inf]."
    assert "B" in exhibit._repr_html_()


def test_smoothing_changes_the_drawn_points_and_is_named(tmp_path):
    costs = dict(zip(GRID, [100.0, 90.0, 30.0, 20.0], strict=True))
    arms = {"fixed": ARMS["fixed"]}
    results = read_results(finished_study(tmp_path, arms, lambda arm, params: (30.0, costs[params["multiplier"]])))
    raw, smooth = profile_exhibit(results), profile_exhibit(results, 1.0)
    expected = lowess(GRID, [cost + 1.0 for cost in costs.values()], 1.0)  # seeds add 1 on average
    assert [row["cost/cost"] for row in raw.rows[:4]] == [101.0, 91.0, 31.0, 21.0]
    assert [row["cost/cost"] for row in smooth.rows[:4]] == pytest.approx(expected)
    assert smooth.rows[4]["multiplier"] == raw.rows[4]["multiplier"]  # λ* is that of the raw points
    assert any("LOWESS with fraction 1" in text.get_text() for text in smooth.figure.texts)


class _Reader(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.ids, self.links = [], [], []

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.tags.append((tag, values))
        self.ids += [values["id"]] if "id" in values else []
        self.links += [values[name] for name in ("href", "src") if name in values]


def test_the_page_stands_alone_and_can_be_heard(report, exhibits):
    page = _Reader()
    page.feed((report.folder / "report.html").read_text())
    assert len(page.ids) == len(set(page.ids))
    assert all(link.startswith(("data:", "#")) for link in page.links)
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.ids)
    assert not any(tag in {"script", "link", "iframe"} for tag, _ in page.tags)
    images = [values for tag, values in page.tags if tag == "img"]
    assert len(images) == len(exhibits)
    assert all(len(image["alt"]) > 40 for image in images)
    assert [values.get("lang") for tag, values in page.tags if tag == "html"] == ["en"]
    scopes = [values.get("scope") for tag, values in page.tags if tag == "th"]
    assert set(scopes) == {"col", "row"}
    assert sum(tag == "main" for tag, _ in page.tags) == 1


def test_the_tables_are_there_as_latex_and_markdown(report):
    latex, text = ((report.folder / f"report.{end}").read_text() for end in ("tex", "md"))
    labels = ("trials", "robust", "conditions", "table-1", "stability", "safety", "cost-limits", "comparison")
    for label in (*labels, "settings", "grid"):
        assert rf"\label{{tab:{label}}}" in latex
    assert latex.count(r"\begin{tabular}") == latex.count(r"\end{tabular}") == 10
    assert r"$\lambda$" in latex
    assert "| seed mean, raw |" in text
    assert "multiplier | 0, 0.5, 1, 2 |" in text  # Table A.2


def test_a_partly_failed_study_says_so_on_the_page(tmp_path):
    states = {1: State.FAIL, 4: State.RUNNING, 5: State.PRUNED}
    study = finished_study(tmp_path, ARMS, outcome, suggested=SUGGESTED, state=lambda n: states.get(n, State.COMPLETE))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        page = (write_report(study, publish_files=False).folder / "report.html").read_text()
    assert "Missing from this report" in page
    assert "trial 1 (fixed, multiplier=0.5) failed: RuntimeError: lost" in page
    assert "trial 4 (ga, cost_limit=30) is RUNNING at 50% of its env steps" in page
    assert "trial 5 (ga, cost_limit=50) was stopped early at 50% of its env steps" in page
    assert "<dt>failures</dt><dd>1</dd>" in page
    assert "<dt>early stops</dt><dd>1</dd>" in page


def test_a_notebook_shows_the_page_and_each_figure(report, exhibits):
    assert report._repr_html_().startswith("<iframe title=")
    assert 'src="data:image/png;base64,' in exhibits["pareto"]._repr_html_()

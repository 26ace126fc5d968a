"""A study's report: what its table, figures and files say."""

import csv
import io
import logging
import time
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import pytest
from rich.console import Console

from sweeps.analysis.report import write_report
from sweeps.analysis.summary import feasible, interval, summarize_seed
from sweeps.records import ResultRow, SeedRun, State, Trial
from sweeps.spec import StudySpec
from sweeps.tracking.events import ArtifactAdded, RowAdded, StudyStarted
from sweeps.tracking.spool import Spool, read_events
from sweeps.tracking.tracker import Tracker

MULTIPLIERS = (0.0, 0.5, 2.0)
# Return and cost of each fixed multiplier and of gradient ascent; seeds add −1 and +1, costs −2 and +2.
MEANS = {0: (50.0, 170.0), 1: (30.0, 80.0), 2: (20.0, 40.0), 3: (26.0, 70.0)}


@dataclass
class FinishedStudy:
    spec: StudySpec
    trials: list[Trial]
    folder: Path


def make_study(tmp_path, *, cost_limit=60.0, state_of=None, name="tiny"):
    arms = {
        "fixed": {"lagrangian": {"update": "fixed"}, "search": {"kind": "grid", "multiplier": list(MULTIPLIERS)}},
        "ga": {"lagrangian": {"update": "ga"}},
    }
    spec = StudySpec.model_validate(
        {"name": name, "task": "Circle1", "cost_limit": cost_limit, "env_steps": 40_000, "seeds": 2, "arms": arms}
    )
    folder = tmp_path / "studies" / name
    spool = Spool(folder / "spool.jsonl")
    tags = {"lagsweep.git_commit": "c0ffee", "lagsweep.git_dirty": "true", "lagsweep.version.torch": "9.9"}
    spool.append([StudyStarted(time=1.0, study=name, spec_yaml=spec.to_yaml(), tags=tags)])
    trials = [make_trial(number, spec, spool, (state_of or {}).get(number, State.COMPLETE)) for number in MEANS]
    spool.close()
    return FinishedStudy(spec, trials, folder)


def make_trial(number, spec, spool, state):
    arm, params = ("ga", {}) if number == 3 else ("fixed", {"multiplier": MULTIPLIERS[number]})
    iterations = 2 if state is State.COMPLETE else 1
    runs = []
    for seed in range(2):
        rows = [make_row(number, seed, iteration) for iteration in range(1, iterations + 1)]
        spool.append([RowAdded(row=row) for row in rows])
        done = summarize_seed(rows)
        runs.append(
            SeedRun(seed, state, done.env_steps, done.iterations, done.mean_return, done.mean_cost, done.multiplier)
        )
    if state is not State.COMPLETE:
        failure = "NonFiniteError: loss of seed 1" if state is State.FAIL else None
        return Trial(number, str(number), arm, params, state, tuple(runs), failure=failure)
    cost = {"cost": interval([run.mean_cost["cost"] for run in runs])}
    mean = interval([run.mean_return for run in runs])
    return Trial(number, str(number), arm, params, state, tuple(runs), mean, cost, feasible(cost, spec.cost_limits))


def make_row(number, seed, iteration):
    value, cost = MEANS[number]
    sign = 2 * seed - 1
    multiplier = MULTIPLIERS[number] if number < 3 else 0.3 * iteration
    returns, costs = (value + sign,), {"cost": (cost + 2.0 * sign,)}
    metrics = {"multiplier/value": multiplier}
    return ResultRow(number, seed, iteration, 20_000 * iteration, float(iteration), 1, metrics, returns, costs)


def table_text(report):
    console = Console(width=160, record=True, file=io.StringIO())
    console.print(report.table)
    return console.export_text()


def read_csv(path):
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def svg_texts(path):
    return [
        "".join(node.itertext()).strip() for node in ElementTree.parse(path).iter("{http://www.w3.org/2000/svg}text")
    ]


@pytest.fixture
def study(tmp_path):
    return make_study(tmp_path)


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """The report of a finished study; tests only read it."""
    return write_report(make_study(tmp_path_factory.mktemp("report")), publish_files=False)


def test_the_table_shows_multipliers_intervals_and_feasibility(report):
    lines = [line.split() for line in table_text(report).splitlines()]
    # P(feasible) with one degree of freedom: T((60 − 170)/2), T((60 − 40)/2), T((60 − 70)/2) = 0.006, 0.968, 0.063.
    # Two seeds ± 1: the half width is 12.7062 · √2 / √2 = 12.71; ± 2 for the cost: 25.41.
    assert ["0", "fixed", "0", "50", "[37.29,", "62.71]", "170", "[144.6,", "195.4]", "0.01", "no"] in lines
    assert ["2", "fixed", "2", "20", "[7.294,", "32.71]", "40", "[14.59,", "65.41]", "0.97", "yes"] in lines
    assert ["3", "ga", "→", "0.6", "26", "[13.29,", "38.71]", "70", "[44.59,", "95.41]", "0.06", "no"] in lines
    assert "cost (limit 60)" in table_text(report)


def test_the_best_trial_is_the_best_of_the_feasible_ones(report):
    assert report.best == (
        "best feasible trial: trial 2 (fixed, multiplier=2), "
        "return 20 [7.294, 32.71], cost 40 [14.59, 65.41] (limit 60)"
    )
    assert "**Best feasible trial: trial 2" in (report.folder / "report.md").read_text()
    assert "| **2** | **fixed** | **2** |" in (report.folder / "report.md").read_text()


def test_where_nothing_is_feasible_it_says_so_and_names_the_nearest(tmp_path):
    report = write_report(make_study(tmp_path, cost_limit=10.0), publish_files=False)
    assert report.best.startswith("no feasible trial; nearest to its limit: trial 2 (fixed, multiplier=2)")


def test_the_csv_of_the_profile_holds_what_the_figure_shows(report):
    rows = read_csv(report.folder / "lambda-profile.csv")
    points = [
        (r["kind"], r["series"], r["trial"], r["multiplier"], r["return"], r["cost/cost"], r["feasible"]) for r in rows
    ]
    assert points == [
        ("point", "fixed", "0", "0.0", "50.0", "170.0", "False"),
        ("point", "fixed", "1", "0.5", "30.0", "80.0", "False"),
        ("point", "fixed", "2", "2.0", "20.0", "40.0", "True"),
        ("level", "ga", "3", "0.6", "26.0", "70.0", "False"),
        # From 80 at 0.5 to 40 at 2 the limit 60 is half way in ln λ: √(0.5 · 2) = 1.
        ("lambda_star", "fixed", "", rows[-1]["multiplier"], "", "", ""),
    ]
    assert float(rows[-1]["multiplier"]) == pytest.approx(1.0)
    assert float(rows[0]["return_high"]) == pytest.approx(50 + 12.7062, abs=1e-3)
    assert {r["limit/cost"] for r in rows[:4]} == {"60.0"}


def test_the_text_of_the_profile_is_text_and_says_what_is_drawn(report):
    texts = svg_texts(report.folder / "lambda-profile.svg")
    for expected in (
        "λ-profile of tiny",
        "Circle1 · 2 seeds · 40 000 env steps each · episodes of the last 5 % of iterations",
        "multiplier λ  (per unit of cost: σ of the reward advantage with PPO, reward with SAC)",
        "(reward per episode)",
        "(cost per episode)",
        "fixed: mean with 95 % interval",
        "ga, at its last λ",
        "cost limit",
        "feasible",
        "not feasible",
        "λ* = 1 [0.85, 1.2]",  # draws around 80 and 40 with 3 degrees of freedom and s = √8 over two seeds
    ):
        assert expected in texts
    for tick in ("0", "0.5", "2"):  # the grid, 0 included
        assert tick in texts


def test_the_training_figure_and_its_csv_have_every_trial(report):
    texts = svg_texts(report.folder / "training.svg")
    for expected in ("fixed λ=0", "fixed λ=0.5", "fixed λ=2", "ga", "cost limit", "env steps per seed", "multiplier λ"):
        assert expected in texts
    rows = read_csv(report.folder / "training.csv")
    ga = [
        (r["env_steps"], r["mean"], r["num_seeds"])
        for r in rows
        if r["arm"] == "ga" and r["quantity"] == "multiplier/cost"
    ]
    assert ga == [("20000", "0.3", "2"), ("40000", "0.6", "2")]
    assert {r["quantity"] for r in rows} == {"return", "cost/cost", "multiplier/cost"}
    assert len(rows) == 4 * 3 * 2


def test_pictures_are_complete_png_files(report):
    for name in ("lambda-profile", "training"):
        content = (report.folder / f"{name}.png").read_bytes()
        assert content.startswith(b"\x89PNG\r\n")
        assert content.endswith(b"IEND\xaeB`\x82")
    names = {"lambda-profile", "pareto", "training", "training-lambda-star", "stability"}
    assert {path.name for path in report.figures} == {f"{name}.{end}" for name in names for end in ("png", "svg")}
    assert all(path.exists() for path in report.files)


def test_the_same_study_gives_the_same_files(report, study):
    again = write_report(study, publish_files=False)
    assert {path.name: path.read_bytes() for path in report.files} == {p.name: p.read_bytes() for p in again.files}


def test_an_unfinished_study_says_what_is_missing(tmp_path):
    study = make_study(tmp_path, state_of={0: State.FAIL, 3: State.RUNNING})
    report = write_report(study, publish_files=False)
    assert report.missing == (
        "trial 0 (fixed, multiplier=0) failed: NonFiniteError: loss of seed 1",
        "trial 3 (ga) is RUNNING at 50% of its env steps",
    )
    text = (report.folder / "report.md").read_text()
    assert "## Not complete\n\n- trial 0 (fixed, multiplier=0) failed" in text
    assert [row["trial"] for row in read_csv(report.folder / "lambda-profile.csv")] == ["1", "2", ""]
    states = [row["state"] for row in read_csv(report.folder / "trials.csv")]
    assert states == ["FAIL", "COMPLETE", "COMPLETE", "RUNNING"]


def test_a_study_in_which_nothing_is_complete_still_has_a_report(tmp_path):
    study = make_study(tmp_path, state_of=dict.fromkeys(MEANS, State.RUNNING))
    report = write_report(study, publish_files=False)
    assert report.best == "no feasible trial: none is complete"
    assert "no trial is complete" in svg_texts(report.folder / "lambda-profile.svg")


def test_a_study_that_never_ran_has_a_report(tmp_path):
    study = make_study(tmp_path)
    waiting = [Trial(t.number, t.key, t.arm, t.params, State.WAITING) for t in study.trials]
    report = write_report(FinishedStudy(study.spec, waiting, tmp_path / "studies" / "new"))
    assert len(report.missing) == 4
    assert "no episode has finished" in svg_texts(report.folder / "training.svg")


def test_the_report_names_its_origin(report, study):
    text = (report.folder / "report.md").read_text()
    assert f"**spec SHA-256**: {study.spec.sha256}" in text
    assert "**commit**: c0ffee with uncommitted changes" in text
    assert "**versions**: torch 9.9" in text


def test_an_open_tracker_adds_the_files_to_mlflow(study):
    tracker = Tracker(study.folder, "http://127.0.0.1:9", None, "tiny", "name: tiny", {})
    tracker.start()
    report = write_report(study, tracker)
    deadline = time.monotonic() + 60
    while tracker._shipper.failures < 1 and time.monotonic() < deadline:  # else its thread would outlive the test
        time.sleep(0.05)
    tracker.close(timeout_s=0.1)
    added = [event.path for event in read_events(study.folder / "spool.jsonl") if isinstance(event, ArtifactAdded)]
    assert [path for path in added if path.startswith("report/")] == [f"report/{path.name}" for path in report.files]


def test_without_mlflow_the_files_are_written_and_one_warning_says_so(study, monkeypatch, caplog):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://ann:secret@127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with caplog.at_level(logging.WARNING):
        report = write_report(study)
    assert all(path.exists() for path in report.files)
    (warning,) = [record.message for record in caplog.records if record.name.startswith("sweeps")]
    assert warning.startswith("MLflow at http://127.0.0.1:9 must take the files, but")
    assert "secret" not in warning

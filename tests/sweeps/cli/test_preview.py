"""The command `preview`."""

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from sweeps.cli.preview import FIGURE, register
from sweeps.errors import SpecError
from sweeps.records import ResultRow, State, Trial
from sweeps.tracking.events import RowAdded, StudyStarted, TrialStarted
from sweeps.tracking.spool import Spool


@pytest.fixture
def app() -> typer.Typer:
    app = typer.Typer()

    @app.callback()
    def group() -> None: ...  # pyright: ignore[reportUnusedFunction]

    register(app)
    return app


def run(app: typer.Typer, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["preview", *arguments])


def test_json_of_one_update_over_given_costs_is_its_multipliers(app: typer.Typer):
    result = run(
        app, "--update", "pid", "--set", "kp=0.1", "--set", "ki=0.01", "--set", "kd=0.01", "--cost-limit", "25",
        "--costs", "60,55,48", "--output", "json",
    )  # fmt: skip
    assert result.exit_code == 0
    assert json.loads(result.stdout) == {"multiplier": pytest.approx([0.556, 1.02325, 1.373638], abs=5e-7)}


def test_json_of_the_plant_has_its_costs_and_of_several_updates_their_names(app: typer.Typer):
    result = run(app, "--update", "ga", "--update", "pid:kp=0.5", "--iterations", "4", "--output", "json")
    data = json.loads(result.stdout)
    assert list(data) == ["ga", "pid kp=0.5"]
    assert [len(curve["cost"]) for curve in data.values()] == [4, 4]


def test_csv_has_one_line_an_iteration(app: typer.Typer):
    result = run(app, "--update", "fixed:multiplier=0.5", "--costs", "30,20", "--cost-limit", "10", "--output", "csv")
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert [row["cost"] for row in rows] == ["30.0", "20.0"]
    assert {(row["update"], row["cost_limit"], row["multiplier"]) for row in rows} == {("fixed λ=0.5", "10.0", "0.5")}


@pytest.mark.parametrize(
    ("option", "value"), [("--free-cost", "90"), ("--half-at", "2"), ("--response", "0.3"), ("--noise", "4")]
)
def test_every_option_of_the_plant_changes_the_costs(app: typer.Typer, option: str, value: str):
    common = ("--update", "pid", "--iterations", "20", "--output", "json")
    assert run(app, *common, option, value).stdout != run(app, *common).stdout


def test_a_study_and_more_updates_are_drawn_at_the_studys_limit(app: typer.Typer, tmp_path: Path):
    study = tmp_path / "study.yaml"
    study.write_text(
        "{name: s, task: Circle1, cost_limit: 40.0, env_steps: 2000000, seeds: 1, lagrangian: {update: ga}}",
        encoding="utf-8",
    )
    figure = tmp_path / "figures" / "preview.png"
    result = run(app, str(study), "--update", "nupi", "--figure", str(figure), "--output", "csv")
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert {(row["update"], row["cost_limit"]) for row in rows} == {("ga", "40.0"), ("nupi", "40.0")}
    assert figure.read_bytes().startswith(b"\x89PNG")


def test_the_table_comes_with_a_figure(app: typer.Typer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    result = run(app, "--update", "ga", "--iterations", "10")
    assert "last λ" in result.stdout
    assert f"figure: {FIGURE}" in result.stdout
    assert (tmp_path / FIGURE).is_file()


def test_the_table_names_why_lambda_does_not_do_its_work(app: typer.Typer, tmp_path: Path):
    figure = ("--figure", str(tmp_path / "p.svg"), "--iterations", "50")
    assert "pid kp=0.0001" in (said := run(app, "--update", "pid:kp=1e-4,ki=1e-4,kd=0", *figure).stdout)
    assert "raise the gains" in said
    assert "raise multiplier_max" in run(app, "--update", "pid:multiplier_max=0.7", *figure).stdout


def test_a_fixed_multiplier_is_not_told_to_move(app: typer.Typer, tmp_path: Path):
    result = run(app, "--update", "fixed:multiplier=0.1", "--figure", str(tmp_path / "x.svg"))
    assert "100%" in result.stdout  # of the iterations are over the limit
    assert "never reached" not in result.stdout + result.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "nothing to preview"),
        (("--set", "kp=1"), "needs an `--update`"),
        (("--update", "ga", "--costs", "1", "--costs-of", "a/0/0"), "exclude each other"),
        (("--update", "ga", "--figure", "a.txt"), "must end with .png"),
    ],
)
def test_wrong_usage_is_refused(app: typer.Typer, arguments: tuple[str, ...], said: str):
    result = run(app, *arguments)
    assert isinstance(result.exception, SpecError)
    assert said in str(result.exception)


def test_it_starts_neither_ray_nor_mlflow():
    code = (
        "import sys; from sweeps import preview; preview('pid'); import sweeps.previewing.figure;"
        "import sweeps.previewing.inputs;"
        "sys.exit(str({'ray', 'mlflow'} & set(sys.modules)) if {'ray', 'mlflow'} & set(sys.modules) else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_costs_of_a_run_come_with_its_limit_unless_another_is_given(app: typer.Typer, tmp_path: Path):
    spec_yaml = (
        "name: demo\ntask: Circle1\ncost_limit: 40\nenv_steps: 2_000_000\nseeds: 1\n"
        "arms:\n  ga: {lagrangian: {update: ga}}\n"
    )
    spool = Spool(tmp_path / "studies" / "demo" / "spool.jsonl")
    spool.append(
        [
            StudyStarted(time=0.0, study="demo", spec_yaml=spec_yaml, tags={}),
            TrialStarted(time=0.0, trial=Trial(0, "0", "ga", {}, State.RUNNING)),
            RowAdded(row=ResultRow(0, 0, 1, 100, 0.0, 1, {"train/cost": 60.0})),
        ]
    )
    spool.close()
    asked = ("--update", "ga", "--costs-of", "demo/0/0", "--storage", str(tmp_path), "--output", "csv")
    for more, limit in ((), "40.0"), (("--cost-limit", "12"), "12.0"):
        rows = list(csv.DictReader(io.StringIO(run(app, *asked, *more).stdout)))
        assert [(row["cost"], row["cost_limit"]) for row in rows] == [("60.0", limit)]

"""Where a preview's updates and costs come from."""

from pathlib import Path

import pytest

from sweeps.errors import NotFoundError, SpecError
from sweeps.previewing.inputs import parse_update, read_costs, run_costs, study_subjects
from sweeps.records import ResultRow, State, Trial
from sweeps.spec import StudySpec
from sweeps.tracking.events import RowAdded, StudyStarted, TrialStarted
from sweeps.tracking.spool import Spool


def test_an_update_may_bring_its_hyperparameters_and_settings_win():
    parameters = parse_update("pid:kp=0.2,ki=0.05", ["ki=0.07"]).parameters.model_dump(exclude_defaults=True)
    assert parameters == {"kp": 0.2, "ki": 0.07}


def test_a_setting_without_a_value_is_refused():
    with pytest.raises(SpecError, match="must be `name=value`, but got 'kp'"):
        parse_update("pid", ["kp"])


def test_costs_are_read_from_text():
    assert read_costs("60, 55.5,4e1") == [60.0, 55.5, 40.0]
    assert read_costs("60.5") == [60.5]
    assert read_costs(",".join(["55.7"] * 2000)) == [55.7] * 2000  # no path is that long


@pytest.mark.parametrize(
    "text",
    [
        "iteration,cost,λ\n1,60,0\n2,55,1\n",
        "cost\n60\n55\n",
        "60\n55\n",
        "any name\n60\n55\n",
        "a,train/cost\nx,60\ny,55",
        "\ufeff60\n55\n",
        "\ufeffcost,λ\n60,0\n55,1\n",
    ],
)
def test_costs_are_read_from_a_file(tmp_path: Path, text: str):
    path = tmp_path / "costs.csv"
    path.write_text(text, encoding="utf-8")
    assert read_costs(str(path)) == [60.0, 55.0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("a,b\n1,2\n", "one named `cost`"),
        ("cost\n60\nx\n", "row 3 has no cost: x"),
        ("1,2\n", "one column"),
    ],
)
def test_a_file_without_costs_is_refused(tmp_path: Path, text: str, said: str):
    path = tmp_path / "costs.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SpecError, match=said):
        read_costs(str(path))


@pytest.mark.parametrize(("text", "said"), [("nowhere.csv", "No such file"), ("60,x", "must be numbers")])
def test_what_is_neither_costs_nor_a_file_is_refused(text: str, said: str):
    with pytest.raises(SpecError, match=said):
        read_costs(text)


STUDY = """
name: two-arms
task: Circle1
cost_limit: 30.0
env_steps: 2_000_000
seeds: 2
arms:
  fixed: {lagrangian: {update: fixed}, search: {kind: grid, multiplier: paper}}
  limits: {lagrangian: {update: ga, lr: 0.1}, search: {kind: grid, cost_limit: [10, 20], num_epochs: [5, 10]}}
  tuned: {lagrangian: {update: pid}, search: {kind: optuna, trials: 5, objectives: {return: maximize},
    space: {kp: {low: 0.1, high: 1.0}}}}
"""


def test_a_studys_updates_are_the_points_of_its_grids_each_once(tmp_path: Path):
    path = tmp_path / "study.yaml"
    path.write_text(STUDY, encoding="utf-8")
    subjects, notes = study_subjects(StudySpec.from_yaml(path))
    shown = [(subject.parameters.model_dump(exclude_defaults=True), subject.cost_limit) for subject in subjects]
    fixed, rest = shown[:8], shown[8:]
    assert [limit for _, limit in fixed] == [30.0] * 8
    assert fixed[0] == ({}, 30.0)
    assert fixed[-1] == ({"multiplier": 2.0}, 30.0)
    assert rest == [({"lr": 0.1}, 10.0), ({"lr": 0.1}, 20.0), ({}, 30.0)]
    assert notes == ["fixed: 8 of 25 points of its grid", "tuned: its search will choose; this is what it starts from"]


def store(storage: Path, params: dict[str, float] | None = None) -> None:
    def row(trial: int, seed: int, iteration: int, metrics: dict[str, float]) -> RowAdded:
        return RowAdded(row=ResultRow(trial, seed, iteration, iteration * 100, 0.0, 1, metrics))

    folder = storage / "studies" / "demo"
    folder.mkdir(parents=True)
    spool = Spool(folder / "spool.jsonl")
    spool.append(
        [
            StudyStarted(time=0.0, study="demo", spec_yaml=STUDY, tags={}),
            TrialStarted(time=0.0, trial=Trial(3, "3", "limits", params or {}, State.RUNNING)),
            row(3, 0, 2, {"train/cost": 55.0}),
            row(3, 0, 1, {"train/cost": 60.0}),
            row(3, 1, 1, {"train/cost": 7.0}),
            row(3, 0, 3, {"train/return": 1.0}),
            row(3, 0, 4, {"train/cost": 48.0}),
        ]
    )
    spool.close()


def test_the_costs_of_a_run_come_in_order_without_iterations_that_had_none(tmp_path: Path):
    store(tmp_path)
    assert run_costs(tmp_path, "demo/3/0") == ([60.0, 55.0, 48.0], 30.0, None)


def test_a_run_has_its_own_limit_where_the_limit_was_searched(tmp_path: Path):
    store(tmp_path, {"cost_limit": 10})
    assert run_costs(tmp_path, "demo/3/0").limit == 10.0


def test_of_several_costs_the_limit_is_that_of_the_cost_that_is_read(tmp_path: Path):
    # By name hazards would come first, by the study's limits vases_contact does.
    text = "name: demo\ntask: Goal1\ncost_limit: {vases_contact: 5, hazards: 10}\nenv_steps: 2_000_000\nseeds: 1\n"
    spec_yaml = f"{text}arms:\n  ga: {{lagrangian: {{update: ga}}}}\n"
    spool = Spool(tmp_path / "studies" / "demo" / "spool.jsonl")
    metrics = {"train/cost/hazards": 50.0, "train/cost/vases_contact": 7.0}
    spool.append(
        [
            StudyStarted(time=0.0, study="demo", spec_yaml=spec_yaml, tags={}),
            TrialStarted(time=0.0, trial=Trial(0, "0", "ga", {}, State.RUNNING)),
            RowAdded(row=ResultRow(0, 0, 1, 100, 0.0, 1, metrics)),
        ]
    )
    spool.close()
    assert run_costs(tmp_path, "demo/0/0") == ([7.0], 5.0, "vases_contact")


@pytest.mark.parametrize(
    ("run", "error", "said"),
    [
        ("demo", SpecError, "`STUDY/TRIAL/SEED`"),
        ("demo/3/x", SpecError, "`STUDY/TRIAL/SEED`"),
        ("dem/3/0", NotFoundError, "no study 'dem'"),
        ("demo/4/0", NotFoundError, "no costs of trial 4, seed 0"),
    ],
)
def test_a_run_that_is_not_there_is_refused(tmp_path: Path, run: str, error: type[Exception], said: str):
    store(tmp_path)
    with pytest.raises(error, match=said):
        run_costs(tmp_path, run)


def test_a_multiplier_network_is_no_update_to_preview():
    with pytest.raises(SpecError, match="network"):
        parse_update("network")


def test_a_file_that_is_no_text_and_a_text_that_is_no_path_are_refused(tmp_path: Path) -> None:
    (tmp_path / "costs.csv").write_bytes("60\n55\n".encode("utf-16"))
    with pytest.raises(SpecError, match="must be a CSV file in UTF-8"):
        read_costs(str(tmp_path / "costs.csv"))
    for text in (",".join(["60"] * 200) + ",x", "60\0"):
        with pytest.raises(SpecError, match="must be numbers or a CSV file"):
            read_costs(text)
    with pytest.raises(SpecError, match="Is a directory"):
        read_costs(str(tmp_path))

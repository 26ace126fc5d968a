"""Previews of updates over costs and over the plant."""

import re
from pathlib import Path

import pytest

import sweeps
from sweeps.errors import SpecError, SweepError
from sweeps.previewing.curves import Plant, checked_parameters, curve_label, default_plant, preview, preview_curve
from sweeps.previewing.figure import draw
from sweeps.previewing.painter import painting


def test_a_preview_of_omnisafes_pid_is_its_golden_trace():
    values = preview("pid", {"kp": "0.1", "ki": "0.01", "kd": "0.01"}, [60, 55, 48], 25.0)["multiplier"]
    assert values == pytest.approx([0.556, 1.02325, 1.373638], abs=5e-7)


def test_a_preview_of_stookes_pid_takes_the_first_derivative_as_zero():
    # 3.5 + 0.35 = 3.85;  e = 40, I = 75: 4 + 0.75 + 0.5·5 = 7.25.
    parameters = {"form": "stooke", "kp": 0.1, "ki": 0.01, "kd": 0.5}
    curve = preview("pid", parameters, [60, 65], 25.0)
    assert curve["multiplier"] == pytest.approx([3.85, 7.25])
    assert curve["d"] == pytest.approx([0.0, 2.5])


def test_the_plant_relaxes_towards_the_cost_of_its_multiplier():
    # λ = 1 halves 60: J = 60, 60 + 0.5·(30 − 60) = 45, 45 + 0.5·(30 − 45) = 37.5.
    costs = preview("fixed", {"multiplier": 1.0}, plant=Plant(response=0.5, iterations=3))["cost"]
    assert costs == pytest.approx([60.0, 45.0, 37.5])
    slower = preview("fixed", {"multiplier": 1.0}, plant=Plant(response=0.5, half_at=2.0, iterations=2))["cost"]
    assert slower == pytest.approx([60.0, 50.0])


def test_the_default_plant_binds_at_a_known_multiplier():
    # 24 / (1 + λ*) = 10: λ* = 1.4.
    curve = preview("nupi", cost_limit=10.0, plant=default_plant(10.0))
    assert curve["multiplier"][-1] == pytest.approx(1.4, rel=0.02)
    assert default_plant(0.0).free_cost == 60.0


def test_noise_is_reproducible_and_never_makes_a_cost_negative():
    noisy = Plant(free_cost=1.0, noise=5.0, iterations=100)
    first, second = preview("ga", plant=noisy), preview("ga", plant=noisy)
    assert first == second
    assert min(first["cost"]) == 0.0
    assert max(first["cost"]) > 1.0
    assert first["cost"] != preview("ga", plant=Plant(free_cost=1.0, noise=5.0, iterations=100, seed=1))["cost"]


def test_the_limit_follows_the_schedule():
    parameters = {"limit_start": 50.0, "limit_shape": "linear", "limit_iterations": 2}
    assert preview("ga", parameters, [60.0] * 3, 20.0)["limit"] == [50.0, 35.0, 20.0]


@pytest.mark.parametrize(
    ("update", "parameters", "said"),
    [
        ("pdi", {}, r"update: unknown value 'pdi'.*did you mean `pid`"),
        ("pid", {"kpp": 1.0}, r"kpp: unknown key.*did you mean `kp`"),
        ("ga", {"lr": "-1"}, r"lr: `lr > 0` must hold"),
        ("ga", {"dual_optimizer": "sdg"}, r"dual_optimizer: unknown value 'sdg'.*did you mean `sgd`"),
        ("pid", {"delay": "many"}, r"delay: .*integer"),
    ],
)
def test_a_wrong_update_name_or_value_is_refused_by_name(update: str, parameters: dict[str, object], said: str):
    with pytest.raises(SpecError) as caught:
        checked_parameters(update, parameters)
    assert re.search(said, caught.value.render().replace("\n", " "))


def test_text_values_become_their_type():
    parameters = checked_parameters("pid", {"delay": "3", "sum_norm": "false", "kp": "1e-2", "multiplier_max": "null"})
    assert parameters.model_dump(exclude_defaults=True) == {"delay": 3, "sum_norm": False, "kp": 0.01}


@pytest.mark.parametrize(
    ("costs", "limit", "said"),
    [
        ([], 25.0, "must not be empty"),
        ([1.0, float("nan")], 25.0, "position 2"),
        ([-1.0], 25.0, "got -1.0 at position 1"),
        ([1.0], -1.0, "cost_limit"),
    ],
)
def test_wrong_costs_and_limits_are_refused(costs: list[float], limit: float, said: str):
    with pytest.raises(SpecError, match=said):
        preview("ga", costs=costs, cost_limit=limit)


@pytest.mark.parametrize(
    "bad", [{"free_cost": 0.0}, {"half_at": 0.0}, {"response": 1.5}, {"noise": -1.0}, {"iterations": 0}], ids=str
)
def test_a_plant_out_of_range_is_refused_by_name(bad: dict[str, float]):
    with pytest.raises(SpecError, match=rf"{next(iter(bad))}.*but got {next(iter(bad.values()))}"):
        Plant(**bad)  # pyright: ignore


def test_the_summary_says_where_it_ended_and_how_often_it_was_over():
    # λ ← λ + 0.1 e from 0: 1, 1.5, 0.5; 2 of 3 costs over 25; it went 1 + ... = 0.5 + 1 after the first.
    parameters = checked_parameters("ga", {"dual_optimizer": "sgd", "lr": 0.1, "init": 0.0})
    summary = preview_curve(parameters, 25.0, [35.0, 30.0, 15.0], plant=Plant()).summary()
    assert summary["multiplier"] == pytest.approx(0.5)
    assert summary["largest"] == pytest.approx(1.5)
    assert summary["cost"] == 15.0
    assert summary["violations"] == pytest.approx(2 / 3)
    assert summary["total_variation"] == pytest.approx(1.5)


def test_a_label_names_what_differs_from_the_defaults():
    assert curve_label(checked_parameters("pid", {"kp": 0.2})) == "pid kp=0.2"
    assert curve_label(checked_parameters("fixed", {"multiplier": 0.5})) == "fixed λ=0.5"


def test_the_figure_shows_each_multiplier_and_cost(tmp_path: Path):
    curves = [
        preview_curve(checked_parameters(update), 25.0, plant=Plant(iterations=5), label=update)
        for update in ("ga", "pid")
    ]
    figure = draw(curves, tmp_path / "preview.svg")
    upper, lower = figure.axes
    assert [list(line.get_ydata()) for line in upper.lines] == [curve.multiplier for curve in curves]
    assert [list(line.get_ydata()) for line in lower.lines] == [*(curve.cost for curve in curves), curves[0].limit]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["ga", "pid"]
    assert (tmp_path / "preview.svg").read_text().startswith("<?xml")


def test_given_costs_are_drawn_once():
    curves = [preview_curve(checked_parameters(u), 25.0, [60.0, 20.0], plant=Plant(), label=u) for u in ("ga", "pid")]
    assert [list(line.get_ydata()) for line in draw(curves).axes[1].lines] == [[60.0, 20.0], [25.0, 25.0]]


def test_a_preview_from_python_is_drawn_on_request(tmp_path: Path):
    curve = sweeps.preview("pid", {"kp": 0.2}, [60, 55], figure=tmp_path / "pid.svg")
    assert curve == preview("pid", {"kp": 0.2}, [60, 55])
    assert "pid kp=0.2" in (tmp_path / "pid.svg").read_text()


def test_a_painter_draws_what_is_drawn_here_and_says_when_it_cannot(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    curve = preview_curve(checked_parameters("ga"), 25.0, [60.0, 20.0], plant=Plant(), label="ga")
    draw([curve], tmp_path / "here.png")
    with painting(".png") as painter:
        assert painter.paint([curve]) == (tmp_path / "here.png").read_bytes()
    with painting(".bad") as painter, pytest.raises(SweepError, match="could not be drawn"):
        painter.paint([curve])
    assert "Format 'bad' is not supported" in capfd.readouterr().err
    with painting(".png") as painter:
        pass  # nothing is painted: it ends all the same


def test_a_multiplier_above_its_cap_is_refused():
    with pytest.raises(SpecError, match=r"`init <= multiplier_max` must hold, but got 5.0 and 1.0"):
        checked_parameters("ga", {"init": "5", "multiplier_max": "1"})

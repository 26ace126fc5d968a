"""The training figure: which lines are told apart, and how."""

from sweeps.analysis.curves import Curve
from sweeps.analysis.training import draw_training, looks_of
from sweeps.records import Interval, State, Trial


def trials(*params):
    return [Trial(i, str(i), "fixed" if values else "ga", values, State.COMPLETE) for i, values in enumerate(params)]


def curves(count):
    values = (Interval(1.0, 0.0, 2.0, 3), Interval(2.0, 1.0, 3.0, 3))
    return [Curve(i, name, (10_000, 20_000), values) for i in range(count) for name in ("return", "cost/cost")]


def labels(figure):
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


def test_fixed_multipliers_go_from_dark_to_light_and_others_have_dashes():
    found = looks_of(trials({"multiplier": 2.0}, {"multiplier": 0.0}, {}), {0: 2.0, 1: 0.0})
    light, dark = (sum(int(found[i].color[k : k + 2], 16) for k in (1, 3, 5)) for i in (0, 1))
    assert light > dark
    assert [found[i].label for i in range(3)] == ["fixed λ=2", "fixed λ=0", "ga"]
    assert [found[i].dashes == "-" for i in range(3)] == [True, True, False]


def test_bands_are_drawn_where_they_hide_nothing():
    few = looks_of(trials({"multiplier": 0.0}, {}), {0: 0.0})
    assert [few[i].band for i in range(2)] == [True, True]
    grid = [{"multiplier": float(i)} for i in range(4)]
    many = looks_of(trials(*grid, {}), {i: float(i) for i in range(4)})
    assert [many[i].band for i in range(5)] == [False] * 4 + [True]
    figure = draw_training(curves(5), many, {"cost": 60.0}, "t", "s")
    assert [len(axes.collections) for axes in figure.axes] == [1, 1]


def test_the_limit_stands_in_the_panel_of_its_cost_only():
    figure = draw_training(curves(1), looks_of(trials({}), {}), {"cost": 60.0}, "t", "s")
    heights = [[line.get_ydata()[0] for line in axes.get_lines()] for axes in figure.axes]
    assert heights == [[1.0], [1.0, 60.0]]
    assert labels(figure) == ["ga", "cost limit"]


def test_from_twelve_trials_on_the_legend_names_arms_and_the_ends_of_a_grid():
    grid = [{"multiplier": float(i)} for i in range(10)]
    crowd = [*trials(*grid), *(Trial(i, str(i), "ga", {}, State.COMPLETE) for i in (10, 11))]
    crowd.append(Trial(12, "12", "pid", {}, State.COMPLETE))
    looks = looks_of(crowd, {i: float(i) for i in range(10)})
    figure = draw_training(curves(13), looks, {"cost": 60.0}, "t", "s")
    assert labels(figure) == ["fixed λ=0", "fixed λ=9", "ga (2 trials)", "pid", "cost limit"]
    assert (looks[10].color, looks[10].dashes) == (looks[11].color, looks[11].dashes)
    assert looks[12].color != looks[11].color

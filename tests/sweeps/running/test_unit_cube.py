"""A space as a cube, there and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeps.running.unit_cube import to_params, to_point
from sweeps.spec.dimensions import Choices, Range

SPACE = {
    "kp": Range(low=1e-4, high=1.0, log=True, type="float"),
    "kd": Range(low=-1.0, high=3.0, type="float"),
    "delay": Range(low=1, high=4, type="int"),
    "epochs": Range(low=1, high=100, log=True, type="int"),
    "nu": Range(low=0.0, high=1.0, step=0.25, type="float"),
}


def test_the_corners_are_the_ends_and_the_middle_is_the_middle():
    assert to_params(SPACE, [0.0] * 5) == {"kp": pytest.approx(1e-4), "kd": -1.0, "delay": 1, "epochs": 1, "nu": 0.0}
    assert to_params(SPACE, [1.0] * 5) == {"kp": pytest.approx(1.0), "kd": 3.0, "delay": 4, "epochs": 100, "nu": 1.0}
    middle = to_params(SPACE, [0.5] * 5)
    assert middle == {"kp": pytest.approx(0.01), "kd": 1.0, "delay": 3, "epochs": 7, "nu": 0.5}  # √(0.5 · 100.5) = 7.1


@given(st.lists(st.floats(0.0, 1.0), min_size=5, max_size=5))
def test_a_configuration_comes_back_to_itself(point: list[float]):
    params = to_params(SPACE, point)
    assert all(where.holds(params[name]) for name, where in SPACE.items() if name != "nu")
    again = to_params(SPACE, to_point(SPACE, params))
    assert again == {name: pytest.approx(value, rel=1e-9, abs=1e-12) for name, value in params.items()}


def test_choices_have_equal_parts_and_conditions_drop_names():
    space = {
        "form": Choices(choices=("omnisafe", "stooke")),
        "ema_p": Range(low=0.0, high=0.9, type="float", when={"form": ("omnisafe",)}),
    }
    assert to_params(space, [0.49, 1.0]) == {"form": "omnisafe", "ema_p": 0.9}
    assert to_params(space, [0.5, 1.0]) == {"form": "stooke"}


def test_a_step_stands_in_the_middle_of_its_part_and_a_single_value_in_the_middle_of_its_edge():
    assert to_point({"delay": SPACE["delay"]}, {"delay": 2}) == [0.375]  # the second of four parts
    assert to_point({"kd": Range(low=2.0, high=2.0, type="float")}, {"kd": 2.0}) == [0.5]

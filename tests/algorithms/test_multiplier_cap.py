import pytest
import torch

from algorithms.functional.multipliers.pid import pid_start, pid_step
from algorithms.multiplier_cap import cap_of
from algorithms.parameters import PID, FixedMultiplier, GradientAscent


@pytest.mark.parametrize(
    ("parameters", "value", "remedy"),
    [
        (GradientAscent(), None, "multiplier_max"),
        (GradientAscent(multiplier_max=3.0), 3.0, "multiplier_max"),
        (FixedMultiplier(multiplier=2.0), None, "multiplier_max"),
        (PID(), None, "multiplier_max"),
        (PID(diff_norm=True), 1.0, "diff_norm"),
        (PID(diff_norm=True, multiplier_max=0.5), 0.5, "multiplier_max"),
        (PID(sum_norm=False), 100.0, "penalty_max"),
        (PID(sum_norm=False, penalty_max=2.0), 2.0, "penalty_max"),
        (PID(sum_norm=False, penalty_max=2.0, multiplier_max=1.5), 1.5, "multiplier_max"),
        (PID(form="stooke", sum_norm=False, penalty_max=2.0), None, "multiplier_max"),
    ],
)
def test_the_smallest_cap_is_named_with_its_option(parameters, value, remedy):
    cap = cap_of(parameters)
    assert cap.value == value
    assert remedy in cap.remedy


@pytest.mark.parametrize("options", [{"diff_norm": True}, {"sum_norm": False, "penalty_max": 2.0}])
def test_a_pid_under_a_large_error_ends_at_its_cap(options):
    parameters = PID(kp=1.0, ki=1.0, **options)
    state = pid_start((1, 1))
    for _ in range(20):
        state = pid_step(state, torch.full((1, 1), 90.0), 25.0, kp=1.0, ki=1.0, **options)
    assert float(state.multiplier) == cap_of(parameters).value

"""The augmented Lagrangian against hand-worked numbers, its gradient, PI control and the method of multipliers."""

from typing import Any

import pytest
import torch

from algorithms.functional.multipliers.augmented_lagrangian import (
    AugmentedLagrangianState,
    al_start,
    al_step,
)
from algorithms.functional.multipliers.pid import pid_start, pid_step

COSTS = (60.0, 55.0, 48.0, 40.0, 33.0, 27.0, 24.0, 20.0, 18.0, 26.0)


def run(
    costs: tuple[float, ...], *, init: float = 0.001, penalty: float = 0.1, **parameters: Any
) -> list[AugmentedLagrangianState]:
    state = al_start((1, 1), init=init, penalty=penalty, dtype=torch.float64)
    states: list[AugmentedLagrangianState] = []
    for cost in costs:
        state = al_step(state, torch.full((1, 1), cost), 25.0, **parameters)
        states.append(state)
    return states


def trace(costs: tuple[float, ...], **parameters: Any) -> list[float]:
    return [state.multiplier.item() for state in run(costs, **parameters)]


def test_equals_a_hand_worked_trace_with_a_growing_penalty():
    # η = 0.1, w = 0.5, κ = 2, w_max = 1.5, r = 0.5, μ_0 = 1, d = 25; costs 45, 37, 30, 15, 26, 26.
    # 1: e = 20:  μ = 3;   first, w = 0.5;               λ = 3 + 10 = 13
    # 2: e = 12:  μ = 4.2; 12 > 0.5·20: w = 1;           λ = 4.2 + 12 = 16.2
    # 3: e = 5:   μ = 4.7; 5 ≤ 0.5·12: w stays 1;        λ = 9.7
    # 4: e = −10: μ = 3.7; 0 ≤ 2.5: w stays 1;           λ = 3.7 − 10 → 0
    # 5: e = 1:   μ = 3.8; 1 > 0: w = min(2, 1.5) = 1.5; λ = 5.3
    # 6: e = 1:   μ = 3.9; 1 > 0.5: w stays at its cap;  λ = 5.4
    states = run(
        (45.0, 37.0, 30.0, 15.0, 26.0, 26.0), init=1.0, penalty=0.5, lr=0.1, penalty_growth=2.0, penalty_cap=1.5,
        required_decrease=0.5,
    )  # fmt: skip
    assert [state.multiplier.item() for state in states] == pytest.approx([13.0, 16.2, 9.7, 0.0, 5.3, 5.4])
    assert [state.penalty.item() for state in states] == pytest.approx([0.5, 1.0, 1.0, 1.0, 1.5, 1.5])


def test_the_dual_variable_does_not_wind_up_beyond_its_bounds():
    # 50 violations at the cap 2, then e = −25: μ = 2 − 0.25 and λ = 1.75 − 2.5 → 0; without a penalty λ = 1.75.
    assert max(trace((60.0,) * 50, multiplier_max=2.0)) == 2.0
    assert trace((60.0,) * 50 + (0.0,), multiplier_max=2.0, penalty=0.0)[-1] == pytest.approx(1.75)
    # 50 slack costs at 0, then e = 5: μ = 0.05.
    assert trace((0.0,) * 50 + (30.0,), penalty=0.0)[-1] == pytest.approx(0.05)


def test_a_penalty_that_starts_above_the_cap_neither_grows_nor_falls():
    states = run((60.0,) * 3, penalty=2.0, penalty_growth=3.0, penalty_cap=1.0)
    assert [state.penalty.item() for state in states] == [2.0, 2.0, 2.0]


@pytest.mark.parametrize("form", ["omnisafe", "stooke"])
def test_pi_control_with_the_proportional_gain_w_is_the_penalty_w(form: str):
    state, expected = pid_start((1, 1), form=form, init=0.0, dtype=torch.float64), []  # pyright: ignore
    for cost in COSTS:
        state = pid_step(
            state, torch.full((1, 1), cost), 25.0, form=form, kp=0.3, ki=0.02, kd=0.0, ema_p=0.0  # pyright: ignore
        )  # fmt: skip
        expected.append(state.multiplier.item())
    assert trace(COSTS, init=0.0, penalty=0.3, lr=0.02) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("theta", [0.0, 3.0])
def test_the_effective_multiplier_weighs_the_constraints_gradient_in_the_gradient_of_the_augmented_lagrangian(
    theta: float,
):
    # f = θ², e = 2 − θ: at θ = 0 the constraint is violated, at θ = 3 so slack that the penalty is off.
    point = torch.tensor(theta, dtype=torch.float64, requires_grad=True)
    mu, w = 0.5, 2.0
    error = 2.0 - point
    (point**2 + ((mu + w * error).clamp(min=0.0) ** 2 - mu**2) / (2.0 * w)).backward()
    state = al_step(al_start((1, 1), init=mu, penalty=w, dtype=torch.float64), error.detach().reshape(1, 1), 0.0, lr=0)
    assert point.grad is not None
    assert point.grad.item() == pytest.approx(2.0 * theta - state.multiplier.item())


def test_the_penalty_makes_gradient_descent_on_a_linear_problem_converge_where_ascent_alone_cycles():
    # min x subject to x ≥ 1: λ* = 1. The Lagrangian x + λ (1 − x) has no curvature.
    def last_error(penalty: float) -> float:
        x = torch.zeros((1, 1), dtype=torch.float64)
        state = al_start((1, 1), init=0.0, penalty=penalty, dtype=torch.float64)
        for _ in range(2000):
            state = al_step(state, 1.0 - x, 0.0, lr=0.1)
            x = x - 0.1 * (1.0 - state.multiplier)
        return abs(x.item() - 1.0) + abs(state.multiplier.item() - 1.0)

    assert last_error(1.0) < 1e-6
    assert last_error(0.0) > 0.1


@pytest.mark.parametrize(
    "changed",
    [
        {"init": 0.5}, {"lr": 0.05}, {"penalty": 0.2}, {"penalty_growth": 2.0}, {"multiplier_max": 0.5},
        {"penalty_growth": 2.0, "penalty_cap": 0.3}, {"penalty_growth": 2.0, "required_decrease": 0.9},
    ],
    ids=str,
)  # fmt: skip
def test_every_parameter_changes_the_trace(changed: dict[str, Any]):
    assert trace(COSTS, **changed) != pytest.approx(trace(COSTS), abs=1e-4)
    if len(changed) == 2:
        assert trace(COSTS, **changed) != pytest.approx(trace(COSTS, penalty_growth=2.0), abs=1e-4)

"""νPI against hand-worked numbers and gradient ascent."""

from typing import Any

import pytest
import torch

from algorithms.functional.multipliers.gradient_ascent import ga_start, ga_step
from algorithms.functional.multipliers.nupi import nupi_start, nupi_step

COSTS = (60.0, 55.0, 48.0, 40.0, 20.0, 30.0)


def trace(costs: tuple[float, ...], *, init: float = 0.001, **parameters: Any) -> list[float]:
    state = nupi_start((1, 1), init=init, dtype=torch.float64)
    values: list[float] = []
    for cost in costs:
        state = nupi_step(state, torch.full((1, 1), cost), 25.0, **parameters)
        values.append(state.multiplier.item())
    return values


def test_equals_a_hand_worked_trace():
    # K_P = 0.5, K_I = 0.1, ν = 0.75, λ_0 = 1, d = 25; costs 45, 65, 25, 5.
    # 1: e = 20:  ξ = 20;                       λ = 1 + 2 = 3            (no proportional kick)
    # 2: e = 40:  ξ = 15 + 10 = 25;             λ = 3 + 4 + 0.5·5 = 9.5
    # 3: e = 0:   ξ = 18.75;                    λ = 9.5 − 0.5·6.25 = 6.375
    # 4: e = −20: ξ = 14.0625 − 5 = 9.0625;     λ = 6.375 − 2 − 0.5·9.6875 = −0.46875 → 0
    values = trace((45.0, 65.0, 25.0, 5.0), init=1.0, kp=0.5, ki=0.1, nu=0.75)
    assert values == pytest.approx([3.0, 9.5, 6.375, 0.0])


def test_without_a_proportional_gain_it_is_gradient_ascent():
    state, expected = ga_start((1, 1), dtype=torch.float64), []
    for cost in COSTS:
        state = ga_step(state, torch.full((1, 1), cost), 25.0, lr=0.02, dual_optimizer="sgd")
        expected.append(state.multiplier.item())
    assert trace(COSTS, kp=0.0, ki=0.02, nu=0.5) == pytest.approx(expected)


@pytest.mark.parametrize(
    "changed", [{"init": 0.5}, {"kp": 0.2}, {"ki": 0.02}, {"nu": 0.5}, {"multiplier_max": 0.5}], ids=str
)
def test_every_parameter_changes_the_trace(changed: dict[str, Any]):
    assert trace(COSTS, **changed) != pytest.approx(trace(COSTS), abs=1e-4)

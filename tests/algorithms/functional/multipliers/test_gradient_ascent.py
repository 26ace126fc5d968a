"""Gradient ascent on λ against golden traces and torch's Adam."""

import math

import pytest
import torch
from torch import Tensor

from algorithms.functional.multipliers.gradient_ascent import ga_start, ga_step

COSTS = (60, 55, 48, 40, 33, 27, 24, 20, 18, 22, 26, 30)
# Traces worked out independently, limit 25, λ before the first update 0.001, η = 0.035.
ADAM = (
    0.036,
    0.070757,
    0.104782,
    0.137232,
    0.167179,
    0.193646,
    0.216429,
    0.234832,
    0.24885,
    0.260414,
    0.271083,
    0.282168,
)
SGD = (1.226, 2.276, 3.081, 3.606, 3.886, 3.956, 3.921, 3.746, 3.501, 3.396, 3.431, 3.606)


def trace(costs: tuple[float, ...], limit: float = 25.0, **hyperparameters: object) -> list[float]:
    state = ga_start((1, 1), dtype=torch.float64)
    multipliers: list[float] = []
    for cost in costs:
        state = ga_step(state, torch.full((1, 1), float(cost)), limit, **hyperparameters)  # pyright: ignore
        multipliers.append(state.multiplier.item())
    return multipliers


def test_adam_follows_the_golden_trace_and_still_rises_below_the_limit():
    assert trace(COSTS, dual_optimizer="adam") == pytest.approx(ADAM, abs=5e-7)
    assert COSTS[8] == 18
    assert ADAM[8] > ADAM[7]


def test_sgd_follows_the_golden_trace():
    assert trace(COSTS, dual_optimizer="sgd") == pytest.approx(SGD, abs=1e-9)


def test_adam_is_torch_optim_adam_with_a_projection():
    multiplier = torch.nn.Parameter(torch.full((2, 3), 0.001, dtype=torch.float64))
    optimizer = torch.optim.Adam([multiplier], lr=0.05, betas=(0.9, 0.999), eps=1e-8)
    state = ga_start((2, 3), dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    for _ in range(60):
        cost = 60 * torch.rand(2, 3, generator=generator, dtype=torch.float64)
        optimizer.zero_grad()
        (-multiplier * (cost - 25.0)).sum().backward()
        optimizer.step()
        with torch.no_grad():
            multiplier.clamp_(min=0.0)
        state = ga_step(state, cost, 25.0, lr=0.05)
        torch.testing.assert_close(state.multiplier, multiplier.detach(), atol=1e-12, rtol=0)


def test_adam_does_not_notice_a_rescaling_of_cost_and_limit_but_sgd_does():
    scaled = tuple(100.0 * cost for cost in COSTS)
    assert trace(scaled, 2500.0) == pytest.approx(trace(COSTS, 25.0), abs=1e-8)
    ordinary, larger = trace(COSTS, 25.0, dual_optimizer="sgd"), trace(scaled, 2500.0, dual_optimizer="sgd")
    assert larger[0] - 0.001 == pytest.approx(100 * (ordinary[0] - 0.001))


def test_the_start_the_step_size_and_the_cap_change_the_result():
    cost = torch.full((1, 1), 35.0)  # e = 10
    assert ga_step(ga_start((1, 1), init=0.5), cost, 25.0, lr=0.1, dual_optimizer="sgd").multiplier.item() == 1.5
    assert ga_step(ga_start((1, 1), init=0.0), cost, 25.0, lr=0.2, dual_optimizer="sgd").multiplier.item() == 2.0
    capped = ga_step(ga_start((1, 1), init=0.0), cost, 25.0, lr=0.2, dual_optimizer="sgd", multiplier_max=1.25)
    assert capped.multiplier.item() == 1.25


def test_lambda_is_projected_at_zero_and_leaves_it_at_the_first_violation():
    state = ga_step(ga_start((1, 1)), torch.zeros(1, 1), 25.0, dual_optimizer="sgd")
    assert state.multiplier.item() == 0.0
    assert ga_step(state, torch.full((1, 1), 26.0), 25.0, lr=0.5, dual_optimizer="sgd").multiplier.item() == 0.5


def test_every_seed_and_cost_may_have_its_own_step_size_start_and_limit():
    cost = torch.tensor([[30.0, 30.0], [30.0, 30.0]], dtype=torch.float64)
    limit = torch.tensor([10.0, 20.0], dtype=torch.float64)
    lr = torch.tensor([[0.1], [0.2]], dtype=torch.float64)
    init = torch.tensor([[0.0], [1.0]], dtype=torch.float64)
    state = ga_step(ga_start((2, 2), init=init, dtype=torch.float64), cost, limit, lr=lr, dual_optimizer="sgd")
    # λ + η e: 0 + 0.1·20, 0 + 0.1·10;  1 + 0.2·20, 1 + 0.2·10.
    torch.testing.assert_close(state.multiplier, torch.tensor([[2.0, 1.0], [5.0, 3.0]], dtype=torch.float64))


def test_an_unknown_optimizer_is_refused():
    with pytest.raises(ValueError, match=r"must be sgd or adam, but got 'rmsprop'"):
        ga_step(ga_start((1, 1)), torch.zeros(1, 1), 25.0, dual_optimizer="rmsprop")  # pyright: ignore


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_cost_that_is_not_finite_is_refused_by_seed_and_cost(bad: float):
    cost: Tensor = torch.zeros(3, 2)
    cost[2, 1] = bad
    with pytest.raises(ValueError, match=r"seed index 2, cost index 1 has cost (nan|inf)"):
        ga_step(ga_start((3, 2)), cost, 25.0)


def test_a_cost_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"\[S, m\] = \[3, 2\], but got \[3\]"):
        ga_step(ga_start((3, 2)), torch.zeros(3), 25.0)

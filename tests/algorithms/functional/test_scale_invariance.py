"""The cost's scale β against hand-worked numbers and the invariance that it promises."""

import math

import pytest
import torch
from torch import Tensor

from algorithms.functional.scale_invariance import ScaleState, scale_start, scale_step
from algorithms.functional.surrogate import center, clipped_surrogate, gaussian_log_prob, penalized_advantages


def norms(reward: float, *costs: float) -> tuple[Tensor, Tensor]:
    return torch.tensor([reward], dtype=torch.float64), torch.tensor([costs], dtype=torch.float64)


def start(num_costs: int = 1) -> ScaleState:
    return scale_start((1, num_costs), dtype=torch.float64)


def test_stookes_form_is_clipped_and_starts_from_one():
    # b = 6/2 = 3: β = 0.9·1 + 0.1·3 = 1.2.  b = 600/2 → 10: β = 0.9·1.2 + 0.1·10 = 2.08.  b = 0.02/2 → 0.1.
    state, expected = start(), (1.2, 2.08, 0.9 * 2.08 + 0.01)
    for reward, beta in zip((6.0, 600.0, 0.02), expected, strict=True):
        state = scale_step(state, *norms(reward, 2.0), scale_clip=10.0, scale_init="one")
        assert state.cost_scale.item() == pytest.approx(beta, abs=1e-6)


def test_the_studys_form_starts_from_the_first_ratio_of_each_cost():
    # b = (4, 0.5): β = b.  Then b = (8, 1): β = 0.9 (4, 0.5) + 0.1 (8, 1) = (4.4, 0.55).
    state = scale_step(start(2), *norms(2.0, 0.5, 4.0))
    torch.testing.assert_close(state.cost_scale, torch.tensor([[4.0, 0.5]], dtype=torch.float64))
    state = scale_step(state, *norms(4.0, 0.5, 4.0))
    torch.testing.assert_close(state.cost_scale, torch.tensor([[4.4, 0.55]], dtype=torch.float64))


def test_the_mean_can_be_switched_off():
    state = scale_step(scale_step(start(), *norms(2.0, 1.0)), *norms(5.0, 1.0), scale_ema=0.0)
    assert state.cost_scale.item() == pytest.approx(5.0)


def test_a_cost_without_a_gradient_leaves_its_scale():
    state = scale_step(scale_step(start(), *norms(3.0, 1.0)), *norms(3.0, 0.0))
    assert state.cost_scale.item() == pytest.approx(3.0)
    assert state.updates.item() == 1


@pytest.mark.parametrize("bad", [math.nan, -1.0, math.inf])
def test_norms_that_are_none_are_refused(bad: float):
    with pytest.raises(ValueError, match="must be finite and `≥ 0`"):
        scale_step(start(), *norms(1.0, bad))


def test_an_unknown_start_is_refused():
    with pytest.raises(ValueError, match="must be one or first"):
        scale_step(start(), *norms(1.0, 1.0), scale_init="two")  # pyright: ignore


def gradient(cost_advantages: Tensor, reward_advantages: Tensor, *, with_scale: bool) -> Tensor:
    """The policy's gradient on one fixed batch of a linear Gaussian policy, λ = 0.8, after three β updates."""
    generator = torch.Generator().manual_seed(0)
    observations, actions = (torch.randn(1, 200, 3, generator=generator, dtype=torch.float64) for _ in range(2))
    weights = torch.zeros(3, 3, dtype=torch.float64, requires_grad=True)
    log_std = torch.zeros(3, dtype=torch.float64)

    def ascend(advantages: Tensor) -> Tensor:
        log_probs = gaussian_log_prob(actions, observations @ weights, log_std)
        surrogate = clipped_surrogate(log_probs, log_probs.detach(), advantages, clip=0.2).sum()
        return torch.autograd.grad(surrogate, weights)[0]

    state = start()
    for _ in range(3):
        cost_norm = ascend(cost_advantages[..., 0]).norm().reshape(1, 1)
        state = scale_step(state, ascend(reward_advantages).norm().reshape(1), cost_norm)
    return ascend(
        penalized_advantages(
            reward_advantages,
            cost_advantages,
            torch.full((1, 1), 0.8, dtype=torch.float64),
            cost_scale=state.cost_scale if with_scale else None,
        )
    )


@pytest.mark.parametrize("scale", [0.01, 3.0, 100.0])
def test_scaling_the_costs_leaves_the_gradients_direction_with_it_and_not_without(scale: float):
    generator = torch.Generator().manual_seed(1)
    costs = center(torch.randn(1, 200, 1, generator=generator, dtype=torch.float64))
    rewards = torch.randn(1, 200, generator=generator, dtype=torch.float64)

    def cosine(with_scale: bool, cost_factor: float, reward_factor: float) -> float:
        plain = gradient(costs, rewards, with_scale=with_scale)
        scaled = gradient(cost_factor * costs, reward_factor * rewards, with_scale=with_scale)
        return torch.nn.functional.cosine_similarity(plain.flatten(), scaled.flatten(), dim=0).item()

    assert cosine(True, scale, 1.0) == pytest.approx(1.0, abs=1e-7)
    assert cosine(True, 1.0, scale) == pytest.approx(1.0, abs=1e-7)
    assert cosine(False, scale, 1.0) < 0.95

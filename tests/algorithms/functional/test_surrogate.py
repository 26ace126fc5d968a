"""Surrogates against hand-worked numbers and torch's distributions."""

import math

import pytest
import torch
from torch import Tensor
from torch.distributions import Independent, Normal, kl_divergence

from algorithms.functional.surrogate import (
    center,
    clipped_surrogate,
    difference_advantages,
    gaussian_entropy,
    gaussian_kl,
    gaussian_log_prob,
    penalized_advantages,
    penalized_rewards,
    standardize,
)


def tensor(*values: object) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def test_centering_and_standardizing_use_the_rows_of_one_seed_only():
    # Seed 0: mean 2, deviations −1, 1, population standard deviation 1. Seed 1: mean 10, deviations −3, 3.
    rows = tensor([1.0, 3.0], [7.0, 13.0])
    torch.testing.assert_close(center(rows), tensor([-1.0, 1.0], [-3.0, 3.0]))
    torch.testing.assert_close(standardize(rows), tensor([-1.0, 1.0], [-1.0, 1.0]), atol=1e-7, rtol=0)


def test_each_cost_is_centered_by_itself_along_the_given_axis():
    costs = torch.rand(2, 5, 3, dtype=torch.float64)
    torch.testing.assert_close(center(costs).mean(dim=1), torch.zeros(2, 3, dtype=torch.float64))
    torch.testing.assert_close(center(costs.transpose(0, 1), axis=0), center(costs).transpose(0, 1))
    torch.testing.assert_close(standardize(costs.transpose(0, 1), axis=0), standardize(costs).transpose(0, 1))


def test_equal_advantages_standardize_to_zero():
    assert standardize(torch.full((1, 4), 3.0)).abs().max().item() == 0.0


def test_epsilon_bounds_the_standardized_advantages():
    # Deviations ±1, standard deviation 1, epsilon 1: ±1/2.
    torch.testing.assert_close(standardize(tensor([1.0, 3.0]), epsilon=1.0), tensor([-0.5, 0.5]))


def test_the_penalized_advantage_sums_over_costs_and_divides_by_one_plus_the_sum():
    # (10 − 0.5·4 − 1.5·2) / (1 + 0.5 + 1.5) = 5/3;  seed 1 with λ = 0: the reward advantage.
    mixed = penalized_advantages(
        tensor([10.0], [7.0]), tensor([[4.0, 2.0]], [[9.0, 9.0]]), tensor([0.5, 1.5], [0.0, 0.0])
    )
    torch.testing.assert_close(mixed, tensor([5 / 3], [7.0]))


def test_the_cost_scale_weighs_the_costs_but_not_the_division():
    # (10 − 0.5·3·4) / (1 + 0.5) = 8/3.
    mixed = penalized_advantages(tensor([10.0]), tensor([[4.0]]), tensor([0.5]), cost_scale=tensor([3.0]))
    torch.testing.assert_close(mixed, tensor([8 / 3]))


def test_a_huge_multiplier_leaves_only_the_cost():
    mixed = penalized_advantages(tensor([10.0]), tensor([[4.0]]), tensor([1e12]))
    assert mixed.item() == pytest.approx(-4.0)


def test_the_difference_form_weighs_reward_and_cost_with_one_minus_the_multiplier_and_it():
    # (1 − 0.25 − 0.5)·8 − 0.25·4 − 0.5·2 = 0;  with Σλ = 1.5 the reward's weight stays 0: −0.75·4 − 0.75·2 = −4.5.
    mixed = difference_advantages(
        tensor([8.0], [8.0]), tensor([[4.0, 2.0]], [[4.0, 2.0]]), tensor([0.25, 0.5], [0.75, 0.75])
    )
    torch.testing.assert_close(mixed, tensor([0.0], [-4.5]))


def test_penalized_rewards_subtract_each_seeds_weighted_costs():
    # Seed 0: 1 − 2·1 − 3·0.5 = −2.5;  seed 1: 1 − 0 = 1.
    rewards, costs = torch.ones(1, 2, 1).double(), tensor([1.0, 0.5]).expand(1, 2, 1, 2)
    penalized = penalized_rewards(rewards, costs, tensor([2.0, 3.0], [0.0, 0.0]))
    torch.testing.assert_close(penalized, tensor([[-2.5], [1.0]]))


def test_the_surrogate_clips_only_what_would_gain_by_leaving():
    # ε = 0.2. ρ = 1.5, A = 2: min(3, 2.4) = 2.4.   ρ = 1.5, A = −2: min(−3, −2.4) = −3.
    #          ρ = 0.5, A = 2: min(1, 1.6) = 1.      ρ = 0.5, A = −2: min(−1, −1.6) = −1.6.   Mean −0.3.
    log_ratio = tensor([1.5, 1.5, 0.5, 0.5]).log()
    surrogate = clipped_surrogate(log_ratio + 0.7, torch.full((1, 4), 0.7).double(), tensor([2.0, -2, 2, -2]), clip=0.2)
    torch.testing.assert_close(surrogate, tensor(-0.3))


def test_every_seed_may_have_its_own_clip():
    log_probs, zeros, ones = tensor([0.0], [0.0]) + math.log(2.0), tensor([0.0], [0.0]), tensor([1.0], [1.0])
    surrogate = clipped_surrogate(log_probs, zeros, ones, clip=tensor([0.1], [0.3]))
    torch.testing.assert_close(surrogate, tensor(1.1, 1.3))


def test_one_seeds_surrogate_has_no_gradient_from_another():
    log_probs = torch.zeros(2, 3, requires_grad=True)
    clipped_surrogate(log_probs, torch.zeros(2, 3), torch.ones(2, 3), clip=0.2)[0].backward()
    assert log_probs.grad is not None
    assert log_probs.grad[0].tolist() == pytest.approx([1 / 3] * 3)
    assert log_probs.grad[1].abs().max().item() == 0.0


def test_gaussian_quantities_equal_those_of_torch_distributions():
    generator = torch.Generator().manual_seed(0)
    actions, old_mean, mean = (torch.randn(2, 5, 3, generator=generator, dtype=torch.float64) for _ in range(3))
    old_log_std, log_std = (torch.randn(2, 1, 3, generator=generator, dtype=torch.float64) for _ in range(2))
    new = Independent(Normal(mean, log_std.exp().expand_as(mean)), 1)
    old = Independent(Normal(old_mean, old_log_std.exp().expand_as(mean)), 1)
    torch.testing.assert_close(gaussian_log_prob(actions, mean, log_std), new.log_prob(actions))
    torch.testing.assert_close(gaussian_entropy(log_std).expand(2, 5), new.entropy())
    torch.testing.assert_close(gaussian_kl(old_mean, old_log_std, mean, log_std), kl_divergence(old, new))

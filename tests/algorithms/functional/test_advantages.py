"""Advantages against hand-worked numbers and the definition."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from algorithms.functional.advantages import generalized_advantages


def column(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64).unsqueeze(1)


def flags(*values: int) -> Tensor:
    return torch.tensor(values, dtype=torch.bool).unsqueeze(1)


def test_equals_hand_worked_advantages_of_an_unfinished_episode():
    # γ = 0.5, λ = 0.5. δ_0 = 1 + 0.5·4 − 2 = 1;  δ_1 = 2 + 0.5·6 − 4 = 1;  δ_2 = 3 + 0.5·8 − 6 = 1.
    # A_2 = 1;  A_1 = 1 + 0.25·1 = 1.25;  A_0 = 1 + 0.25·1.25 = 1.3125.
    advantages = generalized_advantages(
        column(1, 2, 3), column(2, 4, 6), column(4, 6, 8), flags(0, 0, 0), flags(0, 0, 0), discount=0.5, lambda_=0.5
    )
    torch.testing.assert_close(advantages, column(1.3125, 1.25, 1.0))


def test_a_terminated_step_has_no_value_beyond_and_a_truncated_one_has():
    # Step 0 ends an episode, step 1 another. δ_0 = 1 − 2 = −1 where terminated, 1 + 0.5·4 − 2 = 1 where truncated.
    rewards, values, nexts = column(1, 0), column(2, 0), column(4, 0)
    for terminated, expected in ((flags(1, 0), -1.0), (flags(0, 0), 1.0)):
        advantages = generalized_advantages(rewards, values, nexts, terminated, flags(1, 0), discount=0.5, lambda_=0.9)
        assert advantages[0, 0].item() == expected


def test_nothing_is_carried_back_over_the_end_of_an_episode():
    values, no = column(0, 0), flags(0, 0)
    cut = generalized_advantages(column(0, 7), values, values, no, flags(1, 0), discount=0.9, lambda_=0.9)
    joined = generalized_advantages(column(0, 7), values, values, no, no, discount=0.9, lambda_=0.9)
    assert cut[0, 0].item() == 0.0
    assert joined[0, 0].item() == pytest.approx(0.81 * 7)


def test_a_value_that_is_not_finite_beyond_a_terminal_state_does_not_count():
    advantages = generalized_advantages(
        column(1), column(0), column(float("nan")), flags(1), flags(1), discount=0.9, lambda_=0.9
    )
    assert advantages.item() == 1.0


def test_lambda_one_gives_the_discounted_return_minus_the_value():
    rewards, values = torch.rand(6, 3, dtype=torch.float64), torch.rand(7, 3, dtype=torch.float64)
    no = torch.zeros(6, 3, dtype=torch.bool)
    advantages = generalized_advantages(rewards, values[:-1], values[1:], no, no, discount=0.9, lambda_=1.0)
    returns = sum(0.9**t * rewards[t] for t in range(6)) + 0.9**6 * values[6]
    torch.testing.assert_close(advantages[0], returns - values[0])


def test_costs_share_the_flags_of_their_environment():
    costs, values, nexts = (torch.rand(5, 2, 3, 4, dtype=torch.float64) for _ in range(3))
    terminated = torch.rand(5, 2, 3) < 0.3
    ended = terminated | (torch.rand(5, 2, 3) < 0.3)
    together = generalized_advantages(costs, values, nexts, terminated, ended, discount=0.9, lambda_=0.8)
    for i in range(4):
        alone = generalized_advantages(
            costs[..., i], values[..., i], nexts[..., i], terminated, ended, discount=0.9, lambda_=0.8
        )
        torch.testing.assert_close(together[..., i], alone)


def test_every_seed_may_have_its_own_discount_and_lambda():
    rewards, values, nexts = (torch.rand(5, 2, 3, dtype=torch.float64) for _ in range(3))
    no = torch.zeros(5, 2, 3, dtype=torch.bool)
    discount, lambda_ = torch.tensor([[0.9], [0.5]]).double(), torch.tensor([[0.8], [0.3]]).double()
    together = generalized_advantages(rewards, values, nexts, no, no, discount=discount, lambda_=lambda_)
    for s, (gamma, lam) in enumerate(((0.9, 0.8), (0.5, 0.3))):
        alone = generalized_advantages(
            rewards[:, s], values[:, s], nexts[:, s], no[:, s], no[:, s], discount=gamma, lambda_=lam
        )
        torch.testing.assert_close(together[:, s], alone, atol=1e-7, rtol=1e-6)


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 12), st.integers(0, 2**31), st.floats(0, 1), st.floats(0, 1))
def test_equals_the_definition_as_a_sum_over_the_rest_of_the_episode(length: int, seed: int, gamma: float, lam: float):
    generator = torch.Generator().manual_seed(seed)
    rewards, values, nexts = (torch.randn(length, generator=generator, dtype=torch.float64) for _ in range(3))
    terminated = torch.rand(length, generator=generator) < 0.2
    ended = terminated | (torch.rand(length, generator=generator) < 0.2)
    advantages = generalized_advantages(rewards, values, nexts, terminated, ended, discount=gamma, lambda_=lam)
    for t in range(length):
        expected, weight = 0.0, 1.0
        for k in range(t, length):
            beyond = 0.0 if terminated[k] else nexts[k].item()
            expected += weight * (rewards[k].item() + gamma * beyond - values[k].item())
            weight *= gamma * lam
            if ended[k]:
                break
        assert advantages[t].item() == pytest.approx(expected, abs=1e-9)


def test_wrong_shapes_and_flags_are_refused():
    one, no = column(1, 2), flags(0, 0)
    with pytest.raises(ValueError, match="must have one shape"):
        generalized_advantages(one, one[:1], one, no, no, discount=0.9, lambda_=0.9)
    with pytest.raises(ValueError, match="`ended` must be bool"):
        generalized_advantages(one, one, one, no, one, discount=0.9, lambda_=0.9)
    with pytest.raises(ValueError, match="wherever `terminated` does"):
        generalized_advantages(one, one, one, flags(1, 0), no, discount=0.9, lambda_=0.9)

import pytest
import torch
from torch import Tensor

from algorithms.functional.soft_actor_critic import cost_targets, policy_loss, reward_targets, temperature_loss


def of(*values: float) -> Tensor:
    return torch.tensor([values])


def test_a_reward_target_is_the_reward_and_the_discounted_soft_value() -> None:
    # 1 + 0.9 · (10 − 0.5 · (−2)) = 10.9; a terminal state is worth nothing.
    targets = reward_targets(
        of(1.0, 1.0), torch.tensor([[False, True]]), of(10.0, 10.0), of(-2.0, -2.0), torch.tensor([0.5]), gamma=0.9
    )
    torch.testing.assert_close(targets, of(10.9, 1.0))


def test_a_cost_target_has_no_entropy() -> None:
    # 0.5 + 0.8 · 4 = 3.7
    costs, values = torch.full((1, 2, 1), 0.5), torch.full((1, 2, 1), 4.0)
    targets = cost_targets(costs, torch.tensor([[False, True]]), values, cost_gamma=0.8)
    torch.testing.assert_close(targets, torch.tensor([[[3.7], [0.5]]]))


def test_the_policys_loss_weighs_reward_and_each_cost_and_is_divided_by_all_weights() -> None:
    # Rows: 0.1 · (−1) − 2 + 0.5 · 2 · 3 + 1 · 1 · 4 = 4.9;  0.1 · 1 − 0 + 0.5 · 2 · 1 + 0 = 1.1;  mean 3; / (1 + 1.5).
    costs = torch.tensor([[[3.0, 4.0], [1.0, 0.0]]])
    multiplier, scale = torch.tensor([[[0.5, 1.0]]]), torch.tensor([[[2.0, 1.0]]])
    loss = policy_loss(of(-1.0, 1.0), of(2.0, 0.0), costs, torch.tensor([0.1]), multiplier, cost_scale=scale)
    assert loss.tolist() == pytest.approx([3.0 / 2.5])


def test_a_multiplier_of_each_state_is_the_same_code() -> None:
    log_probs, values, costs = torch.randn(2, 5), torch.randn(2, 5), torch.randn(2, 5, 1)
    one = torch.tensor([[[0.3]], [[2.0]]])
    alpha = torch.tensor([0.1, 0.2])
    scalar = policy_loss(log_probs, values, costs, alpha, one)
    torch.testing.assert_close(policy_loss(log_probs, values, costs, alpha, one.expand(2, 5, 1)), scalar)
    # A row whose state has another λ: (0.1 · 1 − 2 + 3 · 4) / (1 + 3) = 2.525 beside (0.1 · 1 − 2) / 1 = −1.9.
    each = policy_loss(
        of(1.0, 1.0), of(2.0, 2.0), torch.full((1, 2, 1), 4.0), torch.tensor([0.1]), torch.tensor([[[3.0], [0.0]]])
    )
    assert each.tolist() == pytest.approx([(2.525 - 1.9) / 2])


def test_the_temperature_falls_while_the_entropy_is_above_its_target() -> None:
    for entropy, falls in ((1.0, True), (-3.0, False)):
        log_alpha = torch.zeros(1, requires_grad=True)
        temperature_loss(log_alpha, of(-entropy), -2.0).sum().backward()
        assert log_alpha.grad is not None
        assert bool(log_alpha.grad.item() > 0) == falls  # descending, a positive gradient lowers log α
    # −0.7 · mean(−1 + (−2), −3 + (−2)) = −0.7 · −4
    assert temperature_loss(torch.tensor([0.7]), of(-1.0, -3.0), -2.0).item() == pytest.approx(2.8)

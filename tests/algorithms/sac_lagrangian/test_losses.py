"""The losses against their definitions, and their gradients against central differences in float64."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from algorithms.functional.scale_invariance import scale_start, scale_step
from algorithms.functional.soft_actor_critic import cost_targets
from algorithms.sac_lagrangian.losses import (
    critic_losses,
    critic_targets,
    policy_losses,
    policy_terms,
    signal_norms,
)
from algorithms.sac_lagrangian.replay import Batch
from tests.algorithms.sac_lagrangian.networks import ACTIONS, make_batch, make_networks

MULTIPLIER = torch.tensor([[[0.5, 0.2]], [[0.0, 3.0]]], dtype=torch.float64)
ONE = torch.ones(2, 2, dtype=torch.float64)


def discounted(batch: Batch, next_values: Tensor) -> Tensor:
    return cost_targets(batch.costs, batch.terminated, next_values, cost_gamma=0.99)


def noise(seed: int = 1) -> Tensor:
    return torch.randn(2, 6, ACTIONS, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def differences(loss: Callable[[], Tensor], matrix: Tensor, step: float = 1e-6) -> Tensor:
    """d(loss)/d(matrix) by central differences."""
    flat, slopes = matrix.detach().view(-1), torch.zeros(matrix.numel(), dtype=matrix.dtype)
    for index in range(len(flat)):
        kept = flat[index].item()
        ends: list[float] = []
        for shift in (step, -step):
            flat[index] = kept + shift
            ends.append(loss().item())
        flat[index] = kept
        slopes[index] = (ends[0] - ends[1]) / (2.0 * step)
    return slopes.view_as(matrix)


@pytest.mark.parametrize("cost_critics", [1, 2])
def test_the_gradients_are_those_of_central_differences(cost_critics: int) -> None:
    networks, batch = make_networks(cost_critics=cost_critics), make_batch()
    targets = critic_targets(networks, batch, noise(), 0.99, discounted)

    def of_critics() -> Tensor:
        return critic_losses(networks, batch, targets)[0].sum()

    def of_policies() -> Tensor:
        alpha = networks.log_alpha.detach().exp()
        return policy_losses(policy_terms(networks, batch.observations, noise(2)), alpha, MULTIPLIER, 2.0 * ONE).sum()

    for loss, matrix in ((of_critics, networks.critics), (of_policies, networks.policies)):
        (gradient,) = torch.autograd.grad(loss(), matrix)
        torch.testing.assert_close(gradient, differences(loss, matrix), rtol=1e-5, atol=1e-8)
        assert gradient.abs().sum() > 0


def test_the_policys_loss_gives_the_critics_no_gradient() -> None:
    networks, batch = make_networks(), make_batch()
    losses = policy_losses(policy_terms(networks, batch.observations, noise()), torch.ones(2), MULTIPLIER, ONE)
    assert torch.autograd.grad(losses.sum(), networks.critics, allow_unused=True) == (None,)


def test_targets_take_the_smaller_reward_and_the_larger_cost_critic_of_the_target_networks() -> None:
    """The target critics' last biases are all that differs: rows of a seed are r1, r2, c1, c1', c2, c2'."""
    networks, batch = make_networks(), make_batch()
    with torch.no_grad():
        networks.targets.zero_()
        networks.targets.view(2, 6, -1)[:, :, -1] = torch.tensor([5.0, 2.0, 0.5, 1.5, 4.0, 3.0])
        networks.policies.zero_()  # mean 0, σ 1: the action is tanh of the noise
    targets = critic_targets(networks, batch, torch.zeros(2, 6, ACTIONS, dtype=torch.float64), 0.99, discounted)
    # log π of action 0 is −log 2π; α = 0.2.
    soft = 2.0 + 0.2 * torch.log(torch.tensor(2.0 * torch.pi, dtype=torch.float64))
    goes_on = (~batch.terminated).double()
    reward = batch.rewards + 0.99 * goes_on * soft
    torch.testing.assert_close(targets[:, :2], reward.unsqueeze(1).expand(-1, 2, -1))
    for critics, value, cost in (((2, 3), 1.5, 0), ((4, 5), 4.0, 1)):
        expected = batch.costs[..., cost] + 0.99 * goes_on * value
        for critic in critics:
            torch.testing.assert_close(targets[:, critic], expected)


def test_seeds_do_not_mix() -> None:
    both, batch = make_networks((3, 4)), make_batch()
    alone = make_networks((4,))
    of_one = type(batch)(*(part[1:] for part in batch))
    targets = critic_targets(both, batch, noise(), 0.99, discounted)
    torch.testing.assert_close(targets[1:], critic_targets(alone, of_one, noise()[1:], 0.99, discounted))
    losses = critic_losses(both, batch, targets)[0]
    torch.testing.assert_close(losses[1:], critic_losses(alone, of_one, targets[1:])[0])
    terms = policy_terms(both, batch.observations, noise())
    for several, single in zip(terms, policy_terms(alone, of_one.observations, noise()[1:]), strict=True):
        torch.testing.assert_close(several[1:], single)


def test_with_the_invariance_a_rescaled_cost_does_not_turn_the_policys_gradient() -> None:
    """Costs and limit k times as large make cost critics k times as large, and leave a multiplier moved by Adam."""
    batch = make_batch(num_costs=1)
    multiplier = MULTIPLIER[..., 1:] + 0.5

    def direction(factor: float, *, invariant: bool) -> Tensor:
        networks = make_networks(num_costs=1, cost_critics=1)
        with torch.no_grad():  # the last layer: 4 weights and a bias
            networks.critics.view(2, 3, -1)[:, 2, -5:] *= factor
        terms, alpha = policy_terms(networks, batch.observations, noise()), torch.tensor([0.2, 0.2])
        state = scale_start((2, 1), dtype=torch.float64)
        if invariant:
            norms = signal_norms(networks, terms, alpha)
            state = scale_step(state, norms[:, 0], norms[:, 1:])
        losses = policy_losses(terms, alpha, multiplier, state.cost_scale)
        (gradient,) = torch.autograd.grad(losses.sum(), networks.policies)
        return gradient / gradient.norm(dim=1, keepdim=True)

    torch.testing.assert_close(direction(50.0, invariant=True), direction(1.0, invariant=True), rtol=1e-5, atol=1e-7)
    turned = (direction(50.0, invariant=False) * direction(1.0, invariant=False)).sum(1)
    assert (turned < 0.99).all()


def test_the_norms_are_those_of_each_signals_own_gradient() -> None:
    networks, batch = make_networks(), make_batch()
    alpha = torch.tensor([0.2, 0.4], dtype=torch.float64)
    norms = signal_norms(networks, policy_terms(networks, batch.observations, noise()), alpha)
    terms = policy_terms(networks, batch.observations, noise())
    for signal in range(3):
        # The reward's signal is the loss with λ = 0; a cost's the loss with λ of it alone, less that of the reward.
        loss = (
            (alpha.unsqueeze(1) * terms.log_probs - terms.reward_values).mean(1)
            if signal == 0
            else terms.cost_values[..., signal - 1].mean(1)
        )
        (gradient,) = torch.autograd.grad(loss.sum(), networks.policies, retain_graph=True)
        torch.testing.assert_close(norms[:, signal], gradient.norm(dim=1))

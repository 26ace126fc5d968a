"""The multiplier network: hand-worked steps, gradients, the tabular limit, seeds apart, state to the bit."""

import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from algorithms.multiplier_network import MultiplierNetwork
from algorithms.parameters import NetworkMultiplier

SMALL = {"multiplier_hidden_sizes": (6, 5), "lr": 0.02, "init": 0.5, "multiplier_max": 4.0}


def make_network(seeds: tuple[int, ...] = (0, 1), observation_size: int = 3, **changed: Any) -> MultiplierNetwork:
    parameters = NetworkMultiplier.model_validate({**SMALL, **changed})
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    return MultiplierNetwork(len(seeds), observation_size, parameters, generators)


def batch(seeds: tuple[int, ...] = (0, 1), rows: int = 8, size: int = 3) -> tuple[Tensor, Tensor]:
    """Observations and violations that depend on the seed alone."""
    generators = [torch.Generator().manual_seed(100 + seed) for seed in seeds]
    observations = torch.stack([torch.randn(rows, size, generator=g) for g in generators])
    return observations, torch.stack([torch.randn(rows, generator=g) for g in generators])


def trained(seeds: tuple[int, ...] = (0, 1), steps: int = 30, **changed: Any) -> MultiplierNetwork:
    network = make_network(seeds, **changed)
    observations, violation = batch(seeds)
    for index in range(steps):
        network.step(observations, violation * math.cos(index / 5.0) + 0.2)
    return network


def one_state(**changed: Any) -> tuple[MultiplierNetwork, Tensor]:
    """A single free parameter: λ = log(1 + exp b), b the bias; the observation 0 hides the weight."""
    network = make_network((0,), 1, multiplier_hidden_sizes=(), **changed)
    return network, torch.zeros(1, 1, 1)


def test_before_the_first_step_every_state_has_the_first_multiplier():
    for output in ("softplus", "tanh"):
        network = make_network(output=output)
        torch.testing.assert_close(network.value(batch()[0]), torch.full((2, 8), 0.5))


def test_the_policy_sees_the_penalty_only_where_it_is_on():
    observations, violation = torch.zeros(1, 3, 3), torch.tensor([[1.0, -0.1, -9.0]])
    # λ = 0.5, ρ = 2: 0.5 + 2 = 2.5; 0.5 − 0.2 = 0.3; 0.5 − 18 → 0.
    on = make_network((0,), penalty_weight=2.0).effective(observations, violation)
    assert on[0].tolist() == pytest.approx([2.5, 0.3, 0.0], abs=1e-6)
    off = make_network((0,), penalty_weight=2.0, penalty="off").effective(observations, violation)
    assert off[0].tolist() == pytest.approx([0.5, 0.5, 0.5], abs=1e-6)


def test_a_step_moves_along_the_loss_by_the_step_size():
    # One parameter: Adam's first step is lr · sign of the gradient. g > 0 raises the bias by 0.02 in either mode.
    for target in ("ascent", "regression"):
        network, state = one_state(target=target)
        before = math.log(math.expm1(0.5))
        network.step(state, torch.tensor([[0.3]]))
        expected = math.log1p(math.exp(before + 0.02))
        assert network.value(state).item() == pytest.approx(expected, abs=1e-6)
        network, state = one_state(target=target)
        network.step(state, torch.tensor([[-0.3]]))
        assert network.value(state).item() == pytest.approx(math.log1p(math.exp(before - 0.02)), abs=1e-6)


def test_regression_goes_to_the_dual_target_of_the_target_copy_and_the_copy_follows_by_tau():
    network, state = one_state(penalty_weight=2.0, multiplier_tau=0.25)
    violation = torch.tensor([[0.4]])
    # y = 0.5 + 2·0.4 = 1.3 and the loss is (0.5 − 1.3)² = 0.64.
    assert network.dual_target(state, violation).item() == pytest.approx(1.3, abs=1e-6)
    assert network.losses(state, violation).tolist() == pytest.approx([0.64], abs=1e-5)
    bias = math.log(math.expm1(0.5))
    network.step(state, violation)
    # The copy's bias went a quarter of the way from b to b + 0.02.
    copy = math.log1p(math.exp(bias + 0.25 * 0.02))
    assert network.dual_target(state, violation).item() == pytest.approx(copy + 0.8, abs=1e-6)


def test_ascent_does_not_wind_up_beyond_the_cap_and_comes_down_from_it():
    network, state = one_state(target="ascent", lr=0.5)
    for _ in range(100):
        network.step(state, torch.tensor([[1.0]]))
    assert network.value(state).item() == 4.0
    for _ in range(20):
        network.step(state, torch.tensor([[-1.0]]))
    assert network.value(state).item() < 3.0


def test_the_penalty_weight_grows_where_violations_persist():
    # κ = 2, ρ_max = 3, r = 0.5, a test every 2 steps; mean max(0, g) over the tests: 1, 0.8, 0.3, 0.3.
    network, state = one_state(
        penalty_weight=1.0, penalty_growth=2.0, penalty_cap=3.0, required_decrease=0.5, penalty_every=2
    )
    weights: list[float] = []
    for violation in (0.5, 1.5, 0.8, 0.8, 0.6, -5.0, 0.3, 0.3):
        network.step(state, torch.tensor([[violation]]))
        weights.append(network.penalty_weight.item())
    # The first test only measures; 0.8 > 0.5·1: 2; 0.3 ≤ 0.5·0.8: stays; 0.3 > 0.5·0.3: min(4, 3).
    assert weights == [1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 2.0, 3.0]


def test_each_seed_has_its_own_penalty_weight():
    network = make_network(penalty_weight=1.0, penalty_growth=2.0, penalty_cap=9.0, penalty_every=1)
    for _ in range(2):
        network.step(batch()[0], torch.tensor([[1.0], [-1.0]]).expand(2, 8))
    assert network.penalty_weight.tolist() == [[2.0], [1.0]]


def test_a_step_is_taken_at_every_nth_call():
    network, (observations, violation) = make_network(update_every=3), batch()
    values = [network.value(observations)]
    for _ in range(6):
        network.step(observations, violation)
        values.append(network.value(observations))
    moved = [not torch.equal(old, new) for old, new in itertools.pairwise(values)]
    assert moved == [True, False, False, True, False, False]


@pytest.mark.parametrize("target", ["regression", "ascent"])
@pytest.mark.parametrize("activation", ["relu", "elu", "tanh"])
def test_gradients_equal_finite_differences_through_the_whole_network(target: str, activation: str):
    network, (observations, violation) = trained(target=target, multiplier_activation=activation), batch()
    network._layers = [part.detach().double().requires_grad_() for part in network._layers]
    network._target = [part.double() for part in network._target]
    network.penalty_weight = network.penalty_weight.double()
    observations, violation, step = observations.double(), violation.double(), 1e-6
    gradients = torch.autograd.grad(network.losses(observations, violation).sum(), network._layers)
    rng = np.random.default_rng(0)
    for part, gradient in zip(network._layers, gradients, strict=True):
        index = tuple(int(rng.integers(size)) for size in part.shape)
        slopes: list[float] = []
        for sign in (1.0, -1.0):
            part.data[index] += sign * step
            slopes.append(network.losses(observations, violation).sum().item())
            part.data[index] -= sign * step
        assert gradient[index].item() == pytest.approx((slopes[0] - slopes[1]) / (2 * step), rel=1e-4, abs=1e-8)


def test_in_the_tabular_limit_full_regression_is_the_exact_augmented_lagrangian_step():
    # One-hot states and a linear network: a parameter a state. The target copy rests (τ → 0) while the network fits.
    network = make_network((0,), 4, multiplier_hidden_sizes=(), multiplier_tau=1e-9, penalty_weight=2.0, lr=0.05)
    states, violation = torch.eye(4).unsqueeze(0), torch.tensor([[0.4, -0.1, -9.0, 5.0]])
    for _ in range(1500):
        network.step(states, violation)
    # max(0, 0.5 + 2 g): 1.3, 0.3, 0 (softplus comes near), and 10.5 capped at 4.
    assert network.value(states)[0].tolist() == pytest.approx([1.3, 0.3, 0.0, 4.0], abs=0.02)


def test_a_seed_comes_out_the_same_alone_and_among_others():
    among, observations = trained((3, 7, 5)), batch((3, 7, 5))[0]
    for index, seed in enumerate((3, 7, 5)):
        alone = trained((seed,))
        torch.testing.assert_close(alone.value(observations[index : index + 1])[0], among.value(observations)[index])


def test_a_network_continues_to_the_bit_from_its_state():
    changed = {"penalty_growth": 1.5, "penalty_every": 7, "update_every": 2}
    first = trained(steps=25, **changed)
    second = make_network((8, 9), **changed)
    second.set_state(first.get_state())
    observations, violation = batch()
    for network in (first, second):
        for _ in range(20):
            network.step(observations, violation)
    assert torch.equal(first.value(observations), second.value(observations))
    assert torch.equal(first.dual_target(observations, violation), second.dual_target(observations, violation))
    assert torch.equal(first.penalty_weight, second.penalty_weight)


def test_a_state_is_a_copy_and_that_of_an_unstepped_network_can_be_taken_too():
    network, observations = make_network(), batch()[0]
    state = network.get_state()
    before = network.value(observations)
    network.step(*batch())
    network.set_state(state)
    assert torch.equal(network.value(observations), before)
    network.step(*batch())
    again = make_network()
    again.step(*batch())
    assert torch.equal(network.value(observations), again.value(observations))


def test_the_measures_of_a_batch_equal_hand_worked_numbers():
    network = make_network((0,), penalty_weight=1.0)
    measured = network.measure(torch.zeros(1, 2, 3), torch.tensor([[1.0, -0.2]]))
    # λ = 0.5 in both; effective 1.5 and 0.3; |λ g| = 0.5 and 0.1; y − λ = g: (1 + 0.04) / 2.
    expected = {
        "multiplier/value": 0.5, "multiplier/std": 0.0, "multiplier/effective": 0.9, "multiplier/violation": 0.5,
        "multiplier/slackness": 0.3, "multiplier/at_cap": 0.0, "multiplier/penalty_weight": 1.0,
        "loss/multiplier": 0.52,
    }  # fmt: skip
    assert {name: value.item() for name, value in measured.items()} == pytest.approx(expected, abs=1e-5)
    network, state = one_state(target="ascent", lr=2.0, multiplier_max=0.6)
    network.step(state, torch.ones(1, 1))
    assert network.measure(state, torch.ones(1, 1))["multiplier/at_cap"].item() == 1.0


def test_generators_must_be_one_a_seed():
    with pytest.raises(ValueError, match=r"`len\(generators\) == num_seeds` must hold, but got 1 and 2"):
        MultiplierNetwork(2, 3, NetworkMultiplier(), [torch.Generator()])


@pytest.mark.parametrize(
    "changed",
    [
        {"penalty": "off"}, {"target": "ascent"}, {"penalty_weight": 0.7}, {"init": 0.7}, {"multiplier_max": 0.6},
        {"lr": 0.01}, {"update_every": 2}, {"multiplier_tau": 0.3}, {"multiplier_hidden_sizes": (4,)},
        {"multiplier_activation": "elu"}, {"multiplier_activation": "tanh"}, {"output": "tanh"},
        {"multiplier_grad_clip": 0.01}, {"penalty_growth": 2.0, "penalty_every": 5},
        {"penalty_growth": 2.0, "penalty_every": 5, "penalty_cap": 0.15},
        {"penalty_growth": 2.0, "penalty_every": 5, "required_decrease": 1.0},
    ],
    ids=str,
)  # fmt: skip
def test_every_parameter_changes_what_the_policy_sees(changed: dict[str, Any]):
    observations, violation = batch()

    def seen(**parameters: Any) -> Tensor:
        return trained(steps=40, **parameters).effective(observations, violation)

    plain = {name: changed[name] for name in changed if name in ("penalty_growth", "penalty_every")}
    assert not torch.allclose(seen(**changed), seen(), atol=1e-4)
    if plain != changed and plain:
        assert not torch.allclose(seen(**changed), seen(**plain), atol=1e-4)

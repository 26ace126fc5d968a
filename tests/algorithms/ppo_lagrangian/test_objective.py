import pytest
import torch
from torch import Tensor
from torch.distributions import Normal

from algorithms.networks import StackedActorCritic
from algorithms.parameters import PPOParameters
from algorithms.ppo_lagrangian import objective as objective_module
from algorithms.ppo_lagrangian.gradients import FusedGradients, Minibatch
from algorithms.ppo_lagrangian.objective import Objective, gradient_norms
from tests.algorithms.networks import make_networks, plain_network, random_rows

MULTIPLIER = torch.tensor([[0.5], [1.0], [2.0]])


@pytest.fixture
def networks() -> StackedActorCritic:
    return make_networks()


@pytest.fixture
def rows(networks: StackedActorCritic) -> Minibatch:
    return Minibatch(**random_rows(networks, 16))


@pytest.fixture
def signals() -> Tensor:
    """`[3, 16, 2]`: advantages of the reward and of one cost."""
    return torch.randn(3, 16, 2, generator=torch.Generator().manual_seed(5))


def policy_gradient(networks: StackedActorCritic, rows: Minibatch, advantages: Tensor) -> Tensor:
    gradients = FusedGradients(networks, PPOParameters(clip_param=1e9), 16)
    gradients.compute(rows._replace(advantages=advantages))
    return gradients.matrix.view(3, 3, -1)[:, 0]


def test_each_objective_mixes_by_its_formula(signals: Tensor) -> None:
    reward, cost = signals[..., 0], signals[..., 1]
    expected = {
        "mixed": (reward - MULTIPLIER * cost) / (1.0 + MULTIPLIER),
        "difference": (1.0 - MULTIPLIER).clamp(min=0.0) * reward - MULTIPLIER * cost,
        "penalized_reward": reward,
    }
    for name, mixed in expected.items():
        parameters = PPOParameters(objective=name)  # pyright: ignore[reportArgumentType]
        torch.testing.assert_close(Objective(parameters, 3, 1).mix(signals, MULTIPLIER), mixed)


def test_the_shadow_price_is_in_reward_per_cost() -> None:
    reward_std = torch.tensor([3.0, 4.0, 5.0])
    expected = {
        "mixed": [0.5 * 3.0, 1.0 * 4.0, 2.0 * 5.0],
        "difference": [0.5 * 3.0 / (1.0 - 0.5), float("inf"), float("inf")],  # from λ = 1 on rewards do not count
        "penalized_reward": [0.5, 1.0, 2.0],
    }
    for name, prices in expected.items():
        objective = Objective(PPOParameters(objective=name), 3, 1)  # pyright: ignore[reportArgumentType]
        assert objective.shadow_price(MULTIPLIER, reward_std).squeeze(1).tolist() == prices
    scaled = Objective(PPOParameters(scale_invariance="iteration"), 3, 1)
    scaled.scale = scaled.scale._replace(cost_scale=torch.tensor([[2.0], [3.0], [4.0]]))
    assert scaled.shadow_price(MULTIPLIER, reward_std).squeeze(1).tolist() == [3.0, 12.0, 40.0]


def test_norms_are_those_of_each_signals_own_gradient(
    networks: StackedActorCritic, rows: Minibatch, signals: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = gradient_norms(networks, rows, signals)
    for seed in range(3):
        plain = plain_network(networks, seed, 0)
        log_std = networks.log_std()[seed].detach().clone().requires_grad_()
        policy = Normal(plain(rows.observations[seed]), log_std.exp())
        ratio = (policy.log_prob(rows.actions[seed]).sum(1) - rows.log_probs[seed]).exp()
        for index in range(2):
            gain = (ratio * signals[seed, :, index]).mean()
            parts = torch.autograd.grad(gain, [*plain.parameters(), log_std], retain_graph=True)
            expected = torch.cat([part.flatten() for part in parts]).norm()
            torch.testing.assert_close(whole[seed, index], expected)
    monkeypatch.setattr(objective_module, "_CHUNK_ROWS", 5)
    torch.testing.assert_close(gradient_norms(networks, rows, signals), whole)


@pytest.mark.parametrize("mode", ["off", "iteration", "minibatch"])
def test_only_the_invariance_keeps_the_direction_when_costs_are_rescaled(
    mode: str, networks: StackedActorCritic, rows: Minibatch, signals: Tensor
) -> None:
    """A cost in units a hundred times smaller, with its limit, is the same problem."""
    parameters = PPOParameters(scale_invariance=mode)  # pyright: ignore[reportArgumentType]
    directions = []
    for scale in (1.0, 100.0):
        scaled = signals * torch.tensor([1.0, scale])
        objective = Objective(parameters, 3, 1)
        objective.rescale(networks, rows, scaled)
        gradient = policy_gradient(networks, rows, objective.mix(scaled, MULTIPLIER))
        directions.append(gradient / gradient.norm(dim=1, keepdim=True))
    cosine = (directions[0] * directions[1]).sum(1)
    if mode == "off":
        assert (cosine < 0.99).all()
    else:
        torch.testing.assert_close(cosine, torch.ones(3))


def test_beta_follows_its_mean_its_clip_and_its_start(
    networks: StackedActorCritic, rows: Minibatch, signals: Tensor
) -> None:
    norms = gradient_norms(networks, rows, signals)
    ratio = norms[:, :1] / norms[:, 1:]
    louder = signals * torch.tensor([1.0, 0.5])  # doubles the ratio
    objective = Objective(PPOParameters(scale_invariance="iteration", scale_ema=0.75), 3, 1)
    objective.rescale(networks, rows, signals)
    objective.rescale(networks, rows, louder)
    # 0.75 · r + 0.25 · 2 r = 1.25 r.
    torch.testing.assert_close(objective.scale.cost_scale, 1.25 * ratio)
    from_one = Objective(PPOParameters(scale_invariance="iteration", scale_ema=0.75, scale_init="one"), 3, 1)
    from_one.rescale(networks, rows, signals)
    torch.testing.assert_close(from_one.scale.cost_scale, 0.75 + 0.25 * ratio)
    clipped = Objective(PPOParameters(scale_invariance="iteration", scale_clip=1.01), 3, 1)
    clipped.rescale(networks, rows, 1e-3 * signals * torch.tensor([1.0, 1e-3]))
    torch.testing.assert_close(clipped.scale.cost_scale, torch.full((3, 1), 1.01))


def test_saved_and_restored_beta_goes_on(networks: StackedActorCritic, rows: Minibatch, signals: Tensor) -> None:
    parameters = PPOParameters(scale_invariance="iteration")
    straight, resumed = Objective(parameters, 3, 1), Objective(parameters, 3, 1)
    straight.rescale(networks, rows, signals)
    resumed.set_state(straight.get_state())
    for objective in (straight, resumed):
        objective.rescale(networks, rows, 2.0 * signals * torch.tensor([1.0, 3.0]))
    assert torch.equal(straight.scale.cost_scale, resumed.scale.cost_scale)

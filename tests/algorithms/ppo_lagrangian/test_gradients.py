import pytest
import torch
from torch.distributions import Normal

from algorithms.networks import StackedActorCritic
from algorithms.parameters import PPOParameters
from algorithms.ppo_lagrangian.gradients import AutogradGradients, FusedGradients, Minibatch
from tests.algorithms.networks import make_networks, plain_network, random_rows

PARAMETERS = PPOParameters(clip_param=0.2, entropy_coeff=0.03, critic_norm_coeff=0.01)


def make_problem(dtype: torch.dtype, num_costs: int = 1, rows: int = 16) -> tuple[StackedActorCritic, Minibatch]:
    networks = make_networks(num_costs=num_costs).to(dtype)
    with torch.no_grad():
        networks.log_std().copy_(torch.tensor([[0.3, -0.5], [-0.2, 0.1], [0.0, 0.4]], dtype=dtype))
    return networks, Minibatch(**random_rows(networks, rows))


def reference_gradient(networks: StackedActorCritic, batch: Minibatch, seed: int, network: int) -> torch.Tensor:
    """The gradient of one plain network's loss by torch's own layers and distributions, in the order of a row."""
    plain = plain_network(networks, seed, network)
    log_std = networks.log_std()[seed].detach().clone().requires_grad_()
    output = plain(batch.observations[seed])
    if network == 0:
        policy = Normal(output, log_std.exp())
        ratio = (policy.log_prob(batch.actions[seed]).sum(1) - batch.log_probs[seed]).exp()
        advantages = batch.advantages[seed]
        surrogate = torch.min(ratio * advantages, ratio.clamp(0.8, 1.2) * advantages).mean()
        loss = -surrogate - 0.03 * policy.entropy().sum(1).mean()
    else:
        loss = (output[:, 0] - batch.targets[seed, network - 1]).square().mean()
        loss = loss + 0.01 * sum(p.square().sum() for p in plain.parameters())
    gradients = torch.autograd.grad(loss, [*plain.parameters(), log_std], allow_unused=True)
    parts = []
    for gradient, like in zip(gradients, [*plain.parameters(), log_std], strict=True):
        part = torch.zeros_like(like) if gradient is None else gradient
        widened = part if network == 0 or part.shape[0] != 1 else torch.cat([part, torch.zeros_like(part)])
        parts.append(widened.T.flatten() if widened.dim() == 2 else widened)
    return torch.cat(parts)


@pytest.mark.parametrize("num_costs", [1, 2])
@pytest.mark.parametrize("path", ["autograd", "fused"])
def test_gradients_are_those_of_plain_networks_trained_alone(path: str, num_costs: int) -> None:
    networks, batch = make_problem(torch.float64, num_costs)
    gradients = (
        AutogradGradients(networks, PARAMETERS) if path == "autograd" else FusedGradients(networks, PARAMETERS, 16)
    )
    gradients.compute(batch)
    rows = gradients.matrix.view(3, 2 + num_costs, -1)
    for seed in range(3):
        for network in range(2 + num_costs):
            expected = reference_gradient(networks, batch, seed, network)
            torch.testing.assert_close(rows[seed, network], expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float64, 1e-12)])
def test_the_hand_written_backward_pass_equals_autograd(dtype: torch.dtype, tolerance: float) -> None:
    networks, batch = make_problem(dtype, rows=64)
    plain, fused = AutogradGradients(networks, PARAMETERS), FusedGradients(networks, PARAMETERS, 64)
    plain.compute(batch)
    fused.compute(batch)
    assert (plain.matrix - fused.matrix).norm() <= tolerance * plain.matrix.norm()


@pytest.mark.parametrize(("advantage", "shift", "flat"), [(1.0, 1.0, True), (-1.0, -1.0, True), (1.0, -1.0, False)])
def test_a_policy_beyond_its_clip_gets_no_gradient(advantage: float, shift: float, flat: bool) -> None:
    """Old log-densities far below (shift 1) or above the new ones put every ratio beyond 1 ± 0.2."""
    networks, batch = make_problem(torch.float64)
    far = batch._replace(advantages=torch.full_like(batch.advantages, advantage))
    means = networks.policy_means(batch.observations)
    now = Normal(means, networks.log_std().unsqueeze(1).exp()).log_prob(batch.actions).sum(-1)
    far = far._replace(log_probs=now.detach() - shift)
    gradients = FusedGradients(networks, PPOParameters(), 16)
    gradients.compute(far)
    policy = gradients.matrix.view(3, 3, -1)[:, 0]
    assert (torch.count_nonzero(policy) == 0) == flat


def test_buffers_carry_nothing_from_one_minibatch_to_the_next() -> None:
    networks, batch = make_problem(torch.float32)
    used, fresh = FusedGradients(networks, PARAMETERS, 16), FusedGradients(networks, PARAMETERS, 16)
    used.compute(Minibatch(**random_rows(networks, 16, seed=1)))
    used.compute(batch)
    fresh.compute(batch)
    assert torch.equal(used.matrix, fresh.matrix)

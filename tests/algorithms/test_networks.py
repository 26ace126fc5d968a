import pytest
import torch

from tests.algorithms.networks import make_networks, plain_network, random_rows


def test_every_stacked_network_is_the_plain_network_of_its_row() -> None:
    networks = make_networks(num_costs=2)
    observations = random_rows(networks, 7)["observations"]
    outputs = networks.outputs(observations)
    for seed in range(3):
        for network in range(4):
            expected = plain_network(networks, seed, network)(observations[seed])
            torch.testing.assert_close(outputs[seed, network, :, : expected.shape[1]], expected)
    torch.testing.assert_close(networks.policy_means(observations), outputs[:, 0])


def test_a_seed_starts_the_same_alone_and_among_others() -> None:
    among, alone = make_networks(seeds=(4, 7, 9)), make_networks(seeds=(7,))
    assert torch.equal(among.matrix.view(3, 3, -1)[1], alone.matrix)
    assert not torch.equal(among.matrix.view(3, 3, -1)[0], alone.matrix)


def test_initial_parameters_are_uniform_within_one_over_the_root_of_the_inputs() -> None:
    networks = make_networks(hidden_sizes=(64, 64))
    for layer in networks.layout.layers(networks.matrix.detach()):
        bound = layer.weight.shape[1] ** -0.5
        policies = layer.weight[:: networks.num_networks]
        assert policies.abs().max() <= bound
        # A uniform distribution in ±b has the standard deviation b/√3.
        assert policies.std().item() == pytest.approx(bound / 3**0.5, rel=0.15)
        assert layer.bias[:: networks.num_networks].abs().max() <= bound
    assert torch.equal(networks.log_std(), torch.zeros(3, 2))


def test_what_a_critic_does_not_use_is_zero() -> None:
    networks = make_networks()
    last = networks.layout.layers(networks.matrix.detach())[-1]
    critics = last.weight.view(3, 3, 5, 2)[:, 1:]
    assert torch.count_nonzero(critics[..., 1:]) == 0
    assert torch.count_nonzero(critics[..., 0]) == critics[..., 0].numel()

"""Networks for tests, and a slow reference of them."""

import gymnasium
import numpy as np
import torch
from torch import Tensor, nn

from algorithms.networks import StackedActorCritic


def make_networks(
    seeds: tuple[int, ...] = (0, 1, 2), num_costs: int = 1, hidden_sizes: tuple[int, ...] = (8, 5)
) -> StackedActorCritic:
    """Networks for 4 observation entries and 2 action entries."""
    return StackedActorCritic(
        observation_space=gymnasium.spaces.Box(-np.inf, np.inf, (4,)),
        action_space=gymnasium.spaces.Box(-1.0, 1.0, (2,)),
        model_config={"seeds": seeds, "num_costs": num_costs, "hidden_sizes": hidden_sizes},
    )


def plain_network(networks: StackedActorCritic, seed_index: int, network: int) -> nn.Sequential:
    """One of the stacked networks as torch's own layers; a critic has one output."""
    row = seed_index * networks.num_networks + network
    layers: list[nn.Module] = []
    stacked = networks.layout.layers(networks.matrix.detach())
    for depth, (weight, bias) in enumerate(stacked):
        last = depth == len(stacked) - 1
        outputs = 1 if last and network > 0 else weight.shape[2]
        linear = nn.Linear(weight.shape[1], outputs).to(weight.dtype)
        linear.weight.data.copy_(weight[row, :, :outputs].T)
        linear.bias.data.copy_(bias[row, 0, :outputs])
        layers += [linear] if last else [linear, nn.Tanh()]
    return nn.Sequential(*layers)


def random_rows(networks: StackedActorCritic, num_rows: int, seed: int = 0) -> dict[str, Tensor]:
    """Rows of a minibatch for every seed, in the dtype of the networks."""
    generator, dtype = torch.Generator().manual_seed(seed), networks.matrix.dtype
    seeds = networks.num_seeds
    shapes = {
        "observations": (seeds, num_rows, 4),
        "actions": (seeds, num_rows, 2),
        "log_probs": (seeds, num_rows),
        "advantages": (seeds, num_rows),
        "targets": (seeds, networks.num_networks - 1, num_rows),
    }
    rows = {name: torch.randn(shape, generator=generator, dtype=torch.float64) for name, shape in shapes.items()}
    rows["log_probs"] = 0.4 * rows["log_probs"] - 3.0
    return {name: tensor.to(dtype) for name, tensor in rows.items()}

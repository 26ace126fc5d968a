"""The networks of S seeds as one: policy, reward critic and m cost critics, stacked so that one call serves all.

Axes: S seeds, K = 2 + m networks a seed (policy, reward critic, cost critics), N rows, O observation entries,
A action entries. Network k of seed s is row s·K + k of one parameter matrix `[S · K, q]`: every layer is a strided view
of it, `baddbmm` multiplies all rows at once, and a row is what an optimizer, a clip or a checkpoint handles.
Critics use the first of the A outputs only; the other weights stay 0.
"""

import itertools
import math
from typing import Any, NamedTuple

import torch
from ray.rllib.core.rl_module.torch import TorchRLModule
from ray.rllib.utils.annotations import override
from torch import Tensor


class Layer(NamedTuple):
    """One layer of every network: `weight` `[G, inputs, outputs]` and `bias` `[G, 1, outputs]`, views of the matrix."""

    weight: Tensor
    bias: Tensor


class LayerLayout:
    """Where each layer of a multilayer perceptron lies in a row.

    Attributes:
        sizes: Inputs, hidden layers, outputs.
        row_size: q, the number of parameters of a row.
    """

    def __init__(self, sizes: tuple[int, ...]):
        self.sizes = sizes
        self.row_size = sum((i + 1) * o for i, o in itertools.pairwise(sizes))

    def layers(self, matrix: Tensor) -> list[Layer]:
        """Views of every layer.

        Args:
            matrix: `[G, q]`, parameters or gradients of G networks.

        Returns:
            The layers from input to output.
        """
        rows, shapes = matrix.shape[0], list(itertools.pairwise(self.sizes))
        lengths = [length for inputs, outputs in shapes for length in (inputs * outputs, outputs)]
        # one split rather than slices: its backward pass writes the gradient once, a slice's a matrix of zeros each
        weights_and_biases = matrix.split([*lengths, matrix.shape[1] - sum(lengths)], dim=1)
        return [
            Layer(weight.view(rows, inputs, outputs), bias.view(rows, 1, outputs))
            for (inputs, outputs), weight, bias in zip(
                shapes, weights_and_biases[:-1:2], weights_and_biases[1::2], strict=True
            )
        ]

    def fill(self, row: Tensor, generator: torch.Generator) -> None:
        """Draws initial parameters, uniform in ±1/√inputs, as OmniSafe and torch do.

        Args:
            row: `[q]`; filled from its first layer on.
            generator: What to draw from.
        """
        for layer in self.layers(row.unsqueeze(0)):
            bound = 1.0 / math.sqrt(layer.weight.shape[1])
            for part in layer:
                part.copy_((torch.rand(part.shape, generator=generator) * 2.0 - 1.0) * bound)


class Layout(LayerLayout):
    """The same with the logarithm of a Gaussian policy's standard deviations at the end of the row.

    Attributes:
        num_actions: A.
    """

    def __init__(self, observation_size: int, hidden_sizes: tuple[int, ...], action_size: int):
        super().__init__((observation_size, *hidden_sizes, action_size))
        self.num_actions = action_size
        self.row_size += action_size

    def log_std(self, matrix: Tensor) -> Tensor:
        """View `[G, A]` of the logarithm of the policy's standard deviations; unused in a critic's row."""
        return matrix[:, -self.num_actions :]


class StackedActorCritic(TorchRLModule):
    """Policies and critics of S seeds; an RLModule so that RLlib saves, restores and distributes it.

    `model_config` holds `seeds` (the S seeds, which alone decide each seed's initial parameters), `num_costs` (m) and
    `hidden_sizes`. Initial weights and biases are uniform in ±1/√inputs, as OmniSafe's; `log_std` starts at 0.

    Attributes:
        matrix: `[S · K, q]` float32, every parameter.
        layout: Where each layer lies in a row.
        num_seeds: S.
        num_networks: K.
    """

    @override(TorchRLModule)
    def setup(self) -> None:
        config: dict[str, Any] = self.model_config
        self.num_seeds, self.num_networks = len(config["seeds"]), 2 + int(config["num_costs"])
        self.layout = Layout(self.observation_space.shape[0], tuple(config["hidden_sizes"]), self.action_space.shape[0])
        rows = [self._initial_rows(seed) for seed in config["seeds"]]
        self.matrix = torch.nn.Parameter(torch.cat(rows))

    def _initial_rows(self, seed: int) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        rows = torch.zeros(self.num_networks, self.layout.row_size)
        layers = self.layout.layers(rows)
        for index in range(self.num_networks):
            for depth, layer in enumerate(layers):
                bound = 1.0 / math.sqrt(layer.weight.shape[1])
                is_value = index > 0 and depth == len(layers) - 1
                for part in layer:
                    view = part[index, :, :1] if is_value else part[index]
                    view.copy_((torch.rand(view.shape, generator=generator) * 2.0 - 1.0) * bound)
        return rows

    def policy_rows(self) -> Tensor:
        """`[S, q]` view of the policies' parameters."""
        return self.matrix[:: self.num_networks]

    def log_std(self) -> Tensor:
        """`[S, A]` view of the logarithm of the policies' standard deviations."""
        return self.layout.log_std(self.policy_rows())

    def policy_means(self, observations: Tensor) -> Tensor:
        """Means of the policies' actions.

        Args:
            observations: `[S, N, O]` float32, normalized.

        Returns:
            `[S, N, A]` float32.
        """
        return self.means_of(self.policy_rows(), observations)

    def means_of(self, policy_rows: Tensor, observations: Tensor) -> Tensor:
        """Means of the actions of policies with other parameters.

        Args:
            policy_rows: `[S, q]`; parameters.
            observations: `[S, N, O]` float32, normalized.

        Returns:
            `[S, N, A]` float32.
        """
        return _forward(self.layout.layers(policy_rows), observations)

    def outputs(self, observations: Tensor) -> Tensor:
        """Outputs of every network.

        Args:
            observations: `[S, N, O]` float32, normalized.

        Returns:
            `[S, K, N, A]` float32: `[:, 0]` are the policies' means, `[:, 1, :, 0]` the reward values and
            `[:, 2:, :, 0]` the cost values.
        """
        stacked = _forward(self.layout.layers(self.matrix), self.stack(observations))
        return stacked.view(self.num_seeds, self.num_networks, *stacked.shape[1:])

    def stack(self, observations: Tensor) -> Tensor:
        """Repeats `[S, N, O]` observations for the K networks of each seed: `[S · K, N, O]`."""
        shape = (self.num_seeds, self.num_networks, *observations.shape[1:])
        return observations.unsqueeze(1).expand(shape).reshape(-1, *observations.shape[1:])

    @override(TorchRLModule)
    def _forward(self, batch: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        means = self.policy_means(batch["obs"])
        std = self.log_std().unsqueeze(1).expand_as(means)
        return {"action_dist_inputs": torch.cat([means, std], dim=-1)}


def _forward(layers: list[Layer], inputs: Tensor) -> Tensor:
    hidden = inputs
    for weight, bias in layers[:-1]:
        hidden = torch.baddbmm(bias, hidden, weight).tanh_()
    return torch.baddbmm(layers[-1].bias, hidden, layers[-1].weight)

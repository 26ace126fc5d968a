"""The networks of S seeds as few matrices: policies, critics, target critics and temperatures.

Axes: S seeds, K critics a seed (two of the reward, then one or two of each cost), N rows, O observation entries, A
action entries, m costs. As in `algorithms.networks`, a row of a matrix is one network, and one `baddbmm` serves all.
"""

import math
from collections.abc import Sequence
from typing import Any, cast

import torch
from ray.rllib.core.rl_module.torch import TorchRLModule
from ray.rllib.utils.annotations import override
from torch import Tensor

from algorithms.functional.squashed_gaussian import split_outputs
from algorithms.networks import LayerLayout


class StackedSoftActorCritic(TorchRLModule):
    """Policies and critics of S seeds; an RLModule so that RLlib saves, restores and distributes it.

    `model_config` holds `seeds` (which alone decide each seed's initial parameters), `num_costs` (m), `cost_critics`
    (of each cost), `hidden_sizes` and `alpha`, the initial temperature. For inference only the policies are built.

    Attributes:
        policies: `[S, q]` float32.
        critics: `[S · K, q']` float32.
        targets: `[S · K, q']` float32; parameters of the target critics.
        log_alpha: `[S]` float32; logarithm of the temperature.
        num_seeds: S.
        num_critics: K.
    """

    @override(TorchRLModule)
    def setup(self) -> None:
        config: dict[str, Any] = self.model_config
        seeds: Sequence[int] = config["seeds"]
        self.num_seeds, self._num_costs, self._cost_critics = len(seeds), config["num_costs"], config["cost_critics"]
        self.num_critics = 2 + self._num_costs * self._cost_critics
        inputs, actions = self.observation_space.shape[0], self.action_space.shape[0]
        self._policy_layout = LayerLayout((inputs, *config["hidden_sizes"], 2 * actions))
        self._critic_layout = LayerLayout((inputs + actions, *config["hidden_sizes"], 1))
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        self.policies = torch.nn.Parameter(_initial_rows(self._policy_layout, generators, 1))
        if self.inference_only:
            return
        self.critics = torch.nn.Parameter(_initial_rows(self._critic_layout, generators, self.num_critics))
        self.targets = torch.nn.Parameter(self.critics.detach().clone(), requires_grad=False)
        self.log_alpha = torch.nn.Parameter(torch.full((len(seeds),), math.log(config["alpha"])))

    def policy_outputs(self, observations: Tensor) -> Tensor:
        """Means and logarithms of standard deviations.

        Args:
            observations: `[S, N, O]` float32.

        Returns:
            `[S, N, 2 A]` float32.
        """
        return _perceptrons(self.policies, observations, self._policy_layout)

    def values(self, critics: Tensor, observations: Tensor, actions: Tensor) -> Tensor:
        """What every critic says of given actions.

        Args:
            critics: `[S · K, q']`; their parameters: `critics` or `targets`.
            observations: `[S, N, O]` float32.
            actions: `[S, N, A]` float32 in [−1, 1].

        Returns:
            `[S, K, N]` float32.
        """
        inputs = torch.cat([observations, actions], dim=-1)
        shape = (self.num_seeds, self.num_critics, *inputs.shape[1:])
        stacked = inputs.unsqueeze(1).expand(shape).reshape(-1, *inputs.shape[1:])
        return _perceptrons(critics, stacked, self._critic_layout).view(*shape[:2], -1)

    def smallest_reward_value(self, values: Tensor) -> Tensor:
        """`[S, N]`; the smaller of the two reward critics, which counters overestimation, from `[S, K, N]`."""
        return values[:, :2].amin(1)

    def largest_cost_values(self, values: Tensor) -> Tensor:
        """`[S, N, m]`; of each cost the larger one of its critics, from `[S, K, N]`."""
        return values[:, 2:].unflatten(1, (self._num_costs, self._cost_critics)).amax(2).transpose(1, 2)

    def spread_targets(self, reward: Tensor, costs: Tensor) -> Tensor:
        """`[S, K, N]`; for each critic its target, from `[S, N]` and `[S, N, m]`."""
        of_costs = costs.transpose(1, 2).repeat_interleave(self._cost_critics, dim=1)
        return torch.cat([reward.unsqueeze(1).expand(-1, 2, -1), of_costs], dim=1)

    @override(TorchRLModule)
    def _forward(self, batch: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        mean, log_std = split_outputs(self.policy_outputs(batch["obs"]))
        return {"action_dist_inputs": torch.cat([mean, log_std.exp()], dim=-1)}


def _initial_rows(layout: LayerLayout, generators: Sequence[torch.Generator], num_networks: int) -> Tensor:
    """`[S · num_networks, q]`; each seed's networks from its own generator."""
    rows = torch.zeros(len(generators), num_networks, layout.row_size)
    for generator, of_seed in zip(generators, rows, strict=True):
        for row in of_seed:
            layout.fill(row, generator)
    return rows.flatten(0, 1)


class _Perceptrons(torch.autograd.Function):
    """G multilayer perceptrons with ReLU, their gradient written straight into one matrix.

    Torch's own graph of the same layers has some twenty nodes and joins the gradients of weights and biases from parts.
    """

    @staticmethod
    def forward(ctx: Any, matrix: Tensor, inputs: Tensor, layout: LayerLayout) -> Tensor:
        """`[G, N, outputs]` from parameters `[G, q]` and inputs `[G, N, inputs]`."""
        *hidden, last = layout.layers(matrix)
        entering = [inputs]
        for weight, bias in hidden:
            entering.append(torch.baddbmm(bias, entering[-1], weight).relu_())
        ctx.save_for_backward(matrix, *entering)
        ctx.layout = layout
        return torch.baddbmm(last.bias, entering[-1], last.weight)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        """Gradients by the matrix and the inputs, where they are asked for."""
        (delta,), (matrix, *entering) = grad_outputs, ctx.saved_tensors
        by_matrix, by_inputs, _ = ctx.needs_input_grad
        layers = ctx.layout.layers(matrix)
        gradient = torch.empty_like(matrix) if by_matrix else None
        parts = layers if gradient is None else ctx.layout.layers(gradient)
        for index in reversed(range(len(layers))):
            if gradient is not None:
                torch.bmm(entering[index].transpose(1, 2), delta, out=parts[index].weight)
                torch.sum(delta, dim=1, keepdim=True, out=parts[index].bias)
            if index or by_inputs:
                delta = torch.bmm(delta, layers[index].weight.transpose(1, 2))
            if index:
                torch.ops.aten.threshold_backward.grad_input(delta, entering[index], 0.0, grad_input=delta)
        return gradient, delta if by_inputs else None, None


def _perceptrons(matrix: Tensor, inputs: Tensor, layout: LayerLayout) -> Tensor:
    return cast(Tensor, _Perceptrons.apply(matrix, inputs, layout))

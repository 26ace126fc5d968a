"""The networks of S seeds as few matrices: policies, critics, target critics and temperatures.

Axes: S seeds, K critics a seed (two of the reward, then one or two of each cost), N rows, O observation entries, A
action entries, m costs. As in `algorithms.networks`, a row of a matrix is one network, and one `baddbmm` serves all.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
from ray.rllib.core.rl_module.torch import TorchRLModule
from ray.rllib.utils.annotations import override
from torch import Tensor

from algorithms.functional.squashed_gaussian import split_outputs
from algorithms.networks import Layer, LayerLayout


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
        return _forward(self._policy_layout.layers(self.policies), observations)

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
        return _forward(self._critic_layout.layers(critics), stacked).view(*shape[:2], -1)

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


def _forward(layers: list[Layer], inputs: Tensor) -> Tensor:
    hidden = inputs
    for weight, bias in layers[:-1]:
        hidden = torch.baddbmm(bias, hidden, weight).relu_()
    return torch.baddbmm(layers[-1].bias, hidden, layers[-1].weight)

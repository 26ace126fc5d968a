"""The multiplier networks of S seeds: λ(s) as stacked networks that regress to a dual target or ascend the dual.

Axes: S seeds, N states of a batch, O observation entries. Layer l of every seed is one weight `[S, inputs, outputs]`
and one bias `[S, 1, outputs]`, so that one `baddbmm` serves all; seeds share calls, never numbers.
"""

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from algorithms.functional.multipliers.augmented_lagrangian import grow_penalty
from algorithms.functional.statewise import (
    ascent_loss,
    positive_output,
    raw_output,
    regression_loss,
    shifted_multiplier,
)
from algorithms.parameters import NetworkMultiplier

_ACTIVATIONS = {"relu": torch.relu, "elu": torch.nn.functional.elu, "tanh": torch.tanh}


class MultiplierNetwork:
    """λ(s) of every seed, its target copy, its optimizer and its penalty weight.

    Before the first step λ is `init` in every state: the last layer's weights start at 0. A seed's other weights come
    from its own generator, uniform in ±1/√inputs.

    Attributes:
        penalty_weight: `[S, 1]` float32; ρ.
    """

    def __init__(
        self,
        num_seeds: int,
        observation_size: int,
        parameters: NetworkMultiplier,
        generators: Sequence[torch.Generator],
    ):
        if len(generators) != num_seeds:
            raise ValueError(f"`len(generators) == num_seeds` must hold, but got {len(generators)} and {num_seeds}.")
        self._parameters = parameters
        self._activation = _ACTIVATIONS[parameters.multiplier_activation]
        sizes = (observation_size, *parameters.multiplier_hidden_sizes, 1)
        self._layers = _initial_layers(sizes, generators)
        self._layers[-1] += raw_output(parameters.init, parameters.output, parameters.multiplier_max)
        self._target = [part.clone() for part in self._layers]
        for part in self._layers:
            part.requires_grad_()
        self._optimizer = torch.optim.Adam(self._layers, lr=parameters.lr, fused=True)
        self.penalty_weight = torch.full((num_seeds, 1), parameters.penalty_weight)
        self._violation_sum = torch.zeros(num_seeds, 1)
        self._last_violation = torch.full((num_seeds, 1), math.inf)  # the first test never raises ρ
        self._calls = 0
        self._steps = 0

    def to(self, device: torch.device | str) -> "MultiplierNetwork":
        """Moves everything to a device, before the first step."""
        for parts in (self._layers, self._target):
            for part in parts:
                part.data = part.data.to(device)
        for name in ("penalty_weight", "_violation_sum", "_last_violation"):
            setattr(self, name, getattr(self, name).to(device))
        return self

    def value(self, observations: Tensor) -> Tensor:
        """Gives λ(s).

        Args:
            observations: `[S, N, O]` float32, as the policy sees them.

        Returns:
            `[S, N]` float32 in [0, λ_max], without a gradient.
        """
        with torch.no_grad():
            return self._uncapped(self._layers, observations).clamp(max=self._parameters.multiplier_max)

    def effective(self, observations: Tensor, violation: Tensor) -> Tensor:
        """Gives the multiplier that the policy sees: max(0, λ(s) + ρ g(s)) with the penalty, else λ(s).

        Args:
            observations: `[S, N, O]` float32.
            violation: `[S, N]` float32; g(s, π), > 0 where the constraint is violated.

        Returns:
            `[S, N]` float32 in [0, λ_max], without a gradient.
        """
        value = self.value(observations)
        return self._shifted(value, violation.detach()) if self._parameters.penalty == "on" else value

    def step(self, observations: Tensor, violation: Tensor) -> None:
        """Takes a step of the network where one is due: at every `update_every`-th call.

        Args:
            observations: `[S, N, O]` float32; states as the replay buffer has them.
            violation: `[S, N]` float32; g(s, π) of the current policy.
        """
        self._calls += 1
        if (self._calls - 1) % self._parameters.update_every:
            return
        violation = violation.detach()
        losses = self.losses(observations, violation)
        with torch.enable_grad():
            gradients = torch.autograd.grad(losses.sum(), self._layers)
        self._assign(gradients)
        self._optimizer.step()
        with torch.no_grad():
            for target, part in zip(self._target, self._layers, strict=True):
                target.lerp_(part, self._parameters.multiplier_tau)
            self._move_penalty(violation)

    def losses(self, observations: Tensor, violation: Tensor) -> Tensor:
        """Computes the loss that a step descends, with its gradient.

        Args:
            observations: `[S, N, O]` float32.
            violation: `[S, N]` float32; g(s, π).

        Returns:
            `[S]` float32.
        """
        cap = self._parameters.multiplier_max
        with torch.enable_grad():
            value = self._uncapped(self._layers, observations)
            if self._parameters.target == "ascent":
                return ascent_loss(value, violation, multiplier_max=cap)
            return regression_loss(value, self.dual_target(observations, violation))

    def dual_target(self, observations: Tensor, violation: Tensor) -> Tensor:
        """Gives y(s) = max(0, λ_target(s) + ρ g(s)), capped; λ_target is the target copy.

        Args:
            observations: `[S, N, O]` float32.
            violation: `[S, N]` float32; g(s, π).

        Returns:
            `[S, N]` float32, without a gradient.
        """
        with torch.no_grad():
            return self._shifted(self._uncapped(self._target, observations), violation)

    def measure(self, observations: Tensor, violation: Tensor) -> dict[str, Tensor]:
        """Measures the field of multipliers over a batch of states.

        Args:
            observations: `[S, N, O]` float32.
            violation: `[S, N]` float32; g(s, π).

        Returns:
            Metric → `[S]` float32: mean and standard deviation of λ(s) over states, mean effective multiplier, mean
            max(0, g), complementary slackness mean |λ g|, share at the cap, ρ, and the network's loss.
        """
        value = self.value(observations)
        return {
            "multiplier/value": value.mean(1),
            "multiplier/std": value.std(1, correction=0),
            "multiplier/effective": self.effective(observations, violation).mean(1),
            "multiplier/violation": violation.clamp(min=0.0).mean(1),
            "multiplier/slackness": (value * violation).abs().mean(1),
            "multiplier/at_cap": (value >= self._parameters.multiplier_max * (1.0 - 1e-4)).float().mean(1),
            "multiplier/penalty_weight": self.penalty_weight[:, 0].clone(),
            "loss/multiplier": self.losses(observations, violation).detach(),
        }

    def get_state(self) -> dict[str, Any]:
        """Everything needed to continue exactly, as NumPy arrays."""
        moments = [self._optimizer.state[part] for part in self._layers if part in self._optimizer.state]
        return {
            "layers": _to_numpy(self._layers),
            "target": _to_numpy(self._target),
            "moments": [_to_numpy([state["exp_avg"], state["exp_avg_sq"]]) for state in moments],
            "penalty": _to_numpy([self.penalty_weight, self._violation_sum, self._last_violation]),
            "calls": self._calls,
            "steps": self._steps,
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Continues from what `get_state` gave.

        Args:
            state: Of a network with the same parameters and number of seeds.
        """
        for mine, saved in ((self._layers, state["layers"]), (self._target, state["target"])):
            for part, array in zip(mine, saved, strict=True):
                part.data.copy_(torch.from_numpy(array))
        self._optimizer.state.clear()
        # Adam counts its steps itself; every step of the network is one of Adam's.
        for part, moments in zip(self._layers, state["moments"], strict=False):
            first, second = (torch.from_numpy(np.array(moment)).to(part) for moment in moments)
            count = torch.tensor(float(state["steps"]), device=part.device)
            self._optimizer.state[part] = {"step": count, "exp_avg": first, "exp_avg_sq": second}
        names = ("penalty_weight", "_violation_sum", "_last_violation")
        for name, array in zip(names, state["penalty"], strict=True):
            getattr(self, name).copy_(torch.from_numpy(array))
        self._calls, self._steps = state["calls"], state["steps"]

    def _uncapped(self, layers: Sequence[Tensor], observations: Tensor) -> Tensor:
        hidden = observations
        for weight, bias in zip(layers[:-2:2], layers[1:-2:2], strict=True):
            hidden = self._activation(torch.baddbmm(bias, hidden, weight))
        raw = torch.baddbmm(layers[-1], hidden, layers[-2])[..., 0]
        return positive_output(raw, self._parameters.output, self._parameters.multiplier_max)

    def _shifted(self, multiplier: Tensor, violation: Tensor) -> Tensor:
        return shifted_multiplier(
            multiplier,
            violation,
            penalty_weight=self.penalty_weight,
            multiplier_max=self._parameters.multiplier_max,
        )

    def _assign(self, gradients: Sequence[Tensor]) -> None:
        """Hands gradients to the optimizer, clipped to the largest norm, each seed's apart."""
        squares = sum(part.square().sum((1, 2)) for part in gradients)
        assert isinstance(squares, Tensor)
        factor = (self._parameters.multiplier_grad_clip / (squares.sqrt() + 1e-6)).clamp(max=1.0).view(-1, 1, 1)
        for part, gradient in zip(self._layers, gradients, strict=True):
            part.grad = gradient * factor

    def _move_penalty(self, violation: Tensor) -> None:
        parameters = self._parameters
        self._steps += 1
        self._violation_sum += violation.clamp(min=0.0).mean(1, keepdim=True)
        if self._steps % parameters.penalty_every:
            return
        mean = self._violation_sum / parameters.penalty_every
        self.penalty_weight = grow_penalty(
            self.penalty_weight,
            mean,
            self._last_violation,
            penalty_growth=parameters.penalty_growth,
            penalty_cap=parameters.penalty_cap,
            required_decrease=parameters.required_decrease,
        )
        self._last_violation, self._violation_sum = mean, torch.zeros_like(mean)


def _initial_layers(sizes: Sequence[int], generators: Sequence[torch.Generator]) -> list[Tensor]:
    """Weight and bias of each layer in turn, `[S, inputs, outputs]` and `[S, 1, outputs]`; the last layer's are 0."""
    parts: list[Tensor] = []
    for inputs, outputs in itertools.pairwise(sizes[:-1]):
        for rows in (inputs, 1):
            drawn = [torch.rand(rows, outputs, generator=generator) for generator in generators]
            parts.append((torch.stack(drawn) * 2.0 - 1.0) / math.sqrt(inputs))
    return [*parts, torch.zeros(len(generators), sizes[-2], 1), torch.zeros(len(generators), 1, 1)]


def _to_numpy(parts: Sequence[Tensor]) -> list[Any]:
    return [part.detach().cpu().numpy().copy() for part in parts]

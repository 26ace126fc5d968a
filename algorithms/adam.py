"""Adam for the stacked networks of S seeds, each with a step count of its own.

Axes: S seeds, K networks a seed, G = S · K rows, q parameters a row.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8  # torch's defaults


class StackedAdam:
    """Moments and step counts of every network.

    Source: Kingma, Ba (2015), "Adam: A Method for Stochastic Optimization", https://arxiv.org/abs/1412.6980.
    A seed that does not learn keeps its parameters, its moments and its count: alone, it would not have stepped either.

    Attributes:
        first: `[G, q]`; running mean of the gradient.
        second: `[G, q]`; running mean of its square.
        steps: `[S]` int64; steps taken.
        lrs: `[K]` float64; step size of each network of a seed.
    """

    def __init__(self, matrix: Tensor, lrs: list[float]):
        self._matrix = matrix.detach()
        self.first, self.second = torch.zeros_like(self._matrix), torch.zeros_like(self._matrix)
        self.steps = torch.zeros(len(matrix) // len(lrs), dtype=torch.int64, device=matrix.device)
        self.lrs = torch.tensor(lrs, dtype=torch.float64, device=matrix.device)

    def step(self, gradients: Tensor, learning: Tensor) -> None:
        """Takes one step, without a branch on the numbers: a CUDA graph may hold it.

        Args:
            gradients: `[G, q]`.
            learning: `[S]` bool; which seeds take it.
        """
        matrix, networks = self._matrix, len(self.lrs)
        self.steps.add_(learning)
        count = self.steps.clamp(min=1).double().repeat_interleave(networks).unsqueeze(1)
        on = learning.repeat_interleave(networks).unsqueeze(1).to(matrix)
        self.first.lerp_(gradients, (1.0 - BETA1) * on)
        weight = (1.0 - BETA2) * on
        self.second.mul_(1.0 - weight).addcmul_(gradients * weight, gradients)
        root = (1.0 - BETA2**count).sqrt().to(matrix)
        size = (self.lrs.repeat(len(self.steps)).unsqueeze(1) / (1.0 - BETA1**count)).to(matrix)
        matrix.addcdiv_(self.first * (-size * on), (self.second.sqrt() / root).add_(EPSILON))

    def get_state(self) -> dict[str, Any]:
        """Everything needed to continue exactly, as NumPy arrays."""
        return {name: getattr(self, name).cpu().numpy().copy() for name in ("first", "second", "steps")}

    def set_state(self, state: dict[str, Any]) -> None:
        """Continues from what `get_state` gave."""
        for name, saved in state.items():
            getattr(self, name).copy_(torch.from_numpy(np.array(saved)))

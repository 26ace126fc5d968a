"""The multipliers of S seeds while they train: the study's update rule applied to each iteration's episodes.

Axes: S seeds, m costs.
"""

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from algorithms.functional.multipliers.fixed import fixed_start, fixed_step
from algorithms.functional.multipliers.gradient_ascent import ga_start, ga_step
from algorithms.functional.multipliers.pid import pid_start, pid_step
from algorithms.functional.multipliers.state import select_seeds
from algorithms.parameters import MultiplierParameters
from algorithms.rollout import Episodes


class Update(NamedTuple):
    """An update rule: the state before the first update, and one update."""

    start: Callable[..., Any]
    step: Callable[..., Any]


UPDATES = {
    "fixed": Update(fixed_start, fixed_step),
    "ga": Update(ga_start, ga_step),
    "pid": Update(pid_start, pid_step),
}


def _accepted(function: Callable[..., Any], parameters: MultiplierParameters) -> dict[str, Any]:
    """The hyperparameters that a function takes: models and functions share their names (tested)."""
    names = inspect.signature(function).parameters
    return {name: value for name, value in parameters.model_dump(exclude={"update"}).items() if name in names}


class Multipliers:
    """λ of every seed and cost, and what its update remembers.

    J_c, the cost signal, is the mean undiscounted cost of the episodes that finished in this iteration, or of the last
    `cost_window` ones. A seed without an episode in its window keeps its λ and its memory.

    Attributes:
        state: The update's state; `state.multiplier` is λ, `[S, m]` float32.
        cost: `[S, m]` float32; J_c of the last update, NaN for a seed that has had none.
    """

    def __init__(
        self,
        parameters: MultiplierParameters,
        cost_limits: dict[str, float],
        num_seeds: int,
        cost_window: int | str = "iteration",
    ):
        rule = UPDATES[parameters.update]
        shape = (num_seeds, len(cost_limits))
        self._step, self._hyperparameters = rule.step, _accepted(rule.step, parameters)
        self.limit = torch.tensor(list(cost_limits.values())).expand(shape)
        self._window = cost_window
        self._recent = [np.empty((0, shape[1])) for _ in range(num_seeds)]
        self.state = rule.start(shape, **_accepted(rule.start, parameters))
        self.cost = torch.full(shape, torch.nan)

    @property
    def value(self) -> Tensor:
        """`[S, m]` float32; λ."""
        return self.state.multiplier

    def update(self, episodes: Episodes) -> None:
        """Takes the episodes of an iteration and moves λ.

        Args:
            episodes: The episodes that finished in it.

        Raises:
            ValueError: If a cost is not finite.
        """
        for index, recent in enumerate(self._recent):
            costs = episodes.of_seed(index)[1]
            kept = costs if self._window == "iteration" else np.concatenate([recent, costs])[-int(self._window) :]
            self._recent[index] = kept
        has_episode = torch.tensor([len(costs) > 0 for costs in self._recent])
        if not has_episode.any():
            return
        means = [costs.mean(axis=0) if len(costs) else np.zeros(costs.shape[1]) for costs in self._recent]
        cost = torch.from_numpy(np.stack(means)).to(self.limit.dtype)
        stepped = self._step(self.state, cost, self.limit, **self._hyperparameters)
        self.state = select_seeds(has_episode, stepped, self.state)
        self.cost = torch.where(has_episode.unsqueeze(1), cost, self.cost)

    def terms(self) -> dict[str, Tensor]:
        """What to log, each `[S, m]`: λ, the error J_c − d, and a controller's P, I and D terms."""
        logged = {"value": self.value, "error": self.cost - self.limit}
        return logged | {name: getattr(self.state, name) for name in ("p", "i", "d") if hasattr(self.state, name)}

    def get_state(self) -> dict[str, Any]:
        """Everything needed to continue exactly, as NumPy arrays."""
        return {
            "update": [field.numpy().copy() for field in self.state],
            "cost": self.cost.numpy().copy(),
            "recent": [costs.copy() for costs in self._recent],
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Continues from what `get_state` gave."""
        self.state = type(self.state)(*(torch.from_numpy(np.array(field)) for field in state["update"]))
        self.cost = torch.from_numpy(np.array(state["cost"]))
        self._recent = [np.array(costs) for costs in state["recent"]]

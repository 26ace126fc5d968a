"""The multipliers of S seeds while they train: the study's update rule applied to each iteration's episodes.

Axes: S seeds, m costs.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from algorithms.functional.multipliers.state import select_seeds
from algorithms.functional.multipliers.updates import start_multiplier, step_multiplier
from algorithms.parameters import MultiplierParameters
from algorithms.rollout import Episodes


class Multipliers:
    """λ of every seed and cost, and what its update remembers.

    J_c, the cost signal, is the mean undiscounted cost of the episodes that finished in this iteration, or of the last
    `cost_window` ones. A seed without an episode in its window keeps its λ and its memory.

    Attributes:
        state: The update's state.
        cost: `[S, m]` float32; J_c of the last update, NaN for a seed that has had none.
        limit: `[S, m]` float32; d.
    """

    def __init__(
        self,
        parameters: MultiplierParameters,
        cost_limits: dict[str, float],
        num_seeds: int,
        cost_window: int | str = "iteration",
    ):
        shape = (num_seeds, len(cost_limits))
        self._update, self._hyperparameters = parameters.update, parameters.model_dump(exclude={"update"})
        self._window = cost_window
        self._recent = [np.empty((0, shape[1])) for _ in range(num_seeds)]
        self.state = start_multiplier(self._update, shape, self._hyperparameters)
        self.limit = torch.tensor(list(cost_limits.values()), dtype=torch.float32).repeat(num_seeds, 1)
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
        cost = torch.from_numpy(np.stack(means)).to(self.limit)
        stepped = step_multiplier(self._update, self.state, cost, self.limit, self._hyperparameters)
        self.state = select_seeds(has_episode, stepped, self.state)
        self.cost = torch.where(has_episode.unsqueeze(1), cost, self.cost)

    def terms(self) -> dict[str, Tensor]:
        """What to log, each `[S, m]`: λ, the error J_c − d, and a controller's P, I and D terms."""
        limit = torch.where(self.state.iterations > 0, self.state.limit, self.limit)
        logged = {"value": self.value, "error": self.cost - limit}
        return logged | {n: getattr(self.state.rule, n) for n in ("p", "i", "d") if hasattr(self.state.rule, n)}

    def get_state(self) -> dict[str, Any]:
        """Everything needed to continue exactly, as NumPy arrays."""
        return {
            "update": _to_numpy(self.state),
            "cost": self.cost.numpy().copy(),
            "recent": [costs.copy() for costs in self._recent],
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Continues from what `get_state` gave."""
        self.state = _from_numpy(state["update"], self.state)
        self.cost = torch.from_numpy(np.array(state["cost"]))
        self._recent = [np.array(costs) for costs in state["recent"]]


class PackedMultipliers:
    """The multipliers of several configurations, each over its own seeds; runs count configuration by configuration.

    Args:
        members: One a configuration, of equally many seeds.
    """

    def __init__(self, members: Sequence[Multipliers]):
        self._members = list(members)
        self._num_seeds = len(self._members[0].value)

    @property
    def value(self) -> Tensor:
        """`[S, m]` float32; λ of every run."""
        return torch.cat([member.value for member in self._members])

    def update(self, episodes: Episodes) -> None:
        """Takes the episodes of an iteration and moves every λ; see `Multipliers.update`."""
        for index, member in enumerate(self._members):
            member.update(episodes.between(index * self._num_seeds, (index + 1) * self._num_seeds))

    def terms(self) -> dict[str, Tensor]:
        """What to log, each `[S, m]`, NaN where a configuration's update has no such term."""
        terms = [member.terms() for member in self._members]
        names = dict.fromkeys(name for of_member in terms for name in of_member)
        nothing = torch.full_like(self._members[0].value, torch.nan)
        return {name: torch.cat([of_member.get(name, nothing) for of_member in terms]) for name in names}

    def get_state(self) -> list[dict[str, Any]]:
        """Everything needed to continue exactly, an entry a configuration."""
        return [member.get_state() for member in self._members]

    def set_state(self, state: list[dict[str, Any]]) -> None:
        """Continues from what `get_state` gave."""
        for member, saved in zip(self._members, state, strict=True):
            member.set_state(saved)


def _to_numpy(state: Any) -> Any:
    if isinstance(state, Tensor):
        return state.numpy().copy()
    return [_to_numpy(field) for field in state]


def _from_numpy(saved: Any, like: Any) -> Any:
    if isinstance(like, Tensor):
        return torch.from_numpy(np.array(saved))
    return type(like)(*(_from_numpy(field, old) for field, old in zip(saved, like, strict=True)))

"""A multiplier that never moves: one point of a λ-profile."""

from typing import NamedTuple

import torch
from torch import Tensor

from algorithms.functional.multipliers.state import Hyperparameter, cost_error


class FixedState(NamedTuple):
    """State of the fixed multiplier.

    Attributes:
        multiplier: `[S, m]`; λ.
    """

    multiplier: Tensor


def fixed_start(
    shape: tuple[int, int], *, multiplier: Hyperparameter = 0.0, dtype: torch.dtype = torch.float32
) -> FixedState:
    """Gives the state before the first update.

    Args:
        shape: (S, m).
        multiplier: λ ≥ 0.
        dtype: Of the state.

    Returns:
        The state.
    """
    return FixedState(torch.zeros(shape, dtype=dtype) + multiplier)


def fixed_step(state: FixedState, cost: Tensor, limit: Hyperparameter) -> FixedState:
    """Checks the cost and leaves λ as it is.

    Args:
        state: The state.
        cost: `[S, m]` float; J, cost units per episode.
        limit: d, cost units per episode; a number or `[S, m]`.

    Returns:
        The same state.

    Raises:
        ValueError: If `cost` has another shape than λ or is not finite.
    """
    cost_error(cost, limit, state.multiplier)
    return state

"""What every multiplier update shares: the checked error, the projection, and leaving seeds out of an update."""

from typing import Any, TypeVar, cast

import torch
from torch import Tensor

Hyperparameter = float | Tensor
StateT = TypeVar("StateT", bound=tuple[Any, ...])


def cost_error(cost: Tensor, limit: Hyperparameter, like: Tensor) -> Tensor:
    """Computes e = J − d in the dtype of the state.

    Args:
        cost: `[S, m]` float; J, cost units per episode.
        limit: d; a number or a tensor that broadcasts with `[S, m]`.
        like: `[S, m]`; a tensor of the state.

    Returns:
        `[S, m]`; e.

    Raises:
        ValueError: If `cost` has another shape, or an error is not finite.
    """
    if cost.shape != like.shape:
        raise ValueError(f"`cost` must be [S, m] = {list(like.shape)}, but got {list(cost.shape)}.")
    error = cost.to(like) - limit
    if not bool(torch.isfinite(error).all()):
        seed, index = (int(i) for i in (~torch.isfinite(error)).nonzero()[0])
        raise ValueError(
            f"`cost` and `limit` must be finite, but seed index {seed}, cost index {index} has cost "
            f"{float(cost[seed, index])}. Leave seeds without a finished episode out with `select_seeds`."
        )
    return error


def project(multiplier: Tensor, multiplier_max: Hyperparameter | None) -> Tensor:
    """Projects λ to [0, λ_max].

    Args:
        multiplier: `[S, m]` float.
        multiplier_max: λ_max > 0; None is no cap.

    Returns:
        `[S, m]`; the nearest allowed λ.
    """
    multiplier = multiplier.clamp(min=0.0)
    return multiplier if multiplier_max is None else torch.minimum(multiplier, as_tensor(multiplier_max, multiplier))


def as_tensor(value: Hyperparameter, like: Tensor) -> Tensor:
    """Gives a hyperparameter as a tensor of the dtype and device of the state.

    Args:
        value: A number or a tensor.
        like: A tensor of the state.

    Returns:
        The value, of its own shape.
    """
    return torch.as_tensor(value, dtype=like.dtype, device=like.device)


def select_seeds(updated: Tensor, new: StateT, old: StateT) -> StateT:
    """Takes the new state for some seeds and the old one for the rest, in every field.

    Args:
        updated: `[S]` or `[S, m]` bool; which seeds, or which of their multipliers, take the new state.
        new: A state after a step. What the step got for the other seeds' cost does not matter, but must be finite.
        old: The state before it.

    Returns:
        The mixed state; nested states are mixed too.
    """
    fields = [
        select_seeds(updated, fresh, stale)
        if isinstance(fresh, tuple)
        else torch.where(updated.reshape(updated.shape + (1,) * (fresh.dim() - updated.dim())), fresh, stale)
        for fresh, stale in zip(new, old, strict=True)
    ]
    return cast(Any, type(new))(*fields)

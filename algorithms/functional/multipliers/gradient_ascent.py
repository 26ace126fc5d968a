"""Gradient ascent on the multiplier: the dual's gradient is the error J − d.

Papers write plain projected ascent (`sgd`). The published codes take a step of Adam, which is something else: its
steps are about η long whatever the violation, it does not notice a rescaling of the cost, and its momentum raises λ
for some updates after the cost fell below the limit.
"""

from typing import Literal, NamedTuple

import torch
from torch import Tensor

from algorithms.functional.multipliers.state import Hyperparameter, cost_error, project

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8


class GradientAscentState(NamedTuple):
    """State of gradient ascent.

    Attributes:
        multiplier: `[S, m]`; λ.
        first_moment: `[S, m]`; Adam's EMA of the gradient.
        second_moment: `[S, m]`; Adam's EMA of its square.
        updates: `[S, m]` int64; updates done.
    """

    multiplier: Tensor
    first_moment: Tensor
    second_moment: Tensor
    updates: Tensor


def ga_start(
    shape: tuple[int, int], *, init: Hyperparameter = 0.001, dtype: torch.dtype = torch.float32
) -> GradientAscentState:
    """Gives the state before the first update.

    Args:
        shape: (S, m).
        init: λ before the first update, ≥ 0.
        dtype: Of the state.

    Returns:
        The state.
    """
    zeros = torch.zeros(shape, dtype=dtype)
    return GradientAscentState(zeros + init, zeros, zeros, torch.zeros(shape, dtype=torch.int64))


def ga_step(
    state: GradientAscentState,
    cost: Tensor,
    limit: Hyperparameter,
    *,
    lr: Hyperparameter = 0.035,
    dual_optimizer: Literal["sgd", "adam"] = "adam",
    multiplier_max: Hyperparameter | None = None,
) -> GradientAscentState:
    """Takes one projected ascent step on λ.

        sgd:   λ ← [λ + η e]
        adam:  λ ← [λ + η m̂ / (√v̂ + 1e-8)],  m ← 0.9 m + 0.1 e,  v ← 0.999 v + 0.001 e²

    where [·] projects to [0, λ_max] and m̂, v̂ are corrected for their start at 0.

    Source: Spoor et al. (2025), "An Empirical Study of Lagrangian Methods in Safe Reinforcement Learning",
    https://arxiv.org/abs/2510.17564, equation 3 (sgd); OmniSafe's `Lagrange` as published (adam), with Adam of
    Kingma and Ba (2015), https://arxiv.org/abs/1412.6980.

    Args:
        state: The state.
        cost: `[S, m]` float; J, cost units per episode.
        limit: d, cost units per episode; a number or `[S, m]`.
        lr: η > 0; sgd: λ per cost unit; adam: about the change of λ per update.
        dual_optimizer: How the gradient becomes a step.
        multiplier_max: λ_max > 0; None is no cap.

    Returns:
        The state after the update.

    Raises:
        ValueError: If `cost` has another shape than λ or is not finite, or the optimizer is unknown.
    """
    if dual_optimizer not in ("sgd", "adam"):
        raise ValueError(f"`dual_optimizer` must be sgd or adam, but got {dual_optimizer!r}.")
    error = cost_error(cost, limit, state.multiplier)
    updates = state.updates + 1
    first = BETA_1 * state.first_moment + (1.0 - BETA_1) * error
    second = BETA_2 * state.second_moment + (1.0 - BETA_2) * error.square()
    if dual_optimizer == "sgd":
        step = error
    else:
        count = updates.to(error.dtype)
        step = first / (1.0 - BETA_1**count) / ((second / (1.0 - BETA_2**count)).sqrt() + EPSILON)
    return GradientAscentState(project(state.multiplier + lr * step, multiplier_max), first, second, updates)

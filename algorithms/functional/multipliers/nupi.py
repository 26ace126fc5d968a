"""νPI: gradient ascent plus the change of a smoothed error, which damps the oscillation that ascent alone has."""

from typing import NamedTuple

import torch
from torch import Tensor

from algorithms.functional.multipliers.state import Hyperparameter, cost_error, project


class NuPIState(NamedTuple):
    """State of νPI.

    Attributes:
        multiplier: `[S, m]`; λ.
        error_ema: `[S, m]`; ξ, the smoothed error.
        updates: `[S, m]` int64; updates done.
    """

    multiplier: Tensor
    error_ema: Tensor
    updates: Tensor


def nupi_start(
    shape: tuple[int, int], *, init: Hyperparameter = 0.001, dtype: torch.dtype = torch.float32
) -> NuPIState:
    """Gives the state before the first update.

    Args:
        shape: (S, m).
        init: λ before the first update, ≥ 0.
        dtype: Of the state.

    Returns:
        The state.
    """
    zeros = torch.zeros(shape, dtype=dtype)
    return NuPIState(zeros + init, zeros, torch.zeros(shape, dtype=torch.int64))


def nupi_step(
    state: NuPIState,
    cost: Tensor,
    limit: Hyperparameter,
    *,
    kp: Hyperparameter = 0.1,
    ki: Hyperparameter = 0.01,
    nu: Hyperparameter = 0.0,
    multiplier_max: Hyperparameter | None = None,
) -> NuPIState:
    """Takes one step of νPI.

        ξ ← ν ξ + (1 − ν) e,  and ξ ← e at the first update
        λ ← [λ + K_I e + K_P (ξ − ξ of the last update)], without the second term at the first

    where [·] projects to [0, λ_max]. K_P = 0 is gradient ascent with η = K_I. The first error makes no proportional
    kick, and the integral lives in λ itself, so that the projection keeps it from winding up.

    Source: Sohrabi, Ramirez, Zhang, Lacoste-Julien, Gallego-Posada (2024), "On PI Controllers for Updating Lagrange
    Multipliers in Constrained Optimization", https://arxiv.org/abs/2406.04558, in its recursive form, started such
    that the first step is one of gradient ascent.

    Args:
        state: The state.
        cost: `[S, m]` float; J, cost units per episode.
        limit: d, cost units per episode; a number or `[S, m]`.
        kp: K_P ≥ 0; λ per cost unit.
        ki: K_I ≥ 0; λ per cost unit and update.
        nu: ν in [0, 1).
        multiplier_max: λ_max > 0; None is no cap.

    Returns:
        The state after the update.

    Raises:
        ValueError: If `cost` has another shape than λ or is not finite.
    """
    error = cost_error(cost, limit, state.multiplier)
    first = state.updates == 0
    error_ema = torch.where(first, error, nu * state.error_ema + (1.0 - nu) * error)
    change = torch.where(first, 0.0, error_ema - state.error_ema)
    multiplier = project(state.multiplier + ki * error + kp * change, multiplier_max)
    return NuPIState(multiplier, error_ema, state.updates + 1)

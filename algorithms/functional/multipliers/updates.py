"""The updates by their names in a study file, and one start and one step for all of them."""

import inspect
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

from algorithms.functional.multipliers.adrc import adrc_start, adrc_step
from algorithms.functional.multipliers.augmented_lagrangian import al_start, al_step
from algorithms.functional.multipliers.fixed import fixed_start, fixed_step
from algorithms.functional.multipliers.gradient_ascent import ga_start, ga_step
from algorithms.functional.multipliers.nupi import nupi_start, nupi_step
from algorithms.functional.multipliers.pid import pid_start, pid_step
from algorithms.functional.multipliers.schedule import ScheduledState, scheduled_start, scheduled_step
from algorithms.functional.multipliers.state import Hyperparameter


class Update(NamedTuple):
    """An update: the state before the first step, and one step."""

    start: Callable[..., Any]
    step: Callable[..., Any]


UPDATES = {
    "fixed": Update(fixed_start, fixed_step),
    "ga": Update(ga_start, ga_step),
    "pid": Update(pid_start, pid_step),
    "nupi": Update(nupi_start, nupi_step),
    "adrc": Update(adrc_start, adrc_step),
    "augmented_lagrangian": Update(al_start, al_step),
}


def start_multiplier(
    update: str, shape: tuple[int, int], parameters: Mapping[str, Any], *, dtype: torch.dtype = torch.float32
) -> ScheduledState:
    """Gives the state before the first iteration.

    Args:
        update: A name in `UPDATES`.
        shape: (S, m).
        parameters: Hyperparameters by name; those that the start does not take are left aside.
        dtype: Of the state.

    Returns:
        The state; λ is its `multiplier`.
    """
    start = UPDATES[update].start
    return scheduled_start(start(shape, dtype=dtype, **_taken(start, parameters)))


def step_multiplier(
    update: str, state: ScheduledState, cost: Tensor, limit: Hyperparameter, parameters: Mapping[str, Any]
) -> ScheduledState:
    """Gives the state after one more iteration.

    Args:
        update: A name in `UPDATES`.
        state: The state.
        cost: `[S, m]` float; J, cost units per episode; finite, also for seeds that `select_seeds` leaves out.
        limit: d, cost units per episode; a number or `[S, m]`.
        parameters: Hyperparameters by name; those that neither the update's step nor the schedule takes are left
            aside.

    Returns:
        The state after it.

    Raises:
        ValueError: If `cost` has another shape than λ or is not finite.
    """
    step = UPDATES[update].step
    bound = partial(step, **_taken(step, parameters))
    return scheduled_step(bound, state, cost, limit, **_taken(scheduled_step, parameters))


def _taken(function: Callable[..., Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {name: parameters[name] for name in parameter_names(function) if name in parameters}


@cache
def parameter_names(function: Callable[..., Any]) -> tuple[str, ...]:
    """Lists the hyperparameters that a start or a step takes: its keyword-only parameters but `dtype`.

    Args:
        function: The function.

    Returns:
        Their names.
    """
    parameters = inspect.signature(function).parameters.values()
    return tuple(p.name for p in parameters if p.kind is p.KEYWORD_ONLY and p.name != "dtype")

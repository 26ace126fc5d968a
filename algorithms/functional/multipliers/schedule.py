"""What every update that moves λ may have around it: a smoothed cost, warm-up, slower updates, a moving limit."""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from algorithms.functional.multipliers.state import Hyperparameter, as_tensor, cost_error, select_seeds


class ScheduledState(NamedTuple):
    """State of an update with its schedule.

    Attributes:
        multiplier: `[S, m]`; λ.
        signal: `[S, m]`; the smoothed cost that the update sees; 0 before the first cost.
        limit: `[S, m]`; the limit that held at the last cost; 0 before the first cost.
        iterations: `[S, m]` int64; costs seen.
        rule: The state of the update itself.
    """

    multiplier: Tensor
    signal: Tensor
    limit: Tensor
    iterations: Tensor
    rule: Any


def scheduled_start(rule: Any) -> ScheduledState:
    """Puts a schedule around an update.

    Args:
        rule: The state of the update before its first step.

    Returns:
        The state before the first cost.
    """
    zeros = torch.zeros_like(rule.multiplier)
    return ScheduledState(rule.multiplier, zeros, zeros, zeros.to(torch.int64), rule)


def scheduled_step(
    step: Callable[[Any, Tensor, Tensor], Any],
    state: ScheduledState,
    cost: Tensor,
    limit: Hyperparameter,
    *,
    cost_ema: Hyperparameter = 0.0,
    warmup_iterations: int | Tensor = 0,
    update_every: int | Tensor = 1,
    limit_start: Hyperparameter | None = None,
    limit_shape: Literal["step", "linear"] = "step",
    limit_iterations: int | Tensor = 100,
) -> ScheduledState:
    """Smooths the cost, finds the limit of this iteration, and takes the update's step if one is due.

        J̄ ← a J̄ + (1 − a) J, and J̄ ← J at the first cost
        a step is due at iteration k = 0, 1, … if k ≥ w and (k − w) is a multiple of n

    The first cost starts the mean, so that smoothing has no cold start. During warm-up and between steps λ rests.

    Args:
        step: The update's step, from its state, J̄ and the limit to its next state.
        state: The state.
        cost: `[S, m]` float; J, cost units per episode.
        limit: d, cost units per episode; a number or `[S, m]`.
        cost_ema: a in [0, 1).
        warmup_iterations: w ≥ 0; iterations in which λ keeps its start.
        update_every: n ≥ 1; iterations per step of λ, so that the policy's time scale is the faster one.
        limit_start: The limit of the first iteration, from which a schedule leads to `limit`; None is no schedule.
        limit_shape: step: `limit_start` until the schedule's end; linear: a straight line.
        limit_iterations: Iterations until `limit` holds, ≥ 1.

    Returns:
        The state after the iteration.

    Raises:
        ValueError: If `cost` has another shape than λ or is not finite, or the shape of the schedule is unknown.
    """
    cost_error(cost, limit, state.multiplier)
    k = state.iterations
    measured = cost.to(state.signal)
    signal = torch.where(k == 0, measured, cost_ema * state.signal + (1.0 - cost_ema) * measured)
    target = as_tensor(limit, signal).expand_as(signal)
    if limit_start is not None:
        target = scheduled_limit(
            target, k, limit_start=limit_start, limit_shape=limit_shape, limit_iterations=limit_iterations
        )
    due = (k >= warmup_iterations) & ((k - warmup_iterations) % update_every == 0)
    rule = select_seeds(due, step(state.rule, signal, target), state.rule)
    return ScheduledState(rule.multiplier, signal, target, k + 1, rule)


def scheduled_limit(
    limit: Tensor,
    iterations: Tensor,
    *,
    limit_start: Hyperparameter,
    limit_shape: Literal["step", "linear"],
    limit_iterations: int | Tensor,
) -> Tensor:
    """Computes the cost limit of an iteration of a curriculum.

        step:    d_start while k < K, then d
        linear:  d_start + min(1, k / K) (d − d_start)

    Args:
        limit: `[S, m]` float; d, the final limit; cost units per episode.
        iterations: `[S, m]` int64; k, the costs seen before.
        limit_start: d_start ≥ 0; cost units per episode.
        limit_shape: step or linear.
        limit_iterations: K ≥ 1.

    Returns:
        `[S, m]`; the limit.

    Raises:
        ValueError: If the shape is unknown.
    """
    if limit_shape not in ("step", "linear"):
        raise ValueError(f"`limit_shape` must be step or linear, but got {limit_shape!r}.")
    progress = (iterations / limit_iterations).to(limit).clamp(max=1.0)
    if limit_shape == "step":
        progress = progress.floor()
    start = as_tensor(limit_start, limit)
    return start + progress * (limit - start)

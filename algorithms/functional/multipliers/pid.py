"""A PID controller on the multiplier, in OmniSafe's form and in the form of Stooke's Algorithm 2.

The cold start of the derivative. OmniSafe's cost EMA and its delay line start at 0, so the first costs look like a rise
from 0: with K_D > 0 a constant cost kicks λ up during the first `delay` updates and lets it fall again. That is kept,
as published. Stooke's form here takes the derivative of the first cost as 0.
"""

from typing import Literal, NamedTuple

import torch
from torch import Tensor

from algorithms.functional.multipliers.state import Hyperparameter, as_tensor, cost_error, project


class PIDState(NamedTuple):
    """State of a PID controller; `p`, `i` and `d` are the terms of the last update, in units of λ.

    Attributes:
        multiplier: `[S, m]`; λ.
        integral: `[S, m]`; omnisafe: the integral term itself (λ units); stooke: the sum of errors (cost units).
        error_ema: `[S, m]`; EMA of the error (omnisafe).
        cost_ema: `[S, m]`; EMA of the cost (omnisafe), or the last cost (stooke).
        history: `[S, m, delay]`; former values of `cost_ema`, newest first, 0 before the first update.
        updates: `[S, m]` int64; updates done.
        p: `[S, m]`; the proportional term.
        i: `[S, m]`; the integral term.
        d: `[S, m]`; the derivative term.
    """

    multiplier: Tensor
    integral: Tensor
    error_ema: Tensor
    cost_ema: Tensor
    history: Tensor
    updates: Tensor
    p: Tensor
    i: Tensor
    d: Tensor


def pid_start(
    shape: tuple[int, int],
    *,
    form: Literal["omnisafe", "stooke"] = "omnisafe",
    init: Hyperparameter = 0.001,
    delay: int | Tensor = 10,
    dtype: torch.dtype = torch.float32,
) -> PIDState:
    """Gives the state before the first update.

    Args:
        shape: (S, m).
        form: omnisafe starts the integral at `init`; stooke at 0.
        init: λ before the first update, ≥ 0.
        delay: Updates between the two costs of the derivative, ≥ 1; a tensor gives every seed its own.
        dtype: Of the state.

    Returns:
        The state.
    """
    zeros = torch.zeros(shape, dtype=dtype)
    multiplier = zeros + init
    history = torch.zeros((*shape, int(torch.as_tensor(delay).max())), dtype=dtype)
    integral = zeros if form == "stooke" else multiplier
    return PIDState(
        multiplier, integral, zeros, zeros, history, torch.zeros(shape, dtype=torch.int64), zeros, zeros, zeros
    )


def pid_step(
    state: PIDState,
    cost: Tensor,
    limit: Hyperparameter,
    *,
    form: Literal["omnisafe", "stooke"] = "omnisafe",
    kp: Hyperparameter = 0.1,
    ki: Hyperparameter = 0.01,
    kd: Hyperparameter = 0.01,
    delay: int | Tensor = 10,
    ema_p: Hyperparameter = 0.95,
    ema_d: Hyperparameter = 0.95,
    sum_norm: bool | Tensor = True,
    diff_norm: bool | Tensor = False,
    penalty_max: Hyperparameter = 100.0,
    multiplier_max: Hyperparameter | None = None,
) -> PIDState:
    """Sets λ to the output of the controller.

        omnisafe:  I ← max(0, I + K_I e);  P ← a_p P + (1 − a_p) e;  C ← a_d C + (1 − a_d) J
                   D = max(0, C − C of `delay` updates ago);  λ = [K_P P + I + K_D D]
        stooke:    I ← max(0, I + e);  D = max(0, J − J of the last update), 0 at the first
                   λ = [K_P e + K_I I + K_D D]

    where [·] projects to [0, λ_max]. With `diff_norm`, omnisafe's I and λ are capped at 1; with neither norm, λ at
    `penalty_max`. `sum_norm` lifts that cap and does nothing else, as published.

    Source: OmniSafe's `PIDLagrangian` as published (omnisafe); Stooke, Achiam, Abbeel (2020), "Responsive Safety in
    Reinforcement Learning by PID Lagrangian Methods", https://arxiv.org/abs/2007.03964, Algorithm 2 (stooke).
    Differs from them: λ_max, beyond which the integral does not wind up either, is ours.

    Args:
        state: The state.
        cost: `[S, m]` float; J, cost units per episode.
        limit: d, cost units per episode; a number or `[S, m]`.
        form: Which controller.
        kp: K_P ≥ 0; λ per cost unit.
        ki: K_I ≥ 0; λ per cost unit and update.
        kd: K_D ≥ 0; λ per cost unit of rise.
        delay: Updates between the two costs of the derivative; at most that of `pid_start` (omnisafe).
        ema_p: a_p in [0, 1) (omnisafe).
        ema_d: a_d in [0, 1) (omnisafe).
        sum_norm: Lifts the cap `penalty_max` (omnisafe).
        diff_norm: Caps integral and λ at 1 (omnisafe).
        penalty_max: Cap of λ where neither norm is on (omnisafe).
        multiplier_max: λ_max > 0; None is no cap.

    Returns:
        The state after the update.

    Raises:
        ValueError: If `cost` has another shape than λ or is not finite, the form is unknown, or the delay is longer
            than the state's.
    """
    if form not in ("omnisafe", "stooke"):
        raise ValueError(f"`form` must be omnisafe or stooke, but got {form!r}.")
    error = cost_error(cost, limit, state.multiplier)
    if form == "stooke":
        return _stooke(state, cost, error, kp, ki, kd, multiplier_max)
    infinity = as_tensor(torch.inf, error)
    one_if_diff = torch.where(torch.as_tensor(diff_norm), 1.0, infinity)
    free = torch.as_tensor(sum_norm) | torch.as_tensor(diff_norm)
    cap = torch.minimum(one_if_diff, torch.where(free, infinity, as_tensor(penalty_max, error)))
    integral = torch.minimum(project(state.integral + ki * error, multiplier_max), one_if_diff)
    error_ema = ema_p * state.error_ema + (1.0 - ema_p) * error
    cost_ema = ema_d * state.cost_ema + (1.0 - ema_d) * cost.to(error)
    rise = (cost_ema - _delayed(state.history, delay)).clamp(min=0.0)
    p, d = kp * error_ema, kd * rise
    multiplier = torch.minimum(project(p + integral + d, multiplier_max), cap)
    history = _push(cost_ema, state.history)
    return PIDState(multiplier, integral, error_ema, cost_ema, history, state.updates + 1, p, integral, d)


def _stooke(
    state: PIDState,
    cost: Tensor,
    error: Tensor,
    kp: Hyperparameter,
    ki: Hyperparameter,
    kd: Hyperparameter,
    multiplier_max: Hyperparameter | None,
) -> PIDState:
    integral = (state.integral + error).clamp(min=0.0)
    if multiplier_max is not None:
        # The integral term may reach λ_max and not wind up beyond it; ki = 0 gives an infinite bound.
        integral = torch.minimum(integral, as_tensor(multiplier_max, error) / as_tensor(ki, error))
    new_cost = cost.to(error)
    rise = torch.where(state.updates > 0, new_cost - state.cost_ema, 0.0).clamp(min=0.0)
    p, i, d = kp * error, ki * integral, kd * rise
    multiplier = project(p + i + d, multiplier_max)
    history = _push(new_cost, state.history)
    return PIDState(multiplier, integral, error, new_cost, history, state.updates + 1, p, i, d)


def _push(newest: Tensor, history: Tensor) -> Tensor:
    """Puts the newest value in front of a delay line `[S, m, delay]` and drops the oldest."""
    return torch.cat([newest.unsqueeze(-1), history[..., :-1]], dim=-1)


def _delayed(history: Tensor, delay: int | Tensor) -> Tensor:
    """Reads the value of `delay` updates ago."""
    index = torch.as_tensor(delay, device=history.device)
    if bool((index < 1).any()) or bool((index > history.shape[-1]).any()):
        raise ValueError(
            f"`1 ≤ delay ≤ {history.shape[-1]}` (that of `pid_start`) must hold, but got {index.max().item()}."
        )
    index = index.to(torch.int64).expand(history.shape[:-1]).unsqueeze(-1)
    return history.gather(-1, index - 1).squeeze(-1)

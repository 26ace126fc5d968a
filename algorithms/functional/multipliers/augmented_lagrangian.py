"""The augmented Lagrangian of an inequality: a quadratic penalty on the violation beside the multiplier.

    L(θ, μ) = f(θ) + (1 / 2w) ( max(0, μ + w e(θ))² − μ² ),  whose gradient is ∇f + max(0, μ + w e) ∇e

So the policy sees the effective multiplier λ = max(0, μ + w e), while the dual variable μ moves by gradient ascent.
That λ is a PI controller with K_P = w and K_I = the dual's step size.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from algorithms.functional.multipliers.state import Hyperparameter, as_tensor, cost_error, project


class AugmentedLagrangianState(NamedTuple):
    """State of the augmented Lagrangian.

    Attributes:
        multiplier: `[S, m]`; λ, the effective multiplier that the policy sees.
        dual: `[S, m]`; μ.
        penalty: `[S, m]`; w, λ per cost unit.
        violation: `[S, m]`; max(0, e) of the last update.
        updates: `[S, m]` int64; updates done.
    """

    multiplier: Tensor
    dual: Tensor
    penalty: Tensor
    violation: Tensor
    updates: Tensor


def al_start(
    shape: tuple[int, int],
    *,
    init: Hyperparameter = 0.001,
    penalty: Hyperparameter = 0.1,
    dtype: torch.dtype = torch.float32,
) -> AugmentedLagrangianState:
    """Gives the state before the first update.

    Args:
        shape: (S, m).
        init: μ, and λ before the first update, ≥ 0.
        penalty: w at the start, ≥ 0; λ per cost unit.
        dtype: Of the state.

    Returns:
        The state.
    """
    zeros = torch.zeros(shape, dtype=dtype)
    dual = zeros + init
    return AugmentedLagrangianState(dual, dual, zeros + penalty, zeros, torch.zeros(shape, dtype=torch.int64))


def al_step(
    state: AugmentedLagrangianState,
    cost: Tensor,
    limit: Hyperparameter,
    *,
    lr: Hyperparameter = 0.01,
    penalty_growth: Hyperparameter = 1.0,
    penalty_cap: Hyperparameter = 1.0,
    required_decrease: Hyperparameter = 0.25,
    multiplier_max: Hyperparameter | None = None,
) -> AugmentedLagrangianState:
    """Moves the dual variable, lets the penalty grow where violations persist, and gives the effective multiplier.

        μ ← [μ + η e]
        w ← max(w, min(κ w, w_max)) where max(0, e) > r · max(0, e) of the last update
        λ = [μ + w e]

    where [·] projects to [0, λ_max]. With η = w and e held, this is the textbook method of multipliers.

    Source: Rockafellar (1973), "The Multiplier Method of Hestenes and Powell Applied to Convex Programming", for the
    augmented Lagrangian of inequalities; the growth of w is the textbook rule (Bertsekas 1982, "Constrained
    Optimization and Lagrange Multiplier Methods"). One dual step per iteration of the policy, with a step size apart
    from w, is ours.

    Args:
        state: The state.
        cost: `[S, m]` float; J, cost units per episode.
        limit: d, cost units per episode; a number or `[S, m]`.
        lr: η > 0; λ per cost unit and update.
        penalty_growth: κ ≥ 1; 1 keeps w.
        penalty_cap: w_max ≥ 0, beyond which w does not grow; λ per cost unit. Measured costs lag and are
            noisy, so that a large w only makes λ swing: unlike in the textbook, w → ∞ is not wanted here.
        required_decrease: r in [0, 1]; the share of the last violation that must be undercut for w to stay.
        multiplier_max: λ_max > 0; None is no cap.

    Returns:
        The state after the update.

    Raises:
        ValueError: If `cost` has another shape than λ or is not finite.
    """
    error = cost_error(cost, limit, state.multiplier)
    dual = project(state.dual + lr * error, multiplier_max)
    violation = error.clamp(min=0.0)
    grown = grow_penalty(
        state.penalty,
        violation,
        state.violation,
        penalty_growth=penalty_growth,
        penalty_cap=penalty_cap,
        required_decrease=required_decrease,
    )
    penalty = torch.where(state.updates > 0, grown, state.penalty)
    multiplier = project(dual + penalty * error, multiplier_max)
    return AugmentedLagrangianState(multiplier, dual, penalty, violation, state.updates + 1)


def grow_penalty(
    penalty: Tensor,
    violation: Tensor,
    last_violation: Tensor,
    *,
    penalty_growth: Hyperparameter,
    penalty_cap: Hyperparameter,
    required_decrease: Hyperparameter,
) -> Tensor:
    """Lets a penalty weight grow where a violation persists: w ← max(w, min(κ w, w_max)) where v > r · v_last.

    Source: the textbook rule (Bertsekas 1982, "Constrained Optimization and Lagrange Multiplier Methods").

    Args:
        penalty: Any shape, float ≥ 0; w.
        violation: The same shape, ≥ 0; v.
        last_violation: The same shape, ≥ 0; v at the last test.
        penalty_growth: κ ≥ 1; 1 keeps w.
        penalty_cap: w_max ≥ 0, beyond which w does not grow.
        required_decrease: r in [0, 1].

    Returns:
        The same shape; the new w.
    """
    grown = torch.minimum(penalty * penalty_growth, as_tensor(penalty_cap, penalty)).maximum(penalty)
    return torch.where(violation > required_decrease * last_violation, grown, penalty)

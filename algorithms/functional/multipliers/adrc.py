"""Active disturbance rejection control of the multiplier: an observer, a transient reference and a PD law.

The plant is taken as J'' = f − b λ: the cost's second derivative is a lumped disturbance f less the pull of λ. A
reduced-order extended state observer estimates f from J' and λ; a critically damped reference r leads from the first
cost to the limit. With a flat reference r = d the law is a PID controller (see `adrc_step`).

The time step is one update, and J' is the difference of two costs. Explicit Euler integrates observer and reference.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from algorithms.functional.multipliers.state import Hyperparameter, as_tensor, cost_error, project


class ADRCState(NamedTuple):
    """State of the controller.

    Attributes:
        multiplier: `[S, m]`; λ.
        observer: `[S, m]`; ξ, the observer's own state; cost units per update².
        cost: `[S, m]`; J of the last update.
        reference: `[S, m]`; r; cost units.
        reference_rate: `[S, m]`; r'; cost units per update.
        updates: `[S, m]` int64; updates done.
        disturbance: `[S, m]`; f̂ of the last update; cost units per update².
    """

    multiplier: Tensor
    observer: Tensor
    cost: Tensor
    reference: Tensor
    reference_rate: Tensor
    updates: Tensor
    disturbance: Tensor


def adrc_start(
    shape: tuple[int, int],
    *,
    init: Hyperparameter = 0.001,
    plant_gain: Hyperparameter = 20.0,
    dtype: torch.dtype = torch.float32,
) -> ADRCState:
    """Gives the state before the first update, the observer at the disturbance that λ = `init` balances.

    Args:
        shape: (S, m).
        init: λ before the first update, ≥ 0.
        plant_gain: b > 0; as in `adrc_step`.
        dtype: Of the state.

    Returns:
        The state.
    """
    zeros = torch.zeros(shape, dtype=dtype)
    multiplier = zeros + init
    updates = torch.zeros(shape, dtype=torch.int64)
    return ADRCState(multiplier, multiplier * plant_gain, zeros, zeros, zeros, updates, multiplier * plant_gain)


def adrc_step(
    state: ADRCState,
    cost: Tensor,
    limit: Hyperparameter,
    *,
    observer_bandwidth: Hyperparameter = 0.5,
    k_ap: Hyperparameter = 0.25,
    k_ad: Hyperparameter | None = None,
    transient_rate: Hyperparameter = 0.1,
    plant_gain: Hyperparameter = 20.0,
    multiplier_max: Hyperparameter | None = None,
) -> ADRCState:
    """Sets λ to the output of the controller.

        J' = J − J of the last update, 0 at the first;  r = J, r' = 0 at the first update
        r'' = −c² (r − d) − 2 c r'
        f̂ = ξ + ω J'
        λ = [ (f̂ + k_ap (J − r) + k_ad (J' − r') − r'') / b ]
        ξ ← ξ − ω ξ − ω² J' + ω b λ,  r ← r + r',  r' ← r' + r''

    where [·] projects to [0, λ_max]. The observer is fed with the projected λ, so that it does not wind up against
    the projection. With a flat reference (`transient_rate` 0) and nothing projected this is a PID controller with

        K_P = (k_ap + ω k_ad) / b,  K_I = ω k_ap / b,  K_D = (k_ad + ω − ω k_ad) / b

    whose integral is the sum of the errors before this one, plus a constant from the start; unlike the derivatives of
    the other PID forms, its one counts falling costs too. Where c² = k_ap and the damping is critical, r cancels out
    of the law: a reference as fast as the control loop changes nothing.

    Source: Zhang, Zhang, Ji, Yang, Sun (2026), "ADRC-Lagrangian Methods for Safe Reinforcement Learning",
    https://arxiv.org/abs/2601.18142, for the structure. The law as written, its discretization, the gain b (the paper
    has b = 1) and all default values are our derivation.

    Args:
        state: The state.
        cost: `[S, m]` float; J, cost units per episode.
        limit: d, cost units per episode; a number or `[S, m]`.
        observer_bandwidth: ω in (0, 1); per update.
        k_ap: Gain on the cost's distance from the reference, ≥ 0; per update².
        k_ad: Gain on the same of its derivative, ≥ 0; per update. None is critical damping, 2 √k_ap.
        transient_rate: c ≥ 0; how fast the reference leads to the limit, per update; below 1. 0 is r = d.
        plant_gain: b > 0; how much λ = 1 pulls, cost units per update².
        multiplier_max: λ_max > 0; None is no cap.

    Returns:
        The state after the update.

    Raises:
        ValueError: If `cost` has another shape than λ or is not finite.
    """
    error = cost_error(cost, limit, state.multiplier)
    measured, target = cost.to(error), as_tensor(limit, error)
    first = state.updates == 0
    slope = torch.where(first, 0.0, measured - state.cost)
    speed = as_tensor(transient_rate, error)
    reference = torch.where(speed > 0.0, torch.where(first, measured, state.reference), target)
    rate = torch.where(speed > 0.0, state.reference_rate, 0.0)
    curvature = -speed.square() * (reference - target) - 2.0 * speed * rate
    damping = _critical(k_ap) if k_ad is None else k_ad
    disturbance = state.observer + observer_bandwidth * slope
    command = disturbance + k_ap * (measured - reference) + damping * (slope - rate) - curvature
    multiplier = project(command / plant_gain, multiplier_max)
    observer = state.observer + observer_bandwidth * (
        plant_gain * multiplier - state.observer - observer_bandwidth * slope
    )
    return ADRCState(multiplier, observer, measured, reference + rate, rate + curvature, state.updates + 1, disturbance)


def _critical(k_ap: Hyperparameter) -> Hyperparameter:
    return 2.0 * (k_ap.sqrt() if isinstance(k_ap, Tensor) else math.sqrt(k_ap))

"""Reward-scale invariance: β weighs the cost's gradient so that it is as long as the reward's.

    gradient = (∇J_r − Σ_i λ_i β_i ∇J_c,i) / (1 + Σ_i λ_i),  β_i = ‖∇J_r‖ / ‖∇J_c,i‖

Then neither a rescaling of the reward nor one of a cost, with its limit, turns the policy's gradient.

Source: Stooke, Achiam, Abbeel (2020), "Responsive Safety in Reinforcement Learning by PID Lagrangian Methods",
https://arxiv.org/abs/2007.03964, section 7. Axes: S seeds, m costs.
"""

from typing import Literal, NamedTuple

import torch
from torch import Tensor

EPSILON = 1e-8


class ScaleState(NamedTuple):
    """State of the cost's scale.

    Attributes:
        cost_scale: `[S, m]`; β.
        updates: `[S, m]` int64; updates done.
    """

    cost_scale: Tensor
    updates: Tensor


def scale_start(shape: tuple[int, int], *, dtype: torch.dtype = torch.float32) -> ScaleState:
    """Gives the state before the first update: β = 1.

    Args:
        shape: (S, m).
        dtype: Of the state.

    Returns:
        The state.
    """
    return ScaleState(torch.ones(shape, dtype=dtype), torch.zeros(shape, dtype=torch.int64))


def scale_step(
    state: ScaleState,
    reward_norm: Tensor,
    cost_norm: Tensor,
    *,
    scale_ema: float | Tensor = 0.9,
    scale_clip: float | Tensor | None = None,
    scale_init: Literal["one", "first"] = "first",
) -> ScaleState:
    """Moves β towards the ratio of the gradient norms.

        b = ‖∇J_r‖ / (‖∇J_c,i‖ + 1e-8), clipped to [1/κ, κ];  β ← a β + (1 − a) b

    `scale_init` first starts the mean at the first ratio, and without a clip β is then exactly proportional to the
    ratio of the scales. Stooke's code: once per iteration, a = 0.9 from one, κ = 10. The empirical study's code: every
    minibatch, a = 0.9 from the first ratio, no clip. A cost whose gradient vanishes leaves its β as it is.

    Args:
        state: The state.
        reward_norm: `[S]` float; norm of the gradient of the reward's surrogate.
        cost_norm: `[S, m]` float; norm of the gradient of each cost's surrogate.
        scale_ema: a in [0, 1); 0 takes the ratio itself.
        scale_clip: κ ≥ 1; None is no clip.
        scale_init: What the mean starts from.

    Returns:
        The state after the update.

    Raises:
        ValueError: If a norm is not finite or is negative, or `scale_init` is unknown.
    """
    if scale_init not in ("one", "first"):
        raise ValueError(f"`scale_init` must be one or first, but got {scale_init!r}.")
    norms = torch.cat([reward_norm.unsqueeze(-1), cost_norm], dim=-1)
    if not bool(((norms >= 0.0) & norms.isfinite()).all()):
        raise ValueError(f"Gradient norms must be finite and `≥ 0`, but got {norms.tolist()}, reward first.")
    ratio = (reward_norm.unsqueeze(-1) / (cost_norm + EPSILON)).to(state.cost_scale)
    if scale_clip is not None:
        reach = torch.as_tensor(scale_clip).to(ratio)
        ratio = ratio.clamp(1.0 / reach, reach)
    moved = scale_ema * state.cost_scale + (1.0 - scale_ema) * ratio
    if scale_init == "first":
        moved = torch.where(state.updates == 0, ratio, moved)
    seen = cost_norm > 0.0
    return ScaleState(torch.where(seen, moved, state.cost_scale), state.updates + seen)

"""Generalized advantage estimation for rewards and for costs.

Axes: T steps first (time-major), then any batch axes `[*B]`, such as `[S, E]` for rewards and `[S, E, m]` for costs.
"""

import torch
from torch import Tensor


def generalized_advantages(
    rewards: Tensor,
    values: Tensor,
    next_values: Tensor,
    terminated: Tensor,
    ended: Tensor,
    *,
    discount: float | Tensor,
    lambda_: float | Tensor,
) -> Tensor:
    """Estimates advantages from one batch of steps, with truncated episodes bootstrapped.

        δ_t = r_t + γ (1 − terminated_t) V(s'_t) − V(s_t)
        A_t = δ_t + γ λ (1 − ended_t) A_{t+1},  A_T = 0

    Source: Schulman et al. (2016), "High-Dimensional Continuous Control Using Generalized Advantage Estimation",
    https://arxiv.org/abs/1506.02438, the recursive form of the estimator.
    Differs from it: an episode that ends by truncation keeps the value of its last observation.

    Args:
        rewards: `[T, *B]` float; reward (or cost) of each step.
        values: `[T, *B]` float; V of the observation that the action of the step was chosen from.
        next_values: `[T, *B]` float; V of the observation that the step led to: where an episode ended, of its last
            observation, never of the first one of the next episode.
        terminated: `[T, *B]` bool; the step reached a terminal state, whose value is 0. It may lack trailing axes of
            `rewards`, such as the axis of the costs.
        ended: As `terminated`; the step was the last of its episode, by termination or truncation: nothing is
            carried back over it.
        discount: γ in [0, 1]; a number or a tensor that broadcasts with `[*B]`.
        lambda_: λ in [0, 1] of the estimator; a number or a tensor that broadcasts with `[*B]`.

    Returns:
        `[T, *B]`; the advantages. Adding `values` gives the critic's regression targets.

    Raises:
        ValueError: If the shapes do not fit, or an episode is terminated but not ended.

    Examples:
        >>> one = torch.ones(2, 1)
        >>> no = torch.zeros(2, 1, dtype=torch.bool)
        >>> generalized_advantages(one, 0 * one, 0 * one, no, no, discount=0.5, lambda_=1.0).squeeze(1).tolist()
        [1.5, 1.0]
    """
    if not rewards.shape == values.shape == next_values.shape:
        raise ValueError(
            "`rewards`, `values` and `next_values` must have one shape, but got "
            f"{list(rewards.shape)}, {list(values.shape)} and {list(next_values.shape)}."
        )
    terminated, ended = (_like(flags, rewards, name) for flags, name in ((terminated, "terminated"), (ended, "ended")))
    if bool((terminated & ~ended).any()):
        raise ValueError("`ended` must hold wherever `terminated` does: pass terminated | truncated.")
    deltas = rewards + discount * next_values.masked_fill(terminated, 0.0) - values
    decays = (discount * lambda_ * (~ended).to(rewards.dtype)).expand_as(rewards)
    advantages = torch.empty_like(deltas)
    carried = torch.zeros_like(deltas[0])
    for t in range(rewards.shape[0] - 1, -1, -1):
        carried = torch.addcmul(deltas[t], decays[t], carried, out=advantages[t])
    return advantages


def _like(flags: Tensor, rewards: Tensor, name: str) -> Tensor:
    """Checks flags and gives them the trailing axes that only `rewards` has."""
    if flags.dtype != torch.bool or flags.shape != rewards.shape[: flags.dim()]:
        raise ValueError(
            f"`{name}` must be bool with the leading axes of `rewards` {list(rewards.shape)}, but got "
            f"{flags.dtype} {list(flags.shape)}."
        )
    return flags.reshape(flags.shape + (1,) * (rewards.dim() - flags.dim()))

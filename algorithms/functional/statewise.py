"""State-wise multipliers: the augmented Lagrangian of one constraint per state, with λ given by a network.

Axes: S seeds, N states of a batch. With f(s, π) the policy's own loss, g(s, π) ≤ 0 the constraint of state s and ρ the
penalty weight, the policy descends

    L(π, λ) = E_s[ f(s, π) + (1 / 2ρ) ( max(0, λ(s) + ρ g(s, π))² − λ(s)² ) ],
    ∇_π L   = E_s[ ∇f + max(0, λ(s) + ρ g(s, π)) ∇g ].

Zhang, Yang, Lyu, Li, Zhang (2026), "Augmented Lagrangian Multiplier Network for State-wise Safety in Reinforcement
Learning", https://arxiv.org/abs/2605.00667, states in its abstract the quadratic penalty and the regression of the
multiplier network to a dual target. The formulas here are our derivation from the augmented Lagrangian of inequalities
(Rockafellar 1973), whatever the paper's own are.

g(s, π) is an expectation over the policy's actions. It enters these functions as a number per state and must never be
squared as a single sample g(s, a): E[g(s, a)²] adds the variance of g to what is minimized.
"""

from typing import Literal

import torch
from torch import Tensor

from algorithms.functional.multipliers.state import Hyperparameter, as_tensor

Output = Literal["softplus", "tanh"]


def shifted_multiplier(
    multiplier: Tensor, violation: Tensor, *, penalty_weight: Hyperparameter, multiplier_max: Hyperparameter
) -> Tensor:
    """Moves λ(s) by the penalty: one exact step of the method of multipliers.

        λ⁺(s) = min( max(0, λ(s) + ρ g(s, π)), λ_max )

    The same map has two uses. Of the network's λ it is the effective multiplier that the policy sees; of the target
    copy's λ it is the dual target that the network regresses to. A state whose constraint cannot be met has no finite
    multiplier, hence λ_max.

    Source: Rockafellar (1973), "The Multiplier Method of Hestenes and Powell Applied to Convex Programming"; one
    multiplier per state is our derivation.

    Args:
        multiplier: `[S, N]` float ≥ 0; λ(s).
        violation: `[S, N]` float; g(s, π), > 0 where the constraint is violated.
        penalty_weight: ρ ≥ 0; λ per unit of g; a number or `[S, 1]`.
        multiplier_max: λ_max > 0.

    Returns:
        `[S, N]`; λ⁺, without a gradient.
    """
    with torch.no_grad():
        shifted = (multiplier + as_tensor(penalty_weight, multiplier) * violation).clamp(min=0.0)
        return torch.minimum(shifted, as_tensor(multiplier_max, multiplier))


def regression_loss(multiplier: Tensor, target: Tensor) -> Tensor:
    """The loss of supervised regression to the dual target: mean over states of (λ(s) − y(s))².

    With one free parameter per state, a gradient step of size ½ on its term of the sum is the exact step
    λ ← max(0, λ + ρ g); a step of size η is λ ← λ + 2η max(−λ, ρ g).

    Source: our derivation of what the abstract of arXiv 2605.00667 describes.

    Args:
        multiplier: `[S, N]` float; λ(s), with its gradient.
        target: `[S, N]` float; y(s), constant.

    Returns:
        `[S]`; one loss a seed.
    """
    return (multiplier - target).square().mean(-1)


def ascent_loss(multiplier: Tensor, violation: Tensor, *, multiplier_max: Hyperparameter) -> Tensor:
    """The loss whose descent is dual gradient ascent: −mean over states of λ(s) g(s, π).

    A state at λ_max with g > 0 pulls no further, so that λ does not wind up beyond its cap.

    Source: Ma et al. (2021), "Feasible Actor-Critic: Constrained Reinforcement Learning for Ensuring Statewise
    Safety", https://arxiv.org/abs/2105.10682, as in its published code; the cap is ours.

    Args:
        multiplier: `[S, N]` float; λ(s) before it is capped, with its gradient.
        violation: `[S, N]` float; g(s, π), constant.
        multiplier_max: λ_max > 0.

    Returns:
        `[S]`; one loss a seed.
    """
    blocked = (multiplier.detach() >= as_tensor(multiplier_max, multiplier)) & (violation > 0.0)
    return -(multiplier * torch.where(blocked, 0.0, violation)).mean(-1)


def positive_output(raw: Tensor, output: Output, multiplier_max: float) -> Tensor:
    """Turns the last layer's output into λ ≥ 0.

        softplus:  log(1 + exp x), without an upper end
        tanh:      ½ λ_max (1 + tanh(2x / λ_max)), between 0 and λ_max with slope 1 at x = 0

    Source: softplus as in the published code of Ma et al. (2021); the tanh form is that of reachability-constrained
    methods' published codes.

    Args:
        raw: `[S, N]` float; x.
        output: Which form.
        multiplier_max: λ_max > 0.

    Returns:
        `[S, N]`; λ.

    Raises:
        ValueError: If the form is unknown.
    """
    if output == "softplus":
        return torch.nn.functional.softplus(raw)
    if output == "tanh":
        return 0.5 * multiplier_max * (1.0 + torch.tanh(2.0 * raw / multiplier_max))
    raise ValueError(f"`output` must be softplus or tanh, but got {output!r}.")


def raw_output(multiplier: float, output: Output, multiplier_max: float) -> float:
    """The inverse of `positive_output`: which x gives this λ.

    Args:
        multiplier: λ > 0; below `multiplier_max`.
        output: Which form.
        multiplier_max: λ_max > 0.

    Returns:
        x.

    Raises:
        ValueError: If λ is not between 0 and λ_max, or the form is unknown.
    """
    if not 0.0 < multiplier < multiplier_max:
        raise ValueError(f"`0 < init < multiplier_max` must hold, but got {multiplier} and {multiplier_max}.")
    value = torch.tensor(multiplier, dtype=torch.float64)
    if output == "softplus":
        return float(value + torch.log(-torch.expm1(-value)))
    if output == "tanh":
        return float(0.5 * multiplier_max * torch.atanh(2.0 * value / multiplier_max - 1.0))
    raise ValueError(f"`output` must be softplus or tanh, but got {output!r}.")

"""The policy of soft actor-critic: a Gaussian squashed into (−1, 1) by tanh.

Source: Haarnoja et al. (2018), "Soft Actor-Critic: Off-Policy Maximum Entropy Deep Reinforcement Learning with a
Stochastic Actor", https://arxiv.org/abs/1801.01290, appendix C. Axes: any leading axes, A entries of an action last.
"""

import math

import torch
from torch import Tensor
from torch.nn.functional import softplus

LOG_STD_RANGE = (-20.0, 2.0)
"""Logarithms of standard deviations are clamped to this, as in the authors' code."""

_HALF_LOG_TWO_PI = 0.5 * math.log(2.0 * math.pi)


def split_outputs(outputs: Tensor) -> tuple[Tensor, Tensor]:
    """Reads a policy network's outputs.

    Args:
        outputs: `[…, 2 A]` float; means, then logarithms of standard deviations.

    Returns:
        Means and clamped logarithms of standard deviations, `[…, A]` each.
    """
    mean, log_std = outputs.chunk(2, dim=-1)
    return mean, log_std.clamp(*LOG_STD_RANGE)


def squashed_sample(mean: Tensor, log_std: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Samples an action, differentiable in the policy's outputs, and gives its log-density.

        u = μ + σ ε,  a = tanh u,  log π(a) = Σ_j [ log N(u_j; μ_j, σ_j) − log(1 − tanh² u_j) ]

    The last term is computed as 2 (log 2 − u − softplus(−2 u)), which does not overflow for large |u|.

    Args:
        mean: `[…, A]` float; μ.
        log_std: `[…, A]` float; log σ.
        noise: `[…, A]` float; ε, standard normal.

    Returns:
        a `[…, A]` in (−1, 1) and log π(a) `[…]` in nats.
    """
    unsquashed = mean + log_std.exp() * noise
    gaussian = -0.5 * noise.square() - log_std - _HALF_LOG_TWO_PI
    log_slope = 2.0 * (math.log(2.0) - unsquashed - softplus(-2.0 * unsquashed))
    return torch.tanh(unsquashed), (gaussian - log_slope).sum(-1)

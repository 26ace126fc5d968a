"""A state-wise problem with a closed form, solved with the real multiplier network, and the ablation on it.

64 states s in [−1, 1]: max over a(s) of −k/2 (a − m)² subject to a ≤ d, whose answer is a* = min(m, d) and
λ* = k (m − d)₊. The policy is one action a state that descends with momentum, so that it lags behind λ as an actor
does; λ(s) generalizes over neighboring states. Our own problem, not the paper's.
"""

import itertools
from functools import cache
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor

from algorithms.multiplier_network import MultiplierNetwork
from algorithms.parameters import NetworkMultiplier

NUM_SEEDS, STEPS, LAST = 5, 2000, 500


class Outcome(NamedTuple):
    """Of every seed, `[S]`: errors as means over states and the last steps, the worst violation after step 200."""

    multiplier_error: Tensor
    action_error: Tensor
    peak_violation: Tensor
    correlation: Tensor


def features(states: Tensor) -> Tensor:
    """`[64, 24]`; normalized Gaussian bumps, twice as wide as the distance of two states."""
    centers = torch.linspace(-1, 1, 24)
    bumps = torch.exp(-0.5 * ((states[:, None] - centers) / 0.12) ** 2)
    return bumps / bumps.sum(1, keepdim=True)


def solve(observations: Tensor, **parameters: Any) -> Outcome:
    states = torch.linspace(-1, 1, 64)
    k, m, d = 1.0 + 0.5 * torch.sin(3 * states), 0.8 + 0.6 * torch.sin(4 * states), torch.tensor(0.7)
    best, wanted = torch.minimum(m, d), k * (m - d).clamp(min=0.0)
    generators = [torch.Generator().manual_seed(seed) for seed in range(NUM_SEEDS)]
    actions = torch.stack([torch.randn(64, generator=generator) * 0.3 for generator in generators])
    network = MultiplierNetwork(
        NUM_SEEDS,
        observations.shape[1],
        NetworkMultiplier.model_validate({"multiplier_max": 20.0, "multiplier_tau": 0.1, **parameters}),
        generators,
    )
    seen = observations.expand(NUM_SEEDS, *observations.shape).contiguous()
    speed, errors, peak = torch.zeros_like(actions), [], torch.zeros(NUM_SEEDS)
    for step in range(STEPS):
        speed = 0.9 * speed - k * (actions - m) - network.effective(seen, actions - d)
        actions = actions + 0.05 * speed
        network.step(seen, actions - d)
        if step >= 200:
            peak = torch.maximum(peak, (actions - d).amax(1))
        if step >= STEPS - LAST:
            errors.append(torch.stack([(network.value(seen) - wanted).abs(), (actions - best).abs()]).mean(2))
    multiplier_error, action_error = torch.stack(errors).mean(0)
    correlation = torch.stack([torch.corrcoef(torch.stack([row, wanted]))[0, 1] for row in network.value(seen)])
    return Outcome(multiplier_error, action_error, peak, correlation)


@cache
def ablated(penalty: str, target: str, lr: float, penalty_weight: float) -> Outcome:
    """A linear network on bumps, so that all of a seed's luck is in its first actions."""
    return solve(
        features(torch.linspace(-1, 1, 64)), penalty=penalty, target=target, penalty_weight=penalty_weight, lr=lr,
        multiplier_hidden_sizes=(), init=0.05,
    )  # fmt: skip


def test_penalty_and_regression_find_the_multipliers_and_actions_of_the_closed_form():
    # λ* is 0.30 on average and 1.03 at most. Over seeds 0 … 4 the errors were at most 0.0115 and 0.0036, and the
    # correlation at least 0.9994: the bumps cannot follow the kinks of λ* better.
    found = ablated("on", "regression", 0.01, 2.0)
    assert found.multiplier_error.max() < 0.015
    assert found.action_error.max() < 0.006
    assert found.correlation.min() > 0.998


def test_hidden_layers_on_the_bare_state_find_them_too():
    # Over seeds 0 … 4: errors 0.023 … 0.027 and 0.005 … 0.0064, correlation at least 0.9987.
    found = solve(
        torch.linspace(-1, 1, 64)[:, None] * 3.0, penalty_weight=8.0, lr=0.003, multiplier_hidden_sizes=(64, 64),
        multiplier_activation="tanh",
    )  # fmt: skip
    assert found.multiplier_error.max() < 0.04
    assert found.action_error.max() < 0.01
    assert found.correlation.min() > 0.995


@pytest.mark.slow
def test_the_ablation_is_ordered_penalty_first_and_penalty_with_regression_best():
    # Each at the best of the same settings, as one would tune it; a prototype with plain gradient descent gave 0.0009 <
    # 0.0015 < 0.012 < 0.019 for the action error. Here the worst of seeds 0 … 4 has 0.0006 < 0.0021 < 0.0174 < 0.0206,
    # and for the peak of the violation 0.015 < 0.053 < 0.18 (regression) < 0.23; seeds differ by 0.003 and 0.02.
    tuned: dict[tuple[str, str], tuple[float, float]] = {}
    for penalty, target in itertools.product(("on", "off"), ("regression", "ascent")):
        weights = (2.0,) if (penalty, target) == ("off", "ascent") else (2.0, 8.0)
        runs = [ablated(penalty, target, lr, weight) for lr in (0.003, 0.01, 0.03) for weight in weights]
        tuned[penalty, target] = (
            min(run.action_error.max().item() for run in runs), min(run.peak_violation.max().item() for run in runs),
        )  # fmt: skip
    for measure in (0, 1):
        with_penalty = [tuned["on", target][measure] for target in ("regression", "ascent")]
        without = [tuned["off", target][measure] for target in ("regression", "ascent")]
        assert with_penalty[0] < 0.8 * with_penalty[1]
        assert with_penalty[1] < 0.5 * min(without)
    # Regression alone is no remedy: it ends no nearer than plain ascent.
    assert tuned["off", "regression"][0] > 0.9 * tuned["off", "ascent"][0]

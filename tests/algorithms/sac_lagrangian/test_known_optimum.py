"""Whole training runs against optima known exactly (`environments.analytic.bandit`).

SAC's λ is in reward per unit of cost, as λ* is. Its optimum is that with an entropy bonus: with α = 0.1 a context whose
action pays 0.25 more than its price is taken with a probability of about 0.92 rather than 1, and one that pays 0.25
less with 0.08, so that the limit is met at the same λ* while the return lies up to 0.3 below the linear programme's.
With α of 0.06 and less a policy becomes so sure of an action that its multiplier circles widely.
"""

from typing import Any, cast

import numpy as np
import pytest
import torch

from algorithms.sac_lagrangian import SACLagrangianConfig
from algorithms.sac_lagrangian.statewise_penalty import StatewisePenalty
from tests.algorithms.sac_lagrangian.trial import Trial

pytestmark = pytest.mark.slow

SEEDS = range(3)
ITERATIONS = 120


def train(**multiplier: Any) -> tuple[Trial, dict[str, np.ndarray]]:
    """A trial, and means over the second half of its iterations, `[S]` each."""
    config = (
        SACLagrangianConfig()
        .environment("analytic/bandit")
        .training(
            steps_per_iteration=800,
            num_envs=20,
            train_every=40,
            gradient_steps=2,
            policy_delay=1,
            learning_starts=400,
            buffer_size=4_000,
            batch_size=128,
            hidden_sizes=(32,),
            actor_lr=3e-3,
            critic_lr=3e-3,
            tau=0.05,
            gamma=0.0,
            cost_gamma=0.0,
            alpha=0.1,
            multiplier_cadence="iteration",
            cost_window="iteration",
        )
        .lagrangian(cost_limit=7.5, init=0.5, **multiplier)
        .seeds(SEEDS)
        .budget(env_steps=10**6)
    )
    trial, rows = Trial(config), []
    for _ in range(ITERATIONS):
        episodes = trial.iterate()
        of_seeds = [episodes.of_seed(index) for index in range(len(SEEDS))]
        means = [(returns.mean(), costs.mean()) for returns, costs in of_seeds]
        rows.append((*np.array(means).T, trial.metrics("multiplier/value")))
    returns, costs, multipliers = np.mean(rows[ITERATIONS // 2 :], axis=0)
    return trial, {"return": returns, "cost": costs, "multiplier": multipliers}


@pytest.mark.parametrize(("update", "gains"), [("ga", {"lr": 0.01}), ("pid", {"kp": 0.01, "ki": 0.004, "kd": 0.0})])
def test_an_active_limit_is_met_at_the_optimal_multiplier(update: str, gains: dict[str, Any]) -> None:
    # d = 7.5 takes the context that pays 1 always and that of 3/4 half of the time: λ* = 0.75, return 6.875.
    _, means = train(update=update, **gains)
    np.testing.assert_allclose(means["cost"], 7.5, atol=0.6)
    np.testing.assert_allclose(means["multiplier"], 0.75, atol=0.07)
    assert (means["return"] > 6.3).all()


def test_a_multiplier_for_each_state_is_what_that_state_pays() -> None:
    # The same limit for each context: its action may be taken with probability 7.5 / 20 = 0.375 everywhere, worth
    # 0.375 · 5 · (1 + 3/4 + 1/2 + 1/4) = 4.69. Each price must make its context indifferent, but for the entropy, whose
    # slope at 0.375 is α log(0.625 / 0.375) = 0.05: λ* = 1.05, 0.80, 0.55, 0.30.
    trial, means = train(
        update="network", penalty_weight=0.2, lr=3e-3, multiplier_hidden_sizes=(16,), multiplier_tau=0.05
    )
    network = cast(StatewisePenalty, trial.learner.penalty).network
    prices = network.value(torch.eye(4).expand(len(SEEDS), 4, 4)).numpy()
    np.testing.assert_allclose(prices, np.tile([1.05, 0.8, 0.55, 0.3], (len(SEEDS), 1)), atol=0.15)
    np.testing.assert_allclose(means["cost"], 7.5, atol=0.6)
    np.testing.assert_allclose(means["return"], 4.69, atol=0.4)

"""The exact optimum: published and hand-worked numbers, definitions, and simulation."""

import dataclasses

import numpy as np
import pytest

from environments.analytic import CMDP, AnalyticBatch, bandit, ring
from environments.occupancy import advantage_std, evaluate, solve, solve_discounted

# d, J_r* and λ* of the ring, normalized per step, γ = 0.99; from an independent solution of the same programme.
RING = [
    (0.02, 0.5818, 3.1361),
    (0.05, 0.6759, 3.1361),
    (0.1, 0.7627, 1.7105),
    (0.15, 0.8482, 1.7105),
    (0.2, 0.9318, 0.6586),
    (0.25, 0.9522, 0.3820),
    (0.3, 0.9713, 0.3820),
]


@pytest.mark.parametrize(("limit", "mean_return", "multiplier"), RING)
def test_the_discounted_optimum_of_the_ring_is_the_known_one(
    limit: float, mean_return: float, multiplier: float
) -> None:
    solution = solve_discounted(ring(), limit, gamma=0.99)

    assert solution.mean_return == pytest.approx(mean_return, abs=5e-5)
    assert solution.multiplier["cost"] == pytest.approx(multiplier, abs=5e-5)
    assert solution.mean_cost["cost"] == pytest.approx(limit, abs=1e-9)


def test_without_a_limit_the_ring_is_run_around() -> None:
    # Action 1 always: reward 1 a step; the ring is visited evenly, so the cost is the mean hazard 3.0/8 = 0.375.
    for limit in (1.0, {}):
        solution = solve_discounted(ring(), limit, gamma=0.99)
        assert solution.mean_return == pytest.approx(1.0)
        assert solution.mean_cost["cost"] == pytest.approx(0.375)
        assert all(multiplier == pytest.approx(0.0, abs=1e-12) for multiplier in solution.multiplier.values())


@pytest.mark.parametrize(
    ("limit", "mean_return", "mean_cost", "multiplier"),
    [
        (2.5, 2.5, 2.5, 1.0),  # half of context 0's five visits
        (7.5, 5 + 0.75 * 2.5, 7.5, 0.75),  # all of context 0, half of context 1
        (12.5, 5 + 3.75 + 0.5 * 2.5, 12.5, 0.5),
        (17.5, 5 + 3.75 + 2.5 + 0.25 * 2.5, 17.5, 0.25),
        (25.0, 5 + 3.75 + 2.5 + 1.25, 20.0, 0.0),  # slack
    ],
)
def test_the_bandit_takes_the_best_paid_contexts_first(
    limit: float, mean_return: float, mean_cost: float, multiplier: float
) -> None:
    solution = solve(bandit(), limit)

    assert solution.mean_return == pytest.approx(mean_return)
    assert solution.mean_cost["cost"] == pytest.approx(mean_cost)
    assert solution.multiplier["cost"] == pytest.approx(multiplier, abs=1e-9)


def test_two_limits_have_a_multiplier_each() -> None:
    # Half of context 0 (5 visits, pays 1, even) and a quarter of context 1 (pays ¾, odd): 2.5 + 0.75 · 1.25.
    solution = solve(bandit(), {"even": 2.5, "odd": 1.25})

    assert solution.mean_return == pytest.approx(3.4375)
    assert solution.multiplier == pytest.approx({"even": 1.0, "odd": 0.75})
    assert solution.mean_cost == pytest.approx({"cost": 3.75, "even": 2.5, "odd": 1.25})


@pytest.mark.parametrize("limit", [3.0, 12.0, 22.0])
def test_the_multiplier_is_the_slope_of_the_best_return(limit: float) -> None:
    below, above = solve(ring(), limit - 0.01), solve(ring(), limit + 0.01)
    slope = (above.mean_return - below.mean_return) / 0.02

    assert solve(ring(), limit).multiplier["cost"] == pytest.approx(slope, rel=1e-3)


@pytest.mark.parametrize("limit", [2.0, 10.0, 20.0])
def test_the_optimal_policy_gives_the_optimal_values(limit: float) -> None:
    solution = solve(ring(), limit)
    mean_return, mean_cost = evaluate(ring(), solution.policy)

    assert mean_return == pytest.approx(solution.mean_return)
    assert mean_cost == pytest.approx(solution.mean_cost)


@pytest.mark.parametrize("limit", [2.0, 10.0, 20.0])
def test_a_stationary_policy_of_the_ring_comes_within_1_percent_of_the_optimum(limit: float) -> None:
    stationary = solve_discounted(ring(), limit / 100, gamma=0.99)
    mean_return, mean_cost = evaluate(ring(), stationary.policy)
    best = solve(ring(), limit).mean_return

    assert mean_cost["cost"] == pytest.approx(limit, rel=1e-3)
    assert 0.99 * best < mean_return <= best


def test_no_policy_at_all_beats_the_optimum() -> None:
    rng = np.random.default_rng(0)
    for _ in range(10):
        policy = rng.dirichlet([0.3, 0.3], size=8)
        mean_return, mean_cost = evaluate(ring(), policy)
        assert mean_return <= solve(ring(), mean_cost["cost"]).mean_return + 1e-9


def test_a_limit_that_no_policy_keeps_is_refused() -> None:
    costly = dataclasses.replace(ring(), costs={"cost": np.ones((8, 2))})

    with pytest.raises(ValueError, match="`cost_limit` must be one that some policy keeps"):
        solve(costly, 50.0)


def test_a_limit_on_an_unknown_cost_is_refused() -> None:
    with pytest.raises(ValueError, match=r"among \['cost'\], but got \['hazards'\]"):
        solve(ring(), {"hazards": 1.0})


def simulate(cmdp: CMDP, policy: np.ndarray, num_envs: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One whole episode of each environment: states `[H + 1, B]`, rewards and costs `[H, B]`."""
    batch = AnalyticBatch(cmdp, num_envs=num_envs, env_seeds=np.arange(num_envs))
    rng = np.random.default_rng(1)
    states = [batch.reset().argmax(axis=1)]
    rewards, costs = [], []
    for _ in range(cmdp.horizon):
        actions = np.where(rng.random(num_envs) < policy[states[-1], 1], 1.0, -1.0)
        step = batch.step(actions[:, None])
        states.append(step.final_observations.argmax(axis=1))
        rewards.append(step.rewards)
        costs.append(step.costs[:, 0])
    return np.array(states), np.array(rewards), np.array(costs)


@pytest.mark.parametrize(("cmdp", "limit"), [(bandit(), 0.375), (ring(), 0.1)], ids=["bandit", "ring"])
def test_simulated_episodes_have_the_exact_means_and_spread_of_advantages(cmdp: CMDP, limit: float) -> None:
    gamma, lambda_ = 0.9, 0.8
    policy = solve_discounted(cmdp, limit, gamma=gamma).policy
    states, rewards, costs = simulate(cmdp, policy, num_envs=4000)
    exact_return, exact_cost = evaluate(cmdp, policy)
    for totals, exact in ((rewards.sum(axis=0), exact_return), (costs.sum(axis=0), exact_cost["cost"])):
        assert abs(totals.mean() - exact) < 5 * totals.std() / np.sqrt(4000)

    # The definition: V is the expected discounted sum, found by iterating its equation; GAE backwards in time.
    values = np.zeros(cmdp.num_states)
    for _ in range(400):
        values = (policy * (cmdp.rewards + gamma * cmdp.transitions @ values)).sum(axis=1)
    advantages = np.zeros_like(rewards)
    carried = np.zeros(4000)
    for t in reversed(range(cmdp.horizon)):
        carried = rewards[t] + gamma * values[states[t + 1]] - values[states[t]] + gamma * lambda_ * carried
        advantages[t] = carried

    # 80 000 or more advantages, correlated over some 3 steps: the standard error of σ is below 0.5 %.
    assert advantage_std(cmdp, policy, gamma=gamma, lambda_=lambda_) == pytest.approx(advantages.std(), rel=0.015)


def test_the_spread_of_advantages_of_a_fair_coin_is_that_worked_by_hand() -> None:
    # One state, 2 steps, reward 1 or 0 with ½ each: δ has variance ¼. γλ = ½, so Var A_1 = ¼ (last step) and
    # Var A_0 = ¼ (1 + ¼); σ² = (¼ + 5/16) / 2 = 9/32.
    coin = CMDP(
        transitions=np.ones((1, 2, 1)),
        rewards=np.array([[0.0, 1.0]]),
        costs={"cost": np.zeros((1, 2))},
        initial=np.ones(1),
        horizon=2,
    )

    sigma = advantage_std(coin, np.full((1, 2), 0.5), gamma=0.5, lambda_=1.0)

    assert sigma == pytest.approx(np.sqrt(9 / 32))


def test_the_spread_of_advantages_counts_what_is_still_to_come() -> None:
    # As the coin, but the second of the two steps is in a state that pays nothing: Var A_0 = ¼, Var A_1 = 0.
    once = CMDP(
        transitions=np.array([[[0.0, 1.0], [0.0, 1.0]], [[0.0, 1.0], [0.0, 1.0]]]),
        rewards=np.array([[0.0, 1.0], [0.0, 0.0]]),
        costs={"cost": np.zeros((2, 2))},
        initial=np.array([1.0, 0.0]),
        horizon=2,
    )

    assert advantage_std(once, np.full((2, 2), 0.5), gamma=0.5, lambda_=1.0) == pytest.approx(np.sqrt(1 / 8))

"""The analytic tasks: the contract, the dynamics of the tables, and the random generator."""

import dataclasses

import numpy as np
import pytest

from environments.analytic import CMDP, CMDPS, AnalyticBatch, bandit, draw_uniform, ring
from environments.tasks import TASKS
from tests.contracts.env_batch import EnvBatchContract, MakeBatch


def make_batch(cmdp: CMDP, env_seeds: list[int], cost_names: tuple[str, ...] = ("cost",)) -> AnalyticBatch:
    return AnalyticBatch(cmdp, num_envs=len(env_seeds), env_seeds=np.array(env_seeds), cost_names=cost_names)


class TestBandit(EnvBatchContract):
    steps_to_an_end = 100

    @pytest.fixture
    def make(self) -> MakeBatch:
        return lambda env_seeds: make_batch(bandit(), env_seeds)


class TestRing(EnvBatchContract):
    steps_to_an_end = 301

    @pytest.fixture
    def make(self) -> MakeBatch:
        return lambda env_seeds: make_batch(ring(), env_seeds)


def test_there_is_a_cmdp_for_every_analytic_task_with_its_horizon() -> None:
    tasks = {task.env_id: task.horizon for task in TASKS.values() if task.is_analytic}

    assert {name: make().horizon for name, make in CMDPS.items()} == tasks


def test_only_the_sign_of_the_action_counts_and_zero_is_action_0() -> None:
    batch = make_batch(bandit(), [1, 2, 3, 4])
    observations = batch.reset()
    paid = observations @ np.array([1.0, 0.75, 0.5, 0.25])
    step = batch.step(np.array([[0.01], [1.0], [0.0], [-1.0]]))

    assert step.rewards.tolist() == [paid[0], paid[1], 0.0, 0.0]
    assert step.costs.tolist() == [[1.0], [1.0], [0.0], [0.0]]


def test_costs_have_the_columns_asked_for() -> None:
    batch = make_batch(bandit(), list(range(40)), ("odd", "cost", "even"))
    context = batch.reset().argmax(axis=1)
    costs = batch.step(np.ones((40, 1))).costs

    np.testing.assert_array_equal(costs, np.stack([context % 2 == 1, np.ones(40), context % 2 == 0], axis=1))


@pytest.mark.parametrize("action", [0, 1])
def test_states_follow_each_other_as_often_as_the_table_says(action: int) -> None:
    cmdp = ring()
    batch = make_batch(cmdp, list(range(200)))
    before = batch.reset().argmax(axis=1)
    counts = np.zeros((8, 8))
    for _ in range(500):
        step = batch.step(np.full((200, 1), 2.0 * action - 1.0))
        np.add.at(counts, (before, step.final_observations.argmax(axis=1)), 1)
        before = step.observations.argmax(axis=1)

    # 100 000 moves, some 12 500 from each state: the standard error of a frequency is below 0.005.
    np.testing.assert_allclose(counts / counts.sum(axis=1, keepdims=True), cmdp.transitions[:, action], atol=0.02)


def test_first_states_are_as_often_as_the_initial_distribution_says() -> None:
    cmdp = dataclasses.replace(ring(), initial=np.array([0.5, 0.0, 0.25, 0.0, 0.0, 0.0, 0.0, 0.25]))
    first = make_batch(cmdp, list(range(20_000))).reset().mean(axis=0)

    # Standard error √(¼ / 20 000) = 0.0035.
    np.testing.assert_allclose(first, cmdp.initial, atol=0.015)


def test_the_first_state_says_nothing_about_the_second() -> None:
    batch = make_batch(bandit(), list(range(10_000)))
    first = batch.reset().argmax(axis=1)
    second = batch.step(np.zeros((10_000, 1))).observations.argmax(axis=1)

    # Standard error √(¼ · ¾ / 10 000) = 0.0043.
    assert (first == second).mean() == pytest.approx(0.25, abs=0.02)


def test_the_generator_is_splitmix64() -> None:
    # First outputs for state 1234567, published with the reference implementation of the generator.
    generators = np.array([1234567], dtype=np.uint64)
    published = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431]

    assert [draw_uniform(generators)[0] for _ in published] == [(word >> 11) * 2.0**-53 for word in published]


def test_environments_with_neighboring_seeds_draw_unrelated_numbers() -> None:
    batch = make_batch(ring(), list(range(1000)))
    batch.reset()
    generators = batch.get_state()["generators"]
    draws = np.stack([draw_uniform(generators) for _ in range(200)])

    # Correlation of neighbors over 200 000 pairs: standard error 0.0022.
    assert abs(np.corrcoef(draws[:, :-1].ravel(), draws[:, 1:].ravel())[0, 1]) < 0.01
    assert abs(np.corrcoef(draws[:-1].ravel(), draws[1:].ravel())[0, 1]) < 0.01


def test_a_cost_that_the_task_lacks_is_refused() -> None:
    with pytest.raises(ValueError, match=r"`cost_names` must be among \['cost'\], but got \['even'\]"):
        make_batch(ring(), [1], ("cost", "even"))


def test_a_state_of_another_size_is_refused() -> None:
    small, large = make_batch(ring(), [1]), make_batch(ring(), [1, 2])
    small.reset()

    with pytest.raises(ValueError, match="of 2 environments, but got 1"):
        large.set_state(small.get_state())


def test_probabilities_that_do_not_sum_to_1_are_refused() -> None:
    with pytest.raises(ValueError, match="every row of `initial` must be"):
        dataclasses.replace(bandit(), initial=np.full(4, 0.3))

"""`NavigationBatch`: the contract, what it refuses, its state, and its threads."""

import importlib
from typing import Any

import mujoco
import numpy as np
import psutil
import pytest

from environments.batch import EnvBatch
from environments.make import Path, make_batch
from environments.navigation import NavigationBatch, UnstablePhysicsError, supports
from environments.safety_gymnasium import make as make_plain
from tests.contracts.env_batch import EnvBatchContract, MakeBatch
from tests.environments.navigation.driver import drive

PATHS: tuple[Path, Path] = ("fast", "general")


class TestContractOnCircle(EnvBatchContract):
    steps_to_an_end = 505

    @pytest.fixture
    def make(self) -> MakeBatch:
        def build(env_seeds: list[int]) -> EnvBatch:
            return NavigationBatch("SafetyPointCircle1-v0", len(env_seeds), np.array(env_seeds))

        return build


class TestContractOnButton(EnvBatchContract):
    steps_to_an_end = 1005

    @pytest.fixture
    def make(self) -> MakeBatch:
        def build(env_seeds: list[int]) -> EnvBatch:
            return NavigationBatch("SafetyPointButton1-v0", len(env_seeds), np.array(env_seeds))

        return build


def batch_of(task: str, size: int = 2, **options: Any) -> NavigationBatch:
    batch = NavigationBatch(f"SafetyPoint{task}-v0", size, np.arange(size), **options)
    batch.reset()
    return batch


@pytest.mark.parametrize(
    ("env_id", "expected"),
    [
        ("SafetyPointCircle0-v0", True),
        ("SafetyCarButton2-v0", True),
        ("SafetyPointGoal3-v0", False),
        ("SafetyPointRun0-v0", False),
        ("SafetyAntGoal1-v0", False),
        ("SafetyPointGoal1Vision-v0", False),
        ("SafetyPointGoal1Gymnasium-v0", False),
        ("xSafetyPointGoal1-v0", False),
    ],
)
def test_supports_what_it_was_tested_on(env_id: str, expected: bool) -> None:
    assert supports(env_id) is expected


def test_a_task_without_a_fast_path_is_refused() -> None:
    with pytest.raises(ValueError, match=r"`supports\(env_id\)` must hold .* env_id='SafetyAntGoal1-v0'"):
        NavigationBatch("SafetyAntGoal1-v0", 1, np.array([0]))


def test_kinds_of_cost_are_columns_in_the_order_asked_for() -> None:
    batch = batch_of("Goal2", 4, cost_names=("vases_velocity", "cost", "hazards"))
    rng = np.random.default_rng(0)
    costs = np.concatenate([batch.step(drive(batch, step, rng)).costs for step in range(150)])

    assert costs.shape == (600, 3)
    assert (costs.sum(axis=0) > 0).all()
    assert (costs[:, 1] >= costs[:, [0, 2]].max(axis=1)).all()


def test_an_unknown_cost_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"\(cost, hazards\), but got 'vases_contact'"):
        NavigationBatch("SafetyPointGoal1-v0", 1, np.array([0]), cost_names=("vases_contact",))


def test_sizes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="env_seeds"):
        NavigationBatch("SafetyPointCircle1-v0", 2, np.array([0]))
    with pytest.raises(ValueError, match="num_threads"):
        NavigationBatch("SafetyPointCircle1-v0", 1, np.array([0]), num_threads=0)


@pytest.mark.parametrize("task", ["Goal2", "Push2", "Button2"])
def test_a_state_continues_exactly_across_goals_and_resets(task: str) -> None:
    batch = batch_of(task)
    rng = np.random.default_rng(0)
    for step in range(980):
        batch.step(drive(batch, step, rng))
    state = batch.get_state()
    actions = rng.uniform(-1, 1, (40, 2, 2))
    expected = [batch.step(action) for action in actions]
    restored = NavigationBatch(f"SafetyPoint{task}-v0", 2, np.array([5, 6]))
    restored.set_state(state)

    assert any(step.truncated.any() for step in expected)
    for action, step in zip(actions, expected, strict=True):
        for array, same in zip(step, restored.step(action), strict=True):
            np.testing.assert_array_equal(array, same)


def test_a_state_of_another_task_or_size_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\(env_id, num_envs\)"):
        batch_of("Goal1").set_state(batch_of("Goal0").get_state())
    with pytest.raises(ValueError, match=r"\(env_id, num_envs\)"):
        batch_of("Goal0", 1).set_state(batch_of("Goal0").get_state())


def test_physics_that_left_the_finite_numbers_names_the_environment() -> None:
    batch = batch_of("Goal1", 3)
    batch._data[1].qvel[0] = np.nan

    with pytest.raises(UnstablePhysicsError, match=r"environment 1 \(SafetyPointGoal1-v0\) .* mjWARN_BAD") as error:
        batch.step(np.zeros((3, 2)))
    assert error.value.env == 1


def test_a_reward_that_is_no_number_names_the_environment() -> None:
    batch = batch_of("Circle0", 3)
    batch._models[2].body("agent").pos[:2] = 0.0  # at the very centre the circle's direction is 0 / 0
    batch._data[2].qpos[:] = 0.0
    mujoco.mj_forward(batch._models[2], batch._data[2])

    with pytest.raises(UnstablePhysicsError, match=r"environment 2 .* warned: the reward or an observation is not"):
        batch.step(np.zeros((3, 2)))


def test_an_observation_that_is_no_number_names_the_environment() -> None:
    batch = batch_of("Goal0", 2)
    batch._models[1].opt.magnetic[0] = (
        np.nan
    )  # the magnetometer reads it, and no state that MuJoCo checks depends on it

    with pytest.raises(UnstablePhysicsError, match=r"environment 1 .* warned: the reward or an observation is not"):
        batch.step(np.zeros((2, 2)))


def test_a_goal_without_a_place_ends_the_episode_as_upstream_does() -> None:
    batch = batch_of("Goal0", 1)
    plain: Any = make_plain("SafetyPointGoal0-v0")
    plain.reset(seed=0)
    task = plain.unwrapped.task
    rectangle, _ = task.random_generator.placements["agent"]
    task.random_generator.placements["agent"] = (rectangle, 9.0)  # the agent keeps all goals 9 m away
    batch._placement = batch._placement._replace(gaps=np.full((2, 2), 9.0))
    for model, data in ((task.model, task.data), (batch._models[0], batch._data[0])):
        model.body("goal").pos[:2] = data.body("agent").xpos[:2]

    observation, reward, _, terminated, truncated, info = plain.step(np.zeros(2))
    batch._advance(np.zeros((1, 2)))  # a whole step would then look for a layout, which has no place either

    assert (terminated, truncated, info["goal_met"]) == (True, False, True)
    assert batch._outcome.terminated.tolist() == [True]
    assert batch._outcome.rewards.tolist() == [reward]
    np.testing.assert_allclose(batch._outcome.observations[0], observation, rtol=0, atol=1e-9)


def test_a_layout_that_cannot_be_found_is_upstreams_error_and_names_the_environment() -> None:
    batch = batch_of("Goal0", 2)
    batch.step(np.zeros((2, 2)))
    batch._placement = batch._placement._replace(gaps=np.full((2, 2), 9.0))
    batch._episodes.progress["steps"][1] = batch._rules.horizon - 1  # only the second begins anew
    resampling_error: type[Exception] = importlib.import_module("safety_gymnasium.utils.common_utils").ResamplingError

    with pytest.raises(resampling_error, match=r"no layout was found for environment 1 \(SafetyPointGoal0-v0\)"):
        batch.step(np.zeros((2, 2)))
    with pytest.raises(resampling_error, match=r"for environment 0 .* within 10,000 tries; another seed"):
        batch.reset()


def test_rewards_are_clipped_on_both_sides() -> None:
    batch = batch_of("Goal1", 8)
    batch._rules = batch._rules._replace(reward_limit=1e-3)  # upstream's is 10, which only a physics error reaches
    rng = np.random.default_rng(0)
    rewards = np.concatenate([batch.step(rng.uniform(-1, 1, (8, 2))).rewards for _ in range(50)])

    assert (rewards.min(), rewards.max()) == (-1e-3, 1e-3)
    assert (np.abs(rewards) < 1e-3).any()


def test_threads_change_nothing() -> None:
    alone, shared = batch_of("Goal1", 3), batch_of("Goal1", 3, num_threads=2)
    rng = np.random.default_rng(0)

    for _ in range(20):
        actions = rng.uniform(-1, 1, (3, 2))
        for array, same in zip(alone.step(actions), shared.step(actions), strict=True):
            np.testing.assert_array_equal(array, same)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("task", ["Goal2", "Button1"])
def test_ten_thousand_resets_leak_nothing(task: str) -> None:
    batch = batch_of(task, 10)
    for _ in range(20):
        batch.reset()
    before = psutil.Process().memory_info().rss
    for _ in range(1000):
        batch.reset()

    assert psutil.Process().memory_info().rss - before < 4 * 2**20


def test_both_paths_of_make_batch_give_the_same_episodes() -> None:
    names = ("vases_velocity", "cost")
    fast, general = (make_batch("Goal2", num_envs=2, seeds=[4], cost_names=names, path=path) for path in PATHS)
    assert isinstance(fast, NavigationBatch)
    assert (fast.kind, general.kind) == ("navigation", "gymnasium")
    np.testing.assert_array_equal(fast.env_seeds, general.env_seeds)
    np.testing.assert_allclose(fast.reset(), general.reset(), rtol=0, atol=1e-9)
    rng = np.random.default_rng(0)
    costs = np.zeros(2)

    for step in range(80):
        actions = drive(fast, step, rng)
        one, other = fast.step(actions), general.step(actions)
        np.testing.assert_allclose(one.observations, other.observations, rtol=0, atol=1e-9)
        np.testing.assert_array_equal(one.rewards, other.rewards)
        np.testing.assert_array_equal(one.costs, other.costs)
        costs += one.costs.sum(axis=0)
    assert (costs > 0).all()


def test_positions_are_where_the_robots_are() -> None:
    batch = NavigationBatch("SafetyPointCircle1-v0", 2, np.array([0, 1]))
    batch.reset()
    before = batch.positions()
    for _ in range(20):
        step = batch.step(np.tile([1.0, 0.0], (2, 1)))
    after = batch.positions()
    assert not step.truncated.any()
    assert before.shape == (2, 2)
    # Full throttle for 20 steps moves each robot by centimeters to decimeters, and the two to different places.
    moved = np.linalg.norm(after - before, axis=1)
    assert ((moved > 0.02) & (moved < 2.0)).all()
    assert np.linalg.norm(after[0] - after[1]) > 0.01

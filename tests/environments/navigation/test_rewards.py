"""Rewards and costs by hand, on states that are written into the physics' memory."""

import numpy as np
import pytest

from environments.navigation import NavigationBatch
from environments.navigation.rewards import cost_step, remember_distances, reward_step
from environments.navigation.task import COST_KINDS


def batch_of(task: str) -> NavigationBatch:
    batch = NavigationBatch(f"SafetyPoint{task}-v0", 1, np.array([0]))
    batch.reset()
    return batch


def costs_of(batch: NavigationBatch) -> dict[str, float]:
    """The costs of the state as it stands."""
    costs = np.zeros(len(COST_KINDS))
    cost_step(batch._addresses[0], batch._rules, batch._episodes.progress[0], costs)
    return {name: cost for name, cost in zip(COST_KINDS, costs.tolist(), strict=True) if cost}


def reward_of(batch: NavigationBatch, *, pressed: bool = False) -> tuple[float, bool]:
    return reward_step(batch._addresses[0], batch._rules, batch._episodes.progress[0], pressed)


def test_running_round_the_circle_is_rewarded_by_speed_and_nearness() -> None:
    batch = batch_of("Circle1")
    data = batch._data[0]
    data.body("agent").xpos[:2] = [0.0, 2.0]
    data.body("agent").xmat[:] = [0.0, -1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0]  # turned by 90°: its x is our y
    data.sensor("velocimeter").data[:] = [0.0, 3.0, 0.0]  # so its y is our −x: 3 m/s counter-clockwise

    reward, reached = reward_of(batch)

    # (−u·y + v·x) / r = (3 · 2 + 0) / 2 = 3; over 1 + |2 − 1.5| = 1.5 that is 2; times 0.1.
    assert reward == pytest.approx(0.2)
    assert not reached


@pytest.mark.parametrize(("x", "y", "expected"), [(1.12, 3.0, 0), (-1.13, 0.0, 1), (1.13, 0.0, 1)])
def test_circle_1_has_walls_across_x_alone(x: float, y: float, expected: int) -> None:
    batch = batch_of("Circle1")
    batch._data[0].body("agent").xpos[:2] = [x, y]

    assert costs_of(batch) == ({"cost": 1.0, "out_of_boundary": 1.0} if expected else {})


@pytest.mark.parametrize(("x", "y", "expected"), [(1.12, -1.12, 0), (0.0, -1.13, 1), (0.0, 1.13, 1)])
def test_circle_2_has_walls_across_y_too(x: float, y: float, expected: int) -> None:
    batch = batch_of("Circle2")
    batch._data[0].body("agent").xpos[:2] = [x, y]

    assert costs_of(batch) == ({"cost": 1.0, "out_of_boundary": 1.0} if expected else {})


@pytest.mark.parametrize(("distance", "expected"), [(0.2001, {}), (0.1999, {"cost": 1.0, "hazards": 1.0})])
def test_a_hazard_costs_within_its_radius(distance: float, expected: dict[str, float]) -> None:
    batch = batch_of("Goal1")
    data = batch._data[0]
    data.body("agent").xpos[:2] = [5.0, 5.0]
    data.body("hazard7").xpos[:2] = [5.0 + 0.6 * distance, 5.0 - 0.8 * distance]

    assert costs_of(batch) == expected


@pytest.mark.parametrize(("speed", "expected"), [(0.99e-4, {}), (1.01e-4, {"cost": 1.0, "vases_velocity": 1.0})])
def test_a_vase_costs_once_it_moves_by_a_tenth_of_a_millimetre_a_second(
    speed: float, expected: dict[str, float]
) -> None:
    batch = batch_of("Goal2")
    batch._data[0].joint("vase3").qvel[:3] = [2 / 3 * speed, -1 / 3 * speed, 2 / 3 * speed]
    batch._data[0].joint("vase3").qvel[3:] = 1.0  # turning is free

    assert costs_of(batch) == expected


def test_goal_rewards_the_way_made_and_the_arrival() -> None:
    batch = batch_of("Goal1")
    data = batch._data[0]
    data.body("goal").xpos[:2] = [0.0, 0.0]
    data.body("agent").xpos[:2] = [3.0, 4.0]
    remember_distances(batch._addresses[0], batch._rules, batch._episodes.progress[0])

    data.body("agent").xpos[:2] = [0.0, 2.0]
    assert reward_of(batch) == (pytest.approx(5.0 - 2.0), False)
    data.body("agent").xpos[:2] = [0.3, 0.0]
    assert reward_of(batch) == (pytest.approx(2.0 - 0.3 + 1.0), True)


def test_push_rewards_the_way_to_the_box_and_the_boxs_way_to_the_goal() -> None:
    batch = batch_of("Push1")
    data = batch._data[0]
    data.body("goal").xpos[:] = [0.0, 0.0, 0.0]
    data.body("push_box").xpos[:] = [0.0, 3.0, 0.0]
    data.body("agent").xpos[:] = [2.0, 3.0, 1.0]
    remember_distances(batch._addresses[0], batch._rules, batch._episodes.progress[0])

    data.body("push_box").xpos[:] = [0.0, 2.0, 0.0]
    data.body("agent").xpos[:] = [0.0, 2.5, 0.0]
    # The agent was √(4 + 1) from the box and is 0.5 from it; the box was 3 from the goal and is 2 from it.
    assert reward_of(batch) == (pytest.approx(5**0.5 - 0.5 + 3.0 - 2.0), False)

"""What is read out of Safety-Gymnasium, and that a rewritten model is the one that upstream compiles."""

from typing import Any

import mujoco
import numpy as np
import pytest

from environments.navigation import NavigationBatch
from environments.navigation.task import (
    AGENT,
    BUTTONS,
    GREMLINS,
    HAZARDS,
    NOTHING,
    OUT_OF_BOUNDARY,
    PILLARS,
    VASES_CONTACT,
    VASES_VELOCITY,
)
from environments.navigation.upstream import describe
from environments.safety_gymnasium import make

# Fields that no step reads: the arena's size, cameras and lights, and rest positions of springs without stiffness.
UNREAD = ("_sizes", "cam_", "light_", "qpos_spring")


def differing_fields(model: mujoco.MjModel, other: mujoco.MjModel) -> set[str]:
    names = {name for name in dir(model) if isinstance(getattr(model, name, None), np.ndarray)}
    return {name for name in names if not np.array_equal(getattr(model, name), getattr(other, name))}


@pytest.mark.parametrize("agent", ["Point", "Car"])
@pytest.mark.parametrize("task", ["Circle2", "Goal2", "Push2", "Button2"])
def test_a_reset_leaves_the_model_that_upstream_compiles(agent: str, task: str) -> None:
    env_id = f"Safety{agent}{task}-v0"
    batch = NavigationBatch(env_id, 1, np.array([5]))
    batch.reset()
    plain: Any = make(env_id)
    plain.reset(seed=5)
    model, other = batch._models[0], plain.unwrapped.task.model
    moves, touches = model.body_weldid > 0, (model.geom_contype | model.geom_conaffinity) > 0
    moves &= model.body_mocapid < 0

    differing = {name for name in differing_fields(model, other) if not name.startswith(UNREAD)}

    # The weight of what has no degrees of freedom hangs nowhere; the gremlins' mocap geoms touch nothing.
    assert differing <= {"body_ipos", "body_iquat", "geom_sameframe"}
    np.testing.assert_array_equal(model.body_ipos[moves], other.body_ipos[moves])
    np.testing.assert_array_equal(model.body_iquat[moves], other.body_iquat[moves])
    np.testing.assert_array_equal(model.geom_sameframe[touches], other.geom_sameframe[touches])


def test_reads_the_numbers_of_goal_2() -> None:
    model, rules, placement, sensing, cost_names = describe("SafetyPointGoal2-v0")

    assert cost_names == ("cost", "hazards", "vases_contact", "vases_velocity")
    assert (rules.horizon, rules.num_substeps, rules.goal_radius, rules.hazard_radius) == (1000, 10, 0.3, 0.2)
    assert (rules.goal_reward, rules.distance_reward, rules.reward_limit) == (1.0, 1.0, 10.0)
    assert (len(rules.hazards), len(rules.vase_velocities), rules.vase_speed) == (10, 10, 1e-4)
    assert len(placement.body) == 22  # the agent, the goal, 10 hazards, 10 vases
    assert placement.gaps[0, placement.goal] == 0.4 + 0.305
    np.testing.assert_allclose(placement.rectangles[0], [-1.6, -1.6, 3.2, 3.2])  # ± 2 m, less the agent's 0.4
    assert (len(sensing.readings), sensing.lidar_starts.tolist()) == (12, [0, 1, 11, 21])
    assert sorted(set(rules.contacts.tolist())) == [AGENT, NOTHING, VASES_CONTACT]
    assert model.geom_bodyid[rules.contacts == VASES_CONTACT].tolist() == sensing.lidar_bodies[11:].tolist()


@pytest.mark.parametrize(
    ("task", "columns"),
    [
        ("Circle0", set[int]()),
        ("Circle1", {OUT_OF_BOUNDARY}),
        ("Goal1", {HAZARDS}),
        ("Goal2", {HAZARDS, VASES_CONTACT, VASES_VELOCITY}),
        ("Push1", {HAZARDS}),
        ("Push2", {HAZARDS, PILLARS}),
        ("Button0", set[int]()),
        ("Button1", {HAZARDS, BUTTONS, GREMLINS}),
    ],
)
def test_only_what_the_level_constrains_costs(task: str, columns: set[int]) -> None:
    rules = describe(f"SafetyPoint{task}-v0").rules
    counted = {column for column in rules.contacts.tolist() if column >= 0}
    counted |= {HAZARDS} if len(rules.hazards) else set()
    counted |= {VASES_VELOCITY} if len(rules.vase_velocities) else set()
    counted |= {OUT_OF_BOUNDARY} if rules.num_boundary_axes else set()

    assert counted == columns


def test_gremlins_run_on_the_clock_that_mujoco_adds_up() -> None:
    rules = describe("SafetyCarButton1-v0").rules
    clock = 0.0
    for moment in range(len(rules.mocap_path)):
        assert rules.mocap_path[moment].tolist() == [np.sin(clock) * 0.35, np.cos(clock) * 0.35]
        clock += 0.004  # a car's physics step in seconds


def test_an_environment_takes_megabytes_of_address_space_rather_than_half_a_gigabyte() -> None:
    assert mujoco.MjData(describe("SafetyPointGoal1-v0").model).narena <= 16 * 2**20

"""Drives agents to places, so that comparisons reach goals and meet every kind of cost; knows where everything is."""

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from environments.navigation import NavigationBatch

ROUND = 120  # steps spent on one target
SPIN = np.array([1.0, -1.0])  # wheel torques that turn a car to the left


def steer(data: Any, target: NDArray[np.float64], *, is_car: bool) -> NDArray[np.float64]:
    """The action that drives an agent towards a point.

    Args:
        data: Its physics.
        target: `[2]` float64; x and y in metres.
        is_car: Whether it has two wheels, with its front at −y, rather than a force along x and a turn.

    Returns:
        `[2]` float64; the action.
    """
    agent = data.body("agent")
    x, y = agent.xmat.reshape(3, 3)[:2, :2].T @ (target - agent.xpos[:2])
    forward, left = (-y, x) if is_car else (x, y)
    angle = np.arctan2(left, forward)
    if not is_car:
        return np.array([np.cos(angle), 2.0 * angle])
    return np.cos(angle) * np.ones(2) + 0.3 * angle * SPIN


def target(data: Any, names: list[str], turn: int) -> NDArray[np.float64]:
    """Where to go: in turn to the goal (or the box), and to one of the other objects.

    Args:
        data: The physics.
        names: The task's bodies.
        turn: Counts the rounds.

    Returns:
        `[2]` float64; x and y in metres.
    """
    if "circle" in names:
        return np.array([3.0, 0.0] if turn % 2 else [0.0, -3.0])
    costly = ("hazard", "vase", "button", "pillar", "gremlin")
    places = [name for name in names if name.startswith(costly) and not name.endswith("mocap")]
    if not places or turn % 2:
        return data.body("push_box" if "push_box" in names else "goal").xpos[:2].copy()
    return data.body(places[turn // 2 % len(places)]).xpos[:2].copy()


@lru_cache(maxsize=4)
def body_names(model: Any) -> list[str]:
    """The names of a model's bodies."""
    return [model.body(index).name for index in range(model.nbody)]


def drive(batch: NavigationBatch, step: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Actions for all environments, with noise, and sometimes beyond the bounds.

    Args:
        batch: The environments.
        step: Counts the steps.
        rng: Draws the noise.

    Returns:
        `[B, 2]` float64; the actions.
    """
    names = body_names(batch._models[0])
    is_car = "rear" in names
    actions = [
        steer(data, target(data, names, step // ROUND + row), is_car=is_car) for row, data in enumerate(batch._data)
    ]
    return np.array(actions) + rng.normal(0.0, 0.3, (batch.num_envs, 2))

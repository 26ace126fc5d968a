"""Where a reset puts the objects and where a new goal goes, drawn from the same numbers as Safety-Gymnasium does.

Axes: K placed objects. Compiled.
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from environments.navigation.memory import Addresses
from environments.navigation.mujoco_calls import float_pointer
from environments.navigation.random_state import next_double
from environments.navigation.task import Floats, Placement

LAYOUT_TRIES = 10_000
OBJECT_TRIES = 100
GOAL_TRIES = 10_000


@njit
def _place_item(
    generator: NDArray[np.uint32],
    rectangle: Floats,
    gaps: Floats,
    others: int,
    tries: int,
    spots: Floats,
    item: int,
) -> bool:
    """Draws from a rectangle until the object keeps its gap from the first `others` but itself; or gives up."""
    for _ in range(tries):
        x = rectangle[0] + rectangle[2] * next_double(generator)
        y = rectangle[1] + rectangle[3] * next_double(generator)
        is_free = True
        for other in range(others):
            dx, dy = x - spots[other, 0], y - spots[other, 1]
            if other != item and math.sqrt(dx * dx + dy * dy) < gaps[other]:
                is_free = False
                break
        if is_free:
            spots[item, 0], spots[item, 1] = x, y
            return True
    return False


@njit
def sample_layout(generator: NDArray[np.uint32], placement: Placement, spots: Floats, angles: Floats) -> bool:
    """Draws a place and a rotation for every object.

    Args:
        generator: `[625]` uint32; the environment's random generator.
        placement: How objects are placed.
        spots: `[K, 2]` float64; filled with x and y in metres.
        angles: `[K]` float64; filled with rotations in [0, 2π).

    Returns:
        False if no layout was found, where Safety-Gymnasium raises a `ResamplingError`.
    """
    rectangles, gaps = placement.rectangles, placement.gaps
    num_items = rectangles.shape[0]
    for _ in range(LAYOUT_TRIES):
        placed = 0
        while placed < num_items and _place_item(
            generator, rectangles[placed], gaps[placed], placed, OBJECT_TRIES, spots, placed
        ):
            placed += 1
        if placed == num_items:
            for item in range(num_items):
                angles[item] = 2 * math.pi * next_double(generator)
            return True
    return False


@njit
def sample_goal(generator: NDArray[np.uint32], placement: Placement, spots: Floats) -> bool:
    """Draws a new place for the goal that keeps its distance from all other objects.

    Args:
        generator: `[625]` uint32; the environment's random generator.
        placement: How objects are placed.
        spots: `[K, 2]` float64; where the objects are now; the goal's entry is replaced.

    Returns:
        False if no place was found, where Safety-Gymnasium ends the episode.
    """
    goal, num_items = placement.goal, placement.gaps.shape[0]
    return _place_item(generator, placement.rectangles[goal], placement.gaps[goal], num_items, GOAL_TRIES, spots, goal)


@njit
def _write_spot(at: Addresses, item: int, placement: Placement, spot: Floats) -> None:
    """Moves an object's body, the start of its free joint, and the geom that pulls it."""
    body_pos, qpos0 = float_pointer(at.body_pos), float_pointer(at.qpos0)
    geom_pos = float_pointer(at.geom_pos)
    body, start, geom = placement.body[item], placement.position_address[item], placement.mocap_geom[item]
    for axis in range(2):
        body_pos[3 * body + axis] = spot[axis]
        if start >= 0:
            qpos0[start + axis] = spot[axis]
        if geom >= 0:
            geom_pos[3 * geom + axis] = spot[axis]


@njit
def _write_quaternion(at: Addresses, item: int, placement: Placement, quaternion: Floats) -> None:
    """Turns the same."""
    body_quat, qpos0 = float_pointer(at.body_quat), float_pointer(at.qpos0)
    geom_quat = float_pointer(at.geom_quat)
    body, start, geom = placement.body[item], placement.position_address[item], placement.mocap_geom[item]
    for part in range(4):
        body_quat[4 * body + part] = quaternion[part]
        if start >= 0:
            qpos0[start + 3 + part] = quaternion[part]
        if geom >= 0:
            geom_quat[4 * geom + part] = quaternion[part]


@njit
def write_layout(at: Addresses, placement: Placement, spots: Floats, quaternions: Floats) -> None:
    """Moves the objects of an environment's model, as if it had been compiled with them there.

    `mj_setConst` has to follow, which derives the constants that depend on places, such as where gremlins are welded.

    Args:
        at: Where its model lies.
        placement: How objects are placed.
        spots: `[K, 2]` float64; x and y in metres.
        quaternions: `[K, 4]` float64; orientations.
    """
    for item in range(placement.body.shape[0]):
        _write_spot(at, item, placement, spots[item])
        if placement.turns[item]:
            _write_quaternion(at, item, placement, quaternions[item])

"""Steps and resets of all environments: loops over rows in compiled code, without Python's lock.

A step is one call. A reset is two, because the cosines between them must be NumPy's own for the layouts to equal
Safety-Gymnasium's to the last bit.
"""

from typing import Any

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from environments.navigation.bindings import mujoco
from environments.navigation.compilation import compiled, compiled_for_threads
from environments.navigation.memory import Addresses
from environments.navigation.mujoco_calls import (
    float_pointer,
    int_pointer,
    mj_forward,
    mj_reset_data,
    mj_set_const,
    mj_step,
    mj_step2,
)
from environments.navigation.placement import sample_goal, sample_layout, write_layout
from environments.navigation.random_state import next_double, next_index
from environments.navigation.rewards import cost_step, remember_distances, reward_step
from environments.navigation.sensing import observe
from environments.navigation.task import BUTTON, CIRCLE, Episodes, Floats, Outcome, Placement, Progress, Rules, Sensing

_NUM_WARNINGS = int(mujoco.mjtWarning.mjNWARNING)
_NO_SENSORS = int(mujoco.mjtDisableBit.mjDSBL_SENSOR)


@njit
def _simulate(at: Addresses, rules: Rules, moment: int, action: Floats, bounds: Floats) -> None:
    """Applies an action for one environment step, and brings sensors and contacts up to date.

    Nothing moves by what a sensor reads, so sensors are read once, after the last substep: a tenth of the time.
    """
    model, data = at.model, at.data
    ctrl, mocap_pos, disabled = float_pointer(at.ctrl), float_pointer(at.mocap_pos), int_pointer(at.disableflags)
    for index in range(action.shape[0]):
        ctrl[index] = min(max(action[index], bounds[0, index]), bounds[1, index])
    as_given = disabled[0]
    disabled[0] = as_given | _NO_SENSORS
    for substep in range(rules.num_substeps):
        for mocap in range(rules.num_mocaps):
            mocap_pos[3 * mocap] = rules.mocap_path[moment + substep, 0]
            mocap_pos[3 * mocap + 1] = rules.mocap_path[moment + substep, 1]
            mocap_pos[3 * mocap + 2] = rules.mocap_height
        if substep == 0 and rules.num_mocaps == 0:
            mj_step2(model, data)  # the last mj_forward did the first half, and nothing has moved since
        else:
            mj_step(model, data)
    disabled[0] = as_given
    mj_forward(model, data)


@njit
def _choose_button(at: Addresses, rules: Rules, progress: Progress, generator: NDArray[np.uint32]) -> None:
    """Draws the button to press and moves the goal there."""
    body_pos, xpos = float_pointer(at.body_pos), float_pointer(at.xpos)
    progress.goal_button = next_index(generator, rules.buttons.shape[0])
    progress.timer = rules.button_delay
    for axis in range(2):
        body_pos[3 * rules.goal + axis] = xpos[3 * rules.buttons[progress.goal_button] + axis]


@njit
def _set_goal(
    at: Addresses,
    rules: Rules,
    placement: Placement,
    progress: Progress,
    generator: NDArray[np.uint32],
    spots: Floats,
) -> bool:
    """Draws a new goal and moves it there; False if there is no place left."""
    if rules.family == BUTTON:
        _choose_button(at, rules, progress, generator)
    else:
        if not sample_goal(generator, placement, spots):
            return False
        body_pos = float_pointer(at.body_pos)
        for axis in range(2):
            body_pos[3 * rules.goal + axis] = spots[placement.goal, axis]
    mj_forward(at.model, at.data)
    remember_distances(at, rules, progress)
    return True


@njit
def _current_spots(at: Addresses, placement: Placement) -> Floats:
    """Where the objects are now: what was pushed away no longer keeps a goal from its old place."""
    xpos = float_pointer(at.xpos)
    spots = np.empty((placement.body.shape[0], 2))
    for item in range(spots.shape[0]):
        for axis in range(2):
            spots[item, axis] = xpos[3 * placement.body[item] + axis]
    return spots


@njit
def _is_unstable(at: Addresses, reward: float, observation: Floats) -> bool:
    """Whether a number is not finite, or the physics warned of one (it goes on from a reset state) or a full buffer."""
    warnings = int_pointer(at.warning)
    warned = False
    for warning in range(_NUM_WARNINGS):
        warned = warned or warnings[2 * warning + 1] > 0
    return warned or not np.isfinite(reward) or not np.isfinite(observation).all()


@njit
def _step_row(
    row: int,
    rules: Rules,
    placement: Placement,
    sensing: Sensing,
    addresses: Any,
    episodes: Episodes,
    action: Floats,
    bounds: Floats,
    outcome: Outcome,
) -> None:
    at, progress, generator = addresses[row], episodes.progress[row], episodes.generators[row]
    next_double(generator)  # upstream draws the number of substeps: binomial(n, 1)
    _simulate(at, rules, progress.steps * rules.num_substeps, action, bounds)
    pressed = cost_step(at, rules, progress, outcome.costs[row])
    outcome.rewards[row], reached = reward_step(at, rules, progress, pressed)
    progress.timer = max(0, progress.timer - 1)
    progress.steps += 1
    outcome.terminated[row] = False
    if reached:
        spots = _current_spots(at, placement)
        outcome.terminated[row] = not _set_goal(at, rules, placement, progress, generator, spots)
    observe(at, rules.agent, sensing, progress, outcome.observations[row])
    outcome.unstable[row] = _is_unstable(at, outcome.rewards[row], outcome.observations[row])


@compiled
def step_rows(
    rules: Rules,
    placement: Placement,
    sensing: Sensing,
    addresses: Any,
    episodes: Episodes,
    actions: Floats,
    bounds: Floats,
    outcome: Outcome,
) -> None:
    """Steps every environment once.

    Args:
        rules: The task's rules.
        placement: How objects are placed.
        sensing: What is observed.
        addresses: `[B]` of `ADDRESSES`; where the physics lies.
        episodes: Where the episodes stand; changed.
        actions: `[B, A]` float64.
        bounds: `[2, A]` float64; smallest and largest action.
        outcome: Filled.
    """
    for row in range(actions.shape[0]):
        _step_row(row, rules, placement, sensing, addresses, episodes, actions[row], bounds, outcome)


@compiled_for_threads
def step_rows_in_threads(
    rules: Rules,
    placement: Placement,
    sensing: Sensing,
    addresses: Any,
    episodes: Episodes,
    actions: Floats,
    bounds: Floats,
    outcome: Outcome,
) -> None:
    """Steps every environment once, sharing them among Numba's threads.

    Args:
        rules: The task's rules.
        placement: How objects are placed.
        sensing: What is observed.
        addresses: `[B]` of `ADDRESSES`; where the physics lies.
        episodes: Where the episodes stand; changed.
        actions: `[B, A]` float64.
        bounds: `[2, A]` float64; smallest and largest action.
        outcome: Filled.
    """
    for row in prange(actions.shape[0]):
        _step_row(row, rules, placement, sensing, addresses, episodes, actions[row], bounds, outcome)


@compiled
def sample_layouts(rows: NDArray[np.int64], placement: Placement, episodes: Episodes, angles: Floats) -> int:
    """Draws a layout for each row: first half of a reset.

    Args:
        rows: Int64; the environments.
        placement: How objects are placed.
        episodes: Theirs; `spots` is filled.
        angles: `[rows, K]` float64; filled with rotations in [0, 2π).

    Returns:
        The first environment for which no layout was found, or −1.
    """
    for index in range(rows.shape[0]):
        row = rows[index]
        if not sample_layout(episodes.generators[row], placement, episodes.spots[row], angles[index]):
            return row
    return -1


@compiled
def write_layouts(rows: NDArray[np.int64], placement: Placement, addresses: Any, episodes: Episodes) -> None:
    """Moves the objects to where the resets placed them, and everything else to its start.

    Args:
        rows: Int64; the environments.
        placement: How objects are placed.
        addresses: `[B]` of `ADDRESSES`; where the physics lies.
        episodes: Their spots and quaternions.
    """
    for row in rows:
        at = addresses[row]
        write_layout(at, placement, episodes.spots[row], episodes.quaternions[row])
        mj_set_const(at.model, at.data)
        mj_reset_data(at.model, at.data)
        mj_forward(at.model, at.data)


@compiled
def begin_episodes(
    rows: NDArray[np.int64],
    rules: Rules,
    placement: Placement,
    sensing: Sensing,
    addresses: Any,
    episodes: Episodes,
    observations: Floats,
) -> int:
    """Starts an episode in each row, whose layout has been written: last part of a reset.

    Args:
        rows: Int64; the environments.
        rules: The task's rules.
        placement: How objects are placed.
        sensing: What is observed.
        addresses: `[B]` of `ADDRESSES`; where the physics lies.
        episodes: Where the episodes stand; changed.
        observations: `[B, O]` float64; the rows' are filled.

    Returns:
        The first environment for which no goal was found, or −1.
    """
    for row in rows:
        at, progress, spots = addresses[row], episodes.progress[row], episodes.spots[row].copy()
        progress.steps = 0
        if rules.family != CIRCLE and not _set_goal(at, rules, placement, progress, episodes.generators[row], spots):
            return row
        progress.timer = 0
        observe(at, rules.agent, sensing, progress, observations[row])
    return -1

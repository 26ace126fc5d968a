"""Steps and resets of all environments: loops over rows in compiled code, without Python's lock.

A step is one call. A reset is two, because the cosines between them must be NumPy's own for the layouts to equal
Safety-Gymnasium's to the last bit.
"""

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from environments.navigation.bindings import mujoco
from environments.navigation.compilation import compiled, compiled_for_threads
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
from environments.navigation.task import BUTTON, CIRCLE, Episodes, Floats, Memory, Outcome, Placement, Rules, Sensing

_NUM_WARNINGS = int(mujoco.mjtWarning.mjNWARNING)


@njit
def _simulate(row: int, rules: Rules, memory: Memory, episodes: Episodes, action: Floats, bounds: Floats) -> None:
    """Applies an action for one environment step, and brings sensors and contacts up to date."""
    model, data = memory.model[row], memory.data[row]
    ctrl = float_pointer(memory.ctrl[row])
    for index in range(action.shape[0]):
        ctrl[index] = min(max(action[index], bounds[0, index]), bounds[1, index])
    next_double(episodes.words[row], episodes.position[row])  # upstream draws the number of substeps: binomial(n, 1)
    mocap_pos = float_pointer(memory.mocap_pos[row])
    for substep in range(rules.num_substeps):
        for mocap in range(rules.num_mocaps):
            moment = episodes.steps[row] * rules.num_substeps + substep
            mocap_pos[3 * mocap] = rules.mocap_path[moment, 0]
            mocap_pos[3 * mocap + 1] = rules.mocap_path[moment, 1]
            mocap_pos[3 * mocap + 2] = rules.mocap_height
        if substep == 0 and rules.num_mocaps == 0:
            mj_step2(model, data)  # the last mj_forward did the first half, and nothing has moved since
        else:
            mj_step(model, data)
    mj_forward(model, data)


@njit
def _set_goal(row: int, rules: Rules, placement: Placement, memory: Memory, episodes: Episodes, spots: Floats) -> bool:
    """Draws a new goal and moves it there; False if there is no place left."""
    words, position = episodes.words[row], episodes.position[row]
    body_pos = float_pointer(memory.body_pos[row])
    if rules.family == BUTTON:
        button = next_index(words, position, rules.buttons.shape[0])
        episodes.goal_button[row] = button
        episodes.timer[row] = rules.button_delay
        xpos = float_pointer(memory.xpos[row])
        for axis in range(2):
            body_pos[3 * rules.goal + axis] = xpos[3 * rules.buttons[button] + axis]
    else:
        if not sample_goal(words, position, placement, spots):
            return False
        for axis in range(2):
            body_pos[3 * rules.goal + axis] = spots[placement.goal, axis]
    mj_forward(memory.model[row], memory.data[row])
    remember_distances(row, rules, memory, episodes)
    return True


@njit
def _current_spots(row: int, placement: Placement, memory: Memory, episodes: Episodes) -> Floats:
    """Where the objects are now; gremlins count where the reset put them."""
    spots = episodes.spots[row].copy()
    xpos = float_pointer(memory.xpos[row])
    for item in range(spots.shape[0]):
        if placement.mocap_geom[item] < 0:
            for axis in range(2):
                spots[item, axis] = xpos[3 * placement.body[item] + axis]
    return spots


@njit
def is_unstable(row: int, memory: Memory, observation: Floats) -> bool:
    """Whether the physics warned of a non-finite state or a full buffer, or an observation is not finite.

    Args:
        row: The environment.
        memory: Where its physics lies.
        observation: `[O]` float64; what it observes.

    Returns:
        True if its numbers cannot be trusted: MuJoCo itself would carry on from a reset state.
    """
    warnings = int_pointer(memory.warnings[row])
    for warning in range(_NUM_WARNINGS):
        if warnings[2 * warning + 1] > 0:
            return True
    return not np.isfinite(observation).all()


@njit
def _step_row(
    row: int,
    rules: Rules,
    placement: Placement,
    sensing: Sensing,
    memory: Memory,
    episodes: Episodes,
    action: Floats,
    bounds: Floats,
    outcome: Outcome,
) -> None:
    _simulate(row, rules, memory, episodes, action, bounds)
    pressed = cost_step(row, rules, memory, episodes, outcome.costs[row])
    outcome.rewards[row], reached = reward_step(row, rules, memory, episodes, pressed)
    episodes.timer[row] = max(0, episodes.timer[row] - 1)
    episodes.steps[row] += 1
    outcome.terminated[row] = False
    if reached:
        spots = _current_spots(row, placement, memory, episodes)
        outcome.terminated[row] = not _set_goal(row, rules, placement, memory, episodes, spots)
    observe(row, rules.agent, sensing, memory, episodes, outcome.observations[row])
    outcome.unstable[row] = is_unstable(row, memory, outcome.observations[row])


@compiled
def step_rows(
    rules: Rules,
    placement: Placement,
    sensing: Sensing,
    memory: Memory,
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
        memory: Where the physics lies.
        episodes: Where the episodes stand; changed.
        actions: `[B, A]` float64.
        bounds: `[2, A]` float64; smallest and largest action.
        outcome: Filled.
    """
    for row in range(actions.shape[0]):
        _step_row(row, rules, placement, sensing, memory, episodes, actions[row], bounds, outcome)


@compiled_for_threads
def step_rows_in_threads(
    rules: Rules,
    placement: Placement,
    sensing: Sensing,
    memory: Memory,
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
        memory: Where the physics lies.
        episodes: Where the episodes stand; changed.
        actions: `[B, A]` float64.
        bounds: `[2, A]` float64; smallest and largest action.
        outcome: Filled.
    """
    for row in prange(actions.shape[0]):
        _step_row(row, rules, placement, sensing, memory, episodes, actions[row], bounds, outcome)


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
        words, position = episodes.words[row], episodes.position[row]
        if not sample_layout(words, position, placement, episodes.spots[row], angles[index]):
            return row
    return -1


@njit
def write_row(row: int, placement: Placement, memory: Memory, episodes: Episodes) -> None:
    """Moves an environment's objects to where its reset placed them.

    Args:
        row: The environment.
        placement: How objects are placed.
        memory: Where its physics lies.
        episodes: Its spots and quaternions.
    """
    model, data = memory.model[row], memory.data[row]
    write_layout(row, placement, memory, episodes.spots[row], episodes.quaternions[row])
    mj_set_const(model, data)
    mj_reset_data(model, data)
    mj_forward(model, data)


@compiled
def begin_episodes(
    rows: NDArray[np.int64],
    rules: Rules,
    placement: Placement,
    sensing: Sensing,
    memory: Memory,
    episodes: Episodes,
    observations: Floats,
) -> int:
    """Starts an episode in each row from its layout: second half of a reset.

    Args:
        rows: Int64; the environments.
        rules: The task's rules.
        placement: How objects are placed.
        sensing: What is observed.
        memory: Where the physics lies.
        episodes: Theirs, with new `spots` and `quaternions`; the rest is changed.
        observations: `[B, O]` float64; the rows' are filled.

    Returns:
        The first environment for which no goal was found, or −1.
    """
    for row in rows:
        write_row(row, placement, memory, episodes)
        episodes.steps[row] = 0
        if rules.family != CIRCLE and not _set_goal(
            row, rules, placement, memory, episodes, episodes.spots[row].copy()
        ):
            return row
        episodes.timer[row] = 0
        observe(row, rules.agent, sensing, memory, episodes, observations[row])
    return -1


@compiled
def write_rows(placement: Placement, memory: Memory, episodes: Episodes) -> None:
    """Moves every environment's objects to where its reset placed them.

    Args:
        placement: How objects are placed.
        memory: Where the physics lies.
        episodes: Their spots and quaternions.
    """
    for row in range(episodes.steps.shape[0]):
        write_row(row, placement, memory, episodes)


@compiled
def observe_rows(agent: int, sensing: Sensing, memory: Memory, episodes: Episodes, observations: Floats) -> None:
    """Writes every environment's observation.

    Args:
        agent: The agent's body.
        sensing: What is observed.
        memory: Where the physics lies.
        episodes: Where the episodes stand.
        observations: `[B, O]` float64; filled.
    """
    for row in range(observations.shape[0]):
        observe(row, agent, sensing, memory, episodes, observations[row])

"""Observations, read from the physics' memory. Compiled."""

import math

from numba import njit

from environments.navigation.memory import Addresses
from environments.navigation.mujoco_calls import float_pointer
from environments.navigation.task import Floats, Progress, Sensing

_FULL_TURN = 2 * math.pi


@njit
def _write_matrix(quaternion: tuple, observation: Floats, start: int) -> None:
    """The rotation matrix of a unit quaternion, by rows."""
    w, x, y, z = quaternion
    observation[start + 0] = w * w + x * x - y * y - z * z
    observation[start + 1] = 2 * (x * y - w * z)
    observation[start + 2] = 2 * (x * z + w * y)
    observation[start + 3] = 2 * (x * y + w * z)
    observation[start + 4] = w * w - x * x + y * y - z * z
    observation[start + 5] = 2 * (y * z - w * x)
    observation[start + 6] = 2 * (x * z - w * y)
    observation[start + 7] = 2 * (y * z + w * x)
    observation[start + 8] = w * w - x * x - y * y + z * z


@njit
def _see(observation: Floats, start: int, sensing: Sensing, x: float, y: float) -> None:
    """Enters an object at (x, y) in the agent's frame into a lidar: its bin, and a share in the two beside it."""
    bins = sensing.lidar_bins
    angle = math.atan2(y, x) % _FULL_TURN
    width = _FULL_TURN / bins
    index = max(0, min(int(angle / width), bins - 1))  # NaN would become an index far outside
    closeness = max(0.0, sensing.lidar_range - math.hypot(x, y)) / sensing.lidar_range
    share = (angle - width * index) / width
    after, before = start + (index + 1) % bins, start + (index - 1) % bins
    observation[start + index] = max(observation[start + index], closeness)
    observation[after] = max(observation[after], share * closeness)
    observation[before] = max(observation[before], (1 - share) * closeness)


@njit
def _scan(at: Addresses, agent: int, lidar: int, sensing: Sensing, observation: Floats, start: int) -> None:
    """Fills one lidar: the closeness of the nearest of its obstacles in each direction, 0 where there is none."""
    xpos, xmat = float_pointer(at.xpos), float_pointer(at.xmat)
    position, matrix = 3 * agent, 9 * agent
    for entry in range(sensing.lidar_starts[lidar], sensing.lidar_starts[lidar + 1]):
        body = sensing.lidar_bodies[entry]
        dx, dy, dz = -xpos[position], -xpos[position + 1], -xpos[position + 2]  # lidars look at points of height 0
        if body >= 0:
            dx, dy = dx + xpos[3 * body], dy + xpos[3 * body + 1]
        x = dx * xmat[matrix] + dy * xmat[matrix + 3] + dz * xmat[matrix + 6]
        y = dx * xmat[matrix + 1] + dy * xmat[matrix + 4] + dz * xmat[matrix + 7]
        _see(observation, start, sensing, x, y)


@njit
def observe(at: Addresses, agent: int, sensing: Sensing, progress: Progress, observation: Floats) -> None:
    """Writes an environment's observation.

    Source: Ray, Achiam and Amodei (2019), "Benchmarking Safe Exploration in Deep Reinforcement Learning"
    (pseudo-lidar); numbers and order as in Safety-Gymnasium 1.0.0, `BaseTask.obs`.

    Args:
        at: Where its physics lies.
        agent: Its agent's body.
        sensing: What is observed.
        progress: Where its episode stands.
        observation: `[O]` float64; filled.
    """
    sensordata = float_pointer(at.sensordata)
    filled = 0
    for reading in sensing.readings:
        observation[filled] = sensordata[reading]
        filled += 1
    for first in sensing.quaternions:
        quaternion = (sensordata[first], sensordata[first + 1], sensordata[first + 2], sensordata[first + 3])
        _write_matrix(quaternion, observation, filled)
        filled += 9
    observation[filled:] = 0.0
    for lidar in range(sensing.lidar_starts.shape[0] - 1):
        if lidar != sensing.button_lidar or progress.timer == 0:
            _scan(at, agent, lidar, sensing, observation, filled)
        filled += sensing.lidar_bins

"""A navigation task as plain numbers: what the compiled step needs to know, and what it changes.

Bodies, geoms and degrees of freedom are MuJoCo's indices. Axes: K placed objects (the agent first, then
Safety-Gymnasium's obstacles in its own order), B environments.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

CIRCLE, GOAL, PUSH, BUTTON = range(4)
FAMILIES = ("Circle", "Goal", "Push", "Button")

TOTAL, OUT_OF_BOUNDARY, HAZARDS, BUTTONS, PILLARS, VASES_CONTACT, VASES_VELOCITY, GREMLINS = range(8)
COST_KINDS = (
    "cost",
    "out_of_boundary",
    "hazards",
    "buttons",
    "pillars",
    "vases_contact",
    "vases_velocity",
    "gremlins",
)

# What a geom counts as when it touches the agent: a column of the costs, or one of these.
NOTHING = -1
AGENT = -2


class Placement(NamedTuple):
    """How a reset places the objects.

    Attributes:
        rectangles: `[K, 4]` float64; where each is drawn from: smallest x and y, width and height, in metres.
        gaps: `[K, K]` float64; metres that two objects keep apart.
        body: `[K]` int64; the body of each.
        turns: `[K]` bool; whether the drawn rotation is applied (a circle's and a wall's is not).
        position_address: `[K]` int64; where the object's free joint starts in `qpos`, or −1.
        mocap_geom: `[K]` int64; the geom of the mocap body that pulls a gremlin, or −1.
        goal: Index of the goal among the K, or −1.
    """

    rectangles: Floats
    gaps: Floats
    body: Ints
    turns: Bools
    position_address: Ints
    mocap_geom: Ints
    goal: int


class Sensing(NamedTuple):
    """How an observation is put together: sensor readings, then rotation matrices, then one lidar per obstacle kind.

    Attributes:
        readings: Int64; indices of `sensordata` that are copied, in order.
        quaternions: Int64; where sensors start whose quaternion is observed as a 3 × 3 matrix.
        lidar_starts: `[L + 1]` int64; lidar l sees `lidar_bodies[lidar_starts[l] : lidar_starts[l + 1]]`.
        lidar_bodies: Int64; bodies, or −1 for the origin of the world.
        lidar_bins: Directions of a lidar.
        lidar_range: Distance in metres beyond which a lidar sees nothing.
        button_lidar: The l of the buttons' lidar, dark while the timer runs, or −1.
    """

    readings: Ints
    quaternions: Ints
    lidar_starts: Ints
    lidar_bodies: Ints
    lidar_bins: int
    lidar_range: float
    button_lidar: int


class Rules(NamedTuple):
    """What is rewarded, what costs, and how a step moves the world.

    Attributes:
        family: `CIRCLE`, `GOAL`, `PUSH` or `BUTTON`.
        num_substeps: Physics steps in an environment step.
        horizon: Environment steps in an episode.
        agent: The agent's body.
        goal: The goal's body, or −1.
        box: The pushed box's body, or −1.
        velocimeter: Where the agent's velocimeter starts in `sensordata`.
        goal_radius: Metres from which the goal counts as reached.
        goal_reward: Reward for reaching it.
        distance_reward: Reward for a metre towards the goal (or of the box, towards it).
        box_reward: Reward for a metre towards the box.
        box_gate: Metres from the box above which `box_reward` is paid.
        circle_radius: Radius of the circle to run along, in metres.
        circle_reward: Factor of the circle's reward.
        reward_limit: Rewards are clipped to ± this.
        boundary: Distance of the walls from the origin, in metres.
        num_boundary_axes: 0 without walls, 1 with walls across x, 2 with walls across y too.
        hazards: Int64; bodies of the hazards that cost.
        hazard_radius: Metres.
        buttons: Int64; bodies of the buttons.
        button_geoms: `[number of geoms]` int64; which button a geom is, or −1.
        button_delay: Steps for which pressing no button counts after a goal.
        contacts: `[number of geoms]` int64; cost column of touching it, `AGENT` or `NOTHING`.
        vase_velocities: Int64; where the velocity of each vase that costs starts in `qvel`.
        vase_speed: Metres per second from which a vase's motion counts.
        mocap_path: `[horizon · num_substeps, 2]` float64; x and y of every gremlin's mocap body before each physics
            step.
        mocap_height: Its z.
        num_mocaps: Gremlins.
    """

    family: int
    num_substeps: int
    horizon: int
    agent: int
    goal: int
    box: int
    velocimeter: int
    goal_radius: float
    goal_reward: float
    distance_reward: float
    box_reward: float
    box_gate: float
    circle_radius: float
    circle_reward: float
    reward_limit: float
    boundary: float
    num_boundary_axes: int
    hazards: Ints
    hazard_radius: float
    buttons: Ints
    button_geoms: Ints
    button_delay: int
    contacts: Ints
    vase_velocities: Ints
    vase_speed: float
    mocap_path: Floats
    mocap_height: float
    num_mocaps: int


PROGRESS = np.dtype(
    [
        ("steps", np.int64),  # done in the episode
        ("timer", np.int64),  # steps until buttons count again
        ("goal_button", np.int64),  # the button to press; 0 in other tasks
        ("goal_distance", np.float64),  # metres to the goal (of the agent, or of the box) after the last step
        ("box_distance", np.float64),  # metres from the agent to the box after the last step
    ]
)
Progress = Any  # one record of it


class Episodes(NamedTuple):
    """Where each environment's episode stands; changed in place.

    Attributes:
        progress: `[B]` of `PROGRESS`.
        generators: `[B, 625]` uint32; random generators.
        spots: `[B, K, 2]` float64; x and y at which the reset placed each object, in metres.
        quaternions: `[B, K, 4]` float64; the orientations it gave them.
    """

    progress: Any
    generators: NDArray[np.uint32]
    spots: Floats
    quaternions: Floats


class Outcome(NamedTuple):
    """What a step gives, filled in place.

    Attributes:
        observations: `[B, O]` float64.
        rewards: `[B]` float64.
        costs: `[B, 8]` float64, 0 or 1; columns as in `COST_KINDS`.
        terminated: `[B]` bool; no place was left for a new goal.
        unstable: `[B]` bool; a number is not finite, or the physics warned of one or of a full buffer.
    """

    observations: Floats
    rewards: Floats
    costs: Floats
    terminated: Bools
    unstable: Bools

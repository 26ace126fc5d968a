"""Reads a task out of Safety-Gymnasium: its model, and its numbers in the form that the compiled step takes."""

import re
import xml.etree.ElementTree as ET
from typing import Any, NamedTuple

import numpy as np

from environments import safety_gymnasium
from environments.navigation.bindings import mujoco
from environments.navigation.task import (
    AGENT,
    BUTTONS,
    FAMILIES,
    GREMLINS,
    NOTHING,
    PILLARS,
    VASES_CONTACT,
    Floats,
    Ints,
    Placement,
    Rules,
    Sensing,
)

ARENA = "16M"
_ENV_ID = re.compile(rf"Safety(Point|Car)({'|'.join(FAMILIES)})[012]-v0")
_CONTACT_COSTS = {"buttons": BUTTONS, "pillars": PILLARS, "vases": VASES_CONTACT, "gremlins": GREMLINS}


class Description(NamedTuple):
    """A task as read.

    Attributes:
        model: Its model, compiled without textures; where the objects are has to be written by each reset.
        rules: What is rewarded, what costs, how the world moves.
        placement: How objects are placed.
        sensing: What is observed.
        cost_names: The costs that the task counts, `cost` first.
    """

    model: Any
    rules: Rules
    placement: Placement
    sensing: Sensing
    cost_names: tuple[str, ...]


def supports(env_id: str) -> bool:
    """Whether a Safety-Gymnasium id has a fast path: Point and Car, Circle, Goal, Push and Button, levels 0 to 2.

    Args:
        env_id: Such as `SafetyPointGoal1-v0`.

    Returns:
        True if `NavigationBatch` steps it.
    """
    return _ENV_ID.fullmatch(env_id) is not None


def resampling_error(message: str) -> Exception:
    """Safety-Gymnasium's own error for objects that cannot be placed: whoever catches one path's catches the other's.

    Args:
        message: What could not be placed.

    Returns:
        A `ResamplingError`, which is an `AssertionError`.
    """
    safety_gymnasium.install()
    from safety_gymnasium.utils.common_utils import ResamplingError

    return ResamplingError(message)


def describe(env_id: str) -> Description:
    """Builds the plain environment once and reads everything that the fast path needs.

    Args:
        env_id: An id that `supports` accepts.

    Returns:
        The task.

    Raises:
        ValueError: If the id has no fast path.
    """
    match = _ENV_ID.fullmatch(env_id)
    if match is None:
        raise ValueError(
            f"`supports(env_id)` must hold for a NavigationBatch, but got env_id={env_id!r}; fast are Point and Car, "
            f"{', '.join(FAMILIES)}, levels 0 to 2, such as 'SafetyPointGoal1-v0'."
        )
    env = safety_gymnasium.make(env_id)
    env.reset(seed=0)
    task: Any = env.unwrapped.task  # pyright: ignore[reportAttributeAccessIssue]
    costs = sorted(key.removeprefix("cost_") for key in task.calculate_cost() if key != "cost_sum")
    model = mujoco.MjModel.from_xml_string(_shrink_arena(task.world.xml_string))
    description = Description(
        model,
        _read_rules(task, model, FAMILIES.index(match.group(2))),
        _read_placement(task, model),
        _read_sensing(task, model),
        ("cost", *costs),
    )
    env.close()
    return description


def _shrink_arena(xml: str) -> str:
    """Replaces the 0.5 GB that the package reserves for each environment's contacts, of which it uses kilobytes."""
    root = ET.fromstring(xml)
    for size in root.iter("size"):
        size.attrib.clear()
        size.set("memory", ARENA)
    return ET.tostring(root, encoding="unicode")


def _ints(values: Any) -> Ints:
    return np.array(list(values), dtype=np.int64)


def _bodies(task: Any, obstacle: str, model: Any) -> Ints:
    """The bodies of an obstacle kind; none if the task has none of it."""
    if not hasattr(task, obstacle):
        return _ints([])
    return _ints(model.body(name).id for name in _body_names(getattr(task, obstacle)))


def _body_names(obstacle: Any) -> list[str]:
    if not hasattr(obstacle, "num"):
        return [obstacle.name]
    suffix = "obj" if obstacle.name == "gremlins" else ""
    return [f"{obstacle.name[:-1]}{index}{suffix}" for index in range(obstacle.num)]


def _is_constrained(task: Any, obstacle: str) -> bool:
    return hasattr(task, obstacle) and getattr(task, obstacle).is_constrained


def _body(model: Any, task: Any, obstacle: str) -> int:
    return int(model.body(obstacle).id) if hasattr(task, obstacle) else -1


def _read(task: Any, obstacle: str, attribute: str) -> float:
    """A number of an obstacle, or 0 where the task has no such obstacle."""
    return float(getattr(getattr(task, obstacle, None), attribute, 0.0))


def _read_rules(task: Any, model: Any, family: int) -> Rules:
    hazards = _bodies(task, "hazards", model) if _is_constrained(task, "hazards") else _ints([])
    vases = _bodies(task, "vases", model) if _is_constrained(task, "vases") else _ints([])
    pressing = "buttons" if hasattr(task, "buttons") else "goal"
    return Rules(
        family=family,
        num_substeps=int(task.sim_conf.frameskip_binom_n),
        horizon=int(task.num_steps),
        agent=_body(model, task, "agent"),
        goal=_body(model, task, "goal"),
        box=_body(model, task, "push_box"),
        velocimeter=int(model.sensor("velocimeter").adr[0]),
        goal_radius=_read(task, "goal", "size"),
        goal_reward=_read(task, pressing, "reward_goal"),
        distance_reward=_read(task, "push_box", "reward_box_goal") or _read(task, pressing, "reward_distance"),
        box_reward=_read(task, "push_box", "reward_box_dist"),
        box_gate=_read(task, "push_box", "null_dist") * _read(task, "push_box", "size"),
        circle_radius=_read(task, "circle", "radius"),
        circle_reward=float(getattr(task, "reward_factor", 0.0)),
        reward_limit=float(task.reward_conf.reward_clip),
        boundary=_read(task, "sigwalls", "locate_factor"),
        num_boundary_axes=int(_read(task, "sigwalls", "num")) // 2 if _is_constrained(task, "sigwalls") else 0,
        hazards=hazards,
        hazard_radius=_read(task, "hazards", "size"),
        buttons=_bodies(task, "buttons", model),
        button_geoms=_read_button_geoms(task, model),
        button_delay=int(_read(task, "buttons", "resampling_delay")),
        contacts=_read_contacts(task, model),
        vase_velocities=_ints(model.jnt_dofadr[model.body_jntadr[body]] for body in vases),
        vase_speed=_read(task, "vases", "velocity_threshold"),
        mocap_path=_read_mocap_path(task, model),
        mocap_height=_read(task, "gremlins", "size"),
        num_mocaps=int(model.nmocap),
    )


def _read_button_geoms(task: Any, model: Any) -> Ints:
    owners = model.geom_bodyid.tolist()
    buttons = _bodies(task, "buttons", model).tolist()
    return _ints(buttons.index(body) if body in buttons else -1 for body in owners)


def _read_contacts(task: Any, model: Any) -> Ints:
    """What each geom counts as when the agent touches it."""
    contacts = np.full(model.ngeom, NOTHING, dtype=np.int64)
    for obstacle, column in _CONTACT_COSTS.items():
        if _is_constrained(task, obstacle):
            contacts[np.isin(model.geom_bodyid, _bodies(task, obstacle, model))] = column
    contacts[[model.geom(name).id for name in task.agent.body_info.geom_names]] = AGENT
    return contacts


def _read_mocap_path(task: Any, model: Any) -> Floats:
    """Every gremlin's circle: (sin t, cos t) · travel, at the times that MuJoCo's clock adds up to."""
    num_moments = int(task.num_steps * task.sim_conf.frameskip_binom_n) if model.nmocap else 1
    times = np.concatenate([[0.0], np.cumsum(np.full(num_moments - 1, model.opt.timestep))])
    return np.stack([np.sin(times), np.cos(times)], axis=1) * _read(task, "gremlins", "travel")


def _read_placement(task: Any, model: Any) -> Placement:
    generator = task.random_generator
    names = list(generator.placements)
    keepouts = np.array([keepout for _, keepout in generator.placements.values()], dtype=np.float64)
    rectangles = np.empty((len(names), 4))
    for index, (rectangle, keepout) in enumerate(generator.placements.values()):
        assert rectangle is None or len(rectangle) == 1
        rectangles[index] = generator.constrain_placement(
            rectangle[0] if rectangle else generator.placements_extents, keepout
        )
    rectangles[:, 2:] -= rectangles[:, :2]
    gremlins = [name.startswith("gremlin") for name in names]
    bodies = [model.body(f"{name}obj" if moves else name).id for name, moves in zip(names, gremlins, strict=True)]
    geoms = [model.geom(f"{name}mocap").id if moves else -1 for name, moves in zip(names, gremlins, strict=True)]
    return Placement(
        rectangles=rectangles,
        gaps=keepouts[None, :] + generator.placements_margin + keepouts[:, None],
        body=_ints(bodies),
        turns=np.array([not name.startswith(("circle", "sigwall")) for name in names]),
        position_address=_ints(_free_joint_position(model, body) for body in bodies),
        mocap_geom=_ints(geoms),
        goal=names.index("goal") if "goal" in names else -1,
    )


def _free_joint_position(model: Any, body: int) -> int:
    joint = model.body_jntadr[body]
    if joint < 0 or model.jnt_type[joint] != mujoco.mjtJoint.mjJNT_FREE:
        return -1
    return int(model.jnt_qposadr[joint])


def _read_sensing(task: Any, model: Any) -> Sensing:
    info = task.agent.sensor_info
    assert not info.hinge_pos_names
    assert not info.freejoint_pos_name
    assert not info.freejoint_qvel_name
    names = [*task.agent.sensor_conf.sensors, *info.hinge_vel_names, *info.ballangvel_names]
    sensors = [model.sensor(name) for name in names]
    seen = [obstacle for obstacle in task._obstacles if obstacle.is_lidar_observed]
    bodies = [[-1] if obstacle.name == "circle" else _bodies(task, obstacle.name, model).tolist() for obstacle in seen]
    kinds = [obstacle.name for obstacle in seen]
    return Sensing(
        readings=_ints(sensor.adr[0] + index for sensor in sensors for index in range(sensor.dim[0])),
        quaternions=_ints(model.sensor(name).adr[0] for name in info.ballquat_names),
        lidar_starts=_ints(np.cumsum([0, *map(len, bodies)])),
        lidar_bodies=_ints(body for group in bodies for body in group),
        lidar_bins=int(task.lidar_conf.num_bins),
        lidar_range=float(task.lidar_conf.max_dist),
        button_lidar=kinds.index("buttons") if "buttons" in kinds else -1,
    )

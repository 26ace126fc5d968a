"""Tasks by name: which environment, how long an episode lasts, what a study of it may take as defaults.

Plain data: importing this module imports neither Gymnasium nor MuJoCo, Ray or torch, so that a study file can be
checked without them. A name that is not in the table is looked up in Gymnasium's registry, which imports Gymnasium.
"""

import difflib
import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Path = Literal["auto", "fast", "general"]
"""Which implementation of a task's environments: the fast one where there is one, that one, or the task's own."""

COST_LIMIT = 25.0
"""Cost limit per episode of the published Safety-Gymnasium studies (Spoor et al. 2025, section 4)."""


class UnknownTaskError(ValueError):
    """A name that is neither in the table nor registered with Gymnasium.

    Attributes:
        name: The name that was asked for.
        nearest: The nearest known names, best first; may be empty.
    """

    def __init__(self, name: str, nearest: tuple[str, ...], reason: str = "") -> None:
        self.name = name
        self.nearest = nearest
        hint = f" Did you mean {' or '.join(map(repr, nearest))}?" if nearest else ""
        because = f" ({reason})" if reason else ""
        super().__init__(
            f"`task` must be a known task or a registered Gymnasium id, but got {name!r}{because}.{hint}"
            " Known tasks include Circle1, Goal1, Button1, Push1, AntVelocity and analytic/ring."
        )


@dataclass(frozen=True)
class Task:
    """One constrained task.

    Attributes:
        name: Short name, unique in the table; for a Gymnasium id outside the table the id itself.
        env_id: Gymnasium id (`module:Env-v0` where a module must be imported first), or `analytic/…`.
        horizon: Env steps after which an episode is truncated, or None where the environment sets no limit.
        cost_limit: Customary limit on the undiscounted cost of an episode, or None where there is none.
        multiplier_grid: λ values of the published λ-profile, ascending; None where none was published.
    """

    name: str
    env_id: str
    horizon: int | None
    cost_limit: float | None = None
    multiplier_grid: tuple[float, ...] | None = None

    @property
    def is_analytic(self) -> bool:
        """Whether the task is a small CMDP of `environments.analytic`."""
        return self.env_id.startswith("analytic/")


# fmt: off
MULTIPLIER_GRIDS: dict[str, tuple[float, ...]] = {
    "Circle1": (0, .03, .05, .07, .1, .15, .2, .25, .3, .35, .4, .45, .5, .55, .6, .7, 1, 1.15, 1.3, 1.4, 1.5, 1.6,
                1.7, 1.9, 2),
    "Goal1": (0, .03, .1, .5, 1, 1.5, 2, 2.5, 3, 3.5, 4, 4.3, 4.5, 4.7, 5, 5.3, 5.5, 5.7, 6, 6.3, 6.5, 6.7, 7, 7.3,
              7.5),
    "Button1": (0, .03, .1, .3, .5, .7, 1, 1.3, 1.5, 1.7, 2, 2.5, 2.7, 3, 3.3, 3.5, 4, 4.5, 5, 5.5, 6, 6.5, 7, 7.5,
                8),
    "Push1": (0, .01, .05, .1, .15, .3, .4, .45, .5, .55, .6, .7, .8, .9, 1, 1.15, 1.3, 1.4, 1.5, 1.7, 1.9, 2, 2.3,
              2.5, 3),
}
"""λ grids of Spoor et al. (2025), "An Empirical Study of Lagrangian Methods in Safe RL", Table A.2."""
# fmt: on

PAPER_TASKS = tuple(MULTIPLIER_GRIDS)
"""Short names of the four tasks of Spoor et al. (2025), in the paper's order of rising complexity."""

_NAVIGATION_HORIZONS = {
    **{f"{kind}{level}": 500 for kind in ("Circle", "Race") for level in range(3)},
    **{f"{kind}{level}": 1000 for kind in ("Goal", "Button", "Push", "FadingEasy", "FadingHard") for level in range(3)},
    "Run0": 500,
}
_VELOCITY_AGENTS = ("Ant", "HalfCheetah", "Hopper", "Humanoid", "Swimmer", "Walker2d")


def _navigation_tasks() -> Iterator[Task]:
    """Point tasks carry the task's name alone (`Circle1`), as in the paper; Car tasks are `CarCircle1`."""
    for agent, prefix in (("Point", ""), ("Car", "Car")):
        for name, horizon in _NAVIGATION_HORIZONS.items():
            grid = MULTIPLIER_GRIDS.get(name) if agent == "Point" else None
            yield Task(f"{prefix}{name}", f"Safety{agent}{name}-v0", horizon, COST_LIMIT, grid)


def _velocity_tasks() -> Iterator[Task]:
    for agent in _VELOCITY_AGENTS:
        yield Task(f"{agent}Velocity", f"Safety{agent}Velocity-v1", 1000, COST_LIMIT)


_ANALYTIC_TASKS = (
    Task("analytic/bandit", "analytic/bandit", horizon=20, cost_limit=7.5),
    Task("analytic/ring", "analytic/ring", horizon=100, cost_limit=12.0),
)

TASKS: dict[str, Task] = {task.name: task for task in (*_navigation_tasks(), *_velocity_tasks(), *_ANALYTIC_TASKS)}
"""Every task of the table by its short name."""

_BY_ENV_ID = {task.env_id: task for task in TASKS.values()}


def find_task(name: str) -> Task:
    """Finds a task by its short name or by its environment's id.

    A name outside the table is looked up in Gymnasium's registry, after importing the module before a colon and,
    for ids that begin with `Safety`, Safety-Gymnasium. That the environment reports a cost is known only once it
    steps.

    Args:
        name: A short name (`Circle1`), an id of the table (`SafetyPointCircle1-v0`), or any id registered with
            Gymnasium (`Pendulum-v1`, `my_package.environments:Maze-v0`).

    Returns:
        The task; for an id outside the table with the registered horizon and without defaults.

    Raises:
        UnknownTaskError: If nothing of that name exists; carries the nearest names.

    Examples:
        >>> find_task("Circle1").env_id
        'SafetyPointCircle1-v0'
        >>> find_task("SafetyAntVelocity-v1").name
        'AntVelocity'
        >>> find_task("Cirle1")
        Traceback (most recent call last):
            ...
        environments.tasks.UnknownTaskError: `task` must be a known task or a registered Gymnasium id, but got \
'Cirle1'. Did you mean 'Circle1' or 'Circle2' or 'Circle0'? Known tasks include Circle1, Goal1, Button1, Push1, \
AntVelocity and analytic/ring.
    """
    task = TASKS.get(name) or _BY_ENV_ID.get(name)
    return task if task is not None else _registered_task(name)


def _registered_task(name: str) -> Task:
    """A task for an id that Gymnasium knows once the module that registers it is imported."""
    import gymnasium

    module, _, env_id = name.rpartition(":")
    try:
        _import_registrations(module, env_id)
    except ImportError as error:
        raise UnknownTaskError(name, _nearest(name, []), f"importing {module!r} failed: {error}") from error
    spec = gymnasium.registry.get(env_id)
    if spec is None:
        raise UnknownTaskError(name, _nearest(name, list(gymnasium.registry)))
    return Task(name, name, spec.max_episode_steps)


def _import_registrations(module: str, env_id: str) -> None:
    if module:
        importlib.import_module(module)
    elif env_id.startswith("Safety"):
        from environments.safety_gymnasium import install

        install()


def _nearest(name: str, registered: list[str]) -> tuple[str, ...]:
    """Short names come first where they are as near as an id; a part of a name is near where nothing else is."""
    known = [*TASKS, *_BY_ENV_ID, *registered]
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.6)
    parts = [other for other in known if len(name) >= 3 and name.lower() in other.lower()]
    return tuple(dict.fromkeys(close or parts))[:3]

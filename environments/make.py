"""From a task to the `EnvBatch` that steps it: the fast path where there is one, else the general adapter."""

from collections.abc import Sequence
from typing import Literal

from environments.batch import EnvBatch, seed_environments
from environments.tasks import TASKS, Task, find_task

Path = Literal["auto", "fast", "general"]


def make_batch(
    task: str | Task,
    *,
    num_envs: int,
    seeds: Sequence[int],
    first_env: int = 0,
    cost_names: Sequence[str] = ("cost",),
    path: Path = "auto",
) -> EnvBatch:
    """Builds the environments of S runs of one task.

    Args:
        task: A task, or a name that `find_task` knows.
        num_envs: E ≥ 1, environments per seed; the batch has B = S · E.
        seeds: The S seeds of the runs, each ≥ 0; what environment e of seed s sees depends on s and e alone.
        first_env: Index of the first environment of each seed, where several processes share them.
        cost_names: The m constraints: `cost`, the total cost of the task, or one of its kinds, such as `hazards`.
        path: `auto` takes the fast path where the task has one; `fast` insists on it; `general` takes the task's own
            environments. An analytic task has one implementation, which every path gives.

    Returns:
        The batch, not yet reset.

    Raises:
        ValueError: If an argument is out of range, or `path` is `fast` for a task without a fast path.
        UnknownTaskError: If no task has that name.
    """
    task = find_task(task) if isinstance(task, str) else task
    _check_arguments(seeds, cost_names, path)
    env_seeds = seed_environments(seeds, num_envs, first=first_env)
    size = len(env_seeds)
    if task.is_analytic:
        from environments.analytic import CMDPS, AnalyticBatch

        return AnalyticBatch(CMDPS[task.env_id](), num_envs=size, env_seeds=env_seeds, cost_names=cost_names)
    if path != "general" and _has_fast_path(task.env_id):
        from environments.navigation import NavigationBatch

        return NavigationBatch(task.env_id, num_envs=size, env_seeds=env_seeds, cost_names=cost_names)
    if path == "fast":
        known = ", ".join(name for name, other in TASKS.items() if _has_fast_path(other.env_id))
        raise ValueError(
            f"`path='fast'` needs a task with a fast path ({known}), but got {task.name}; use path='auto'."
        )
    from environments.gymnasium_batch import GymnasiumBatch

    return GymnasiumBatch(task.env_id, num_envs=size, env_seeds=env_seeds, cost_names=cost_names)


def _has_fast_path(env_id: str) -> bool:
    from environments.navigation import supports

    return supports(env_id)


def _check_arguments(seeds: Sequence[int], cost_names: Sequence[str], path: str) -> None:
    if len(seeds) == 0:
        raise ValueError("`len(seeds) >= 1` must hold, but got no seeds.")
    if len(set(seeds)) != len(seeds):
        raise ValueError(f"`seeds` must differ from each other, but got {list(seeds)}.")
    if len(cost_names) == 0 or len(set(cost_names)) != len(cost_names):
        raise ValueError(f"`cost_names` must name at least one cost, each once, but got {list(cost_names)}.")
    if path not in ("auto", "fast", "general"):
        raise ValueError(f"`path` must be 'auto', 'fast' or 'general', but got {path!r}.")

"""From a task to the `EnvBatch` that steps it: the fast path where there is one, else the general adapter."""

from collections.abc import Sequence
from typing import Literal

from environments.batch import EnvBatch, seed_environments
from environments.tasks import TASKS, Path, Task, find_task

Kind = Literal["analytic", "navigation", "gymnasium"]


def make_batch(
    task: str | Task,
    *,
    num_envs: int,
    seeds: Sequence[int],
    first_env: int = 0,
    cost_names: Sequence[str] = ("cost",),
    path: Path = "auto",
    num_workers: int = 0,
) -> EnvBatch:
    """Builds the environments of S runs of one task.

    Args:
        task: A task, or a name that `find_task` knows.
        num_envs: E ≥ 1, environments per seed; the batch has B = S · E.
        seeds: The S seeds of the runs, each ≥ 0; what environment e of seed s sees depends on s and e alone, so that
            runs of one seed see the same while they act the same.
        first_env: Index of the first environment of each seed, where several processes share them.
        cost_names: The m constraints: `cost`, the total cost of the task, or one of its kinds, such as `hazards`.
        path: `auto` takes the fast path where the task has one; `fast` insists on it; `general` takes the task's own
            environments. An analytic task has one implementation, which every path gives.
        num_workers: Processes that share the environments of the general path, or 0 for this process; the same
            numbers either way. Other paths step all environments together in this process and take no notice.

    Returns:
        The batch, not yet reset.

    Raises:
        ValueError: If an argument is out of range, or `path` is `fast` for a task without a fast path.
        UnknownTaskError: If no task has that name.
    """
    task = find_task(task) if isinstance(task, str) else task
    _check_arguments(seeds, cost_names, num_workers)
    kind = batch_kind(task, path)
    env_seeds = seed_environments(seeds, num_envs, first=first_env)
    size = len(env_seeds)
    if kind == "analytic":
        from environments.analytic import CMDPS, AnalyticBatch

        return AnalyticBatch(CMDPS[task.env_id](), num_envs=size, env_seeds=env_seeds, cost_names=cost_names)
    if kind == "navigation":
        from environments.navigation import NavigationBatch

        return NavigationBatch(task.env_id, num_envs=size, env_seeds=env_seeds, cost_names=cost_names)
    from environments.gymnasium_batch import GymnasiumBatch

    return GymnasiumBatch(
        task.env_id, num_envs=size, env_seeds=env_seeds, cost_names=cost_names, num_workers=num_workers
    )


def batch_kind(task: str | Task, path: Path = "auto") -> Kind:
    """Which implementation `make_batch` takes; builds no environment.

    Args:
        task: A task, or a name that `find_task` knows.
        path: As for `make_batch`.

    Returns:
        The `kind` of the batch: `navigation` is the fast path, `gymnasium` the general one.

    Raises:
        ValueError: If `path` is none, or `fast` for a task without a fast path.
        UnknownTaskError: If no task has that name.
    """
    if path not in ("auto", "fast", "general"):
        raise ValueError(f"`path` must be 'auto', 'fast' or 'general', but got {path!r}.")
    task = find_task(task) if isinstance(task, str) else task
    if task.is_analytic:
        return "analytic"
    if path != "general" and _has_fast_path(task.env_id):
        return "navigation"
    if path == "fast":
        known = ", ".join(name for name, other in TASKS.items() if _has_fast_path(other.env_id))
        raise ValueError(
            f"`path='fast'` needs a task with a fast path ({known}), but got {task.name}; use path='auto'."
        )
    return "gymnasium"


def _has_fast_path(env_id: str) -> bool:
    from environments.navigation import supports

    return supports(env_id)


def _check_arguments(seeds: Sequence[int], cost_names: Sequence[str], num_workers: int) -> None:
    if len(seeds) == 0:
        raise ValueError("`len(seeds) >= 1` must hold, but got no seeds.")
    if len(cost_names) == 0 or len(set(cost_names)) != len(cost_names):
        raise ValueError(f"`cost_names` must name at least one cost, each once, but got {list(cost_names)}.")
    if num_workers < 0:
        raise ValueError(f"`num_workers >= 0` must hold, but got num_workers={num_workers}.")

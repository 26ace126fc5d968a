"""`GymnasiumBatch`: any Gymnasium environment with Box actions that reports a cost.

Environments are stepped one after the other in this process, or in blocks by worker processes, with the same numbers
(worker_processes.py, which also says why Gymnasium's own vector environments are not used).
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box
from gymnasium.spaces.utils import flatten, flatten_space
from numpy.typing import NDArray

from environments.batch import BatchStep, EnvBatch, Floats, check_actions
from environments.tasks import find_task
from environments.worker_processes import WorkerProcesses


class GymnasiumBatch(EnvBatch):
    """The general adapter.

    An environment reports its cost as the third of six values of `step`, as Safety-Gymnasium does, or in
    `info["cost"]`; a constraint of another name is read from `info["cost_<name>"]`. Observations of any space that
    Gymnasium flattens to a Box are flattened. Where an environment says of one step both that the episode terminated
    and that it was truncated, it counts as terminated: there is nothing to bootstrap from.
    """

    kind = "gymnasium"
    saves_state = False

    def __init__(
        self,
        env_id: str,
        *,
        num_envs: int,
        env_seeds: NDArray[np.int64],
        cost_names: Sequence[str] = ("cost",),
        num_workers: int = 0,
        first_row: int = 0,
    ) -> None:
        """Makes the environments.

        Args:
            env_id: An id of Safety-Gymnasium or any registered with Gymnasium, `module:Env-v0` included.
            num_envs: B ≥ 1.
            env_seeds: `[B]` int64 ≥ 0; what each environment is first reset with.
            cost_names: The m constraints.
            num_workers: 0 steps in this process; W ≥ 1 share the rows among W processes, at most one a row. A worker
                knows the environments that Gymnasium and Safety-Gymnasium register, and `module:Env-v0`.
            first_row: What messages call the first environment; not 0 in a worker.

        Raises:
            UnknownTaskError: If no such environment is registered.
            ValueError: If the sizes disagree, or the spaces are none that the adapter serves.
            WorkerDiedError: If a worker ended before it had built its environments.
        """
        if num_workers < 0:
            raise ValueError(f"`num_workers >= 0` must hold, but got num_workers={num_workers}.")
        if num_envs < 1 or len(env_seeds) != num_envs:
            raise ValueError(f"`len(env_seeds) == num_envs >= 1` must hold, but got {len(env_seeds)} and {num_envs}.")
        self.env_id = env_id
        self.num_envs = num_envs
        self.env_seeds = np.asarray(env_seeds, dtype=np.int64)
        self.cost_names = tuple(cost_names)
        self.horizon = find_task(env_id).horizon
        self._envs: list[Any] = [_make(env_id)]
        self._action_space = _box_actions(env_id, self._envs[0].action_space)
        self.observation_size, self._flatten = _flattener(env_id, self._envs[0].observation_space)
        self.action_low = self._action_space.low.astype(np.float64).ravel()
        self.action_high = self._action_space.high.astype(np.float64).ravel()
        self._first_row = first_row
        self._steps = np.zeros(num_envs, dtype=np.int64)
        self._has_started = False
        self._workers: WorkerProcesses | None = None
        if num_workers:
            self._envs.pop().close()  # it has shown its spaces
            self._workers = self._start_workers(num_workers)
        else:
            self._envs += [_make(env_id) for _ in range(num_envs - 1)]

    def reset(self) -> Floats:
        """Starts the first episode of every environment with `env_seeds`.

        Returns:
            `[B, O]` float64; the first observations.
        """
        self._steps[:] = 0
        self._has_started = True
        if self._workers is not None:
            return self._workers.reset()
        seeded = zip(self._envs, self.env_seeds, strict=True)
        return np.stack([self._flatten(env.reset(seed=int(seed))[0]) for env, seed in seeded])

    def step(self, actions: Floats) -> BatchStep:
        """Steps every environment once and resets those whose episode ended, without a seed.

        Args:
            actions: `[B, A]` float64; clipped to the action bounds.

        Returns:
            What the step gave.

        Raises:
            ValueError: If `actions` has another shape or a non-finite number, or an environment reports no cost or
                one that is negative or not finite; names the environment.
            RuntimeError: If the batch was never reset.
            WorkerDiedError: If a worker process has ended.
        """
        if not self._has_started:
            raise RuntimeError("`reset` must come before the first `step`.")
        check_actions(actions, self.num_envs, self.action_size)
        if self._workers is not None:
            return self._workers.step(actions)
        self._steps += 1
        size, space = self.num_envs, self._action_space
        shaped = np.clip(actions, self.action_low, self.action_high).reshape(size, *space.shape).astype(space.dtype)
        result = BatchStep(
            observations=np.empty((size, self.observation_size)),
            rewards=np.empty(size),
            costs=np.empty((size, len(self.cost_names))),
            terminated=np.zeros(size, dtype=np.bool_),
            truncated=np.zeros(size, dtype=np.bool_),
            final_observations=np.empty((size, self.observation_size)),
        )
        for index, env in enumerate(self._envs):
            self._step_one(index, env, shaped[index], result)
        return result

    def close(self) -> None:
        """Closes every environment and ends every worker process."""
        if self._workers is not None:
            self._workers.close()
        for env in self._envs:
            env.close()

    def _start_workers(self, num_workers: int) -> WorkerProcesses:
        blocks = [
            (
                len(rows),
                partial(
                    GymnasiumBatch,
                    self.env_id,
                    num_envs=len(rows),
                    env_seeds=self.env_seeds[rows],
                    cost_names=self.cost_names,
                    first_row=int(rows[0]),
                ),
            )
            for rows in np.array_split(np.arange(self.num_envs), min(num_workers, self.num_envs))
        ]
        return WorkerProcesses(blocks)

    def _step_one(self, index: int, env: Any, action: NDArray[Any], result: BatchStep) -> None:
        observation, reward, *reported, terminated, truncated, info = env.step(action)
        result.rewards[index] = reward
        result.costs[index] = self._costs(index, reported, info)
        result.terminated[index] = terminated
        result.truncated[index] = truncated and not terminated
        result.final_observations[index] = self._flatten(observation)
        if terminated or truncated:
            observation, _ = env.reset()
            self._steps[index] = 0
        result.observations[index] = self._flatten(observation)

    def _costs(self, index: int, reported: list[float], info: dict[str, Any]) -> list[float]:
        """The cost of each constraint; `reported` holds the third of six values, if there were six."""
        total = {"cost": reported[0]} if reported else {}
        costs: list[float] = []
        for name in self.cost_names:
            key = "cost" if name == "cost" else f"cost_{name}"
            cost = total.get(key, info.get(key))
            if cost is None or not 0.0 <= cost < np.inf:
                raise ValueError(self._cost_message(index, key, cost, info))
            costs.append(float(cost))
        return costs

    def _cost_message(self, index: int, key: str, cost: float | None, info: dict[str, Any]) -> str:
        where = f"environment {self._first_row + index} ({self.env_id}) at step {self._steps[index]} of its episode"
        if cost is not None:
            return f"`0 <= cost < inf` must hold, but {where} reported {key}={cost}."
        known = sorted(name for name in info if name.startswith("cost")) or "none"
        return (
            f"`info[{key!r}]` must hold a cost, but {where} reported none; costs in its info: {known}."
            " An environment reports a cost in info['cost'] or as the third of six values of step."
        )


def _make(env_id: str) -> Any:
    if env_id.startswith("Safety"):
        from environments import safety_gymnasium

        return safety_gymnasium.make(env_id)
    return gymnasium.make(env_id, disable_env_checker=True)


def _box_actions(env_id: str, space: gymnasium.Space[Any]) -> Box:
    if not isinstance(space, Box) or not np.issubdtype(space.dtype, np.floating):
        raise ValueError(f"`action_space` must be a Box of floats, but {env_id} has {space}.")
    return space


def _flattener(env_id: str, space: gymnasium.Space[Any]) -> tuple[int, Callable[[Any], Floats]]:
    """The size of a flat observation, and what makes it from an observation."""
    flat = flatten_space(space)
    if not isinstance(flat, Box):
        raise ValueError(f"`observation_space` must flatten to a Box, but {env_id} has {space}.")
    if isinstance(space, Box):
        return flat.shape[0], lambda observation: np.asarray(observation, dtype=np.float64).ravel()
    return flat.shape[0], lambda observation: np.asarray(flatten(space, observation), dtype=np.float64)

"""`NavigationBatch`: Safety-Gymnasium's navigation tasks, B at a time, at the speed of their physics."""

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import set_num_threads
from numpy.typing import NDArray

from environments.batch import BatchStep, EnvBatch, Floats, check_actions
from environments.navigation.bindings import mujoco
from environments.navigation.compilation import MAX_THREADS
from environments.navigation.memory import locate
from environments.navigation.placement import LAYOUT_TRIES
from environments.navigation.random_state import GENERATOR_SIZE, seed_generator
from environments.navigation.stepping import (
    begin_episodes,
    sample_layouts,
    step_rows,
    step_rows_in_threads,
    write_layouts,
)
from environments.navigation.task import COST_KINDS, PROGRESS, Episodes, Outcome
from environments.navigation.upstream import describe, resampling_error

_STATE = mujoco.mjtState.mjSTATE_INTEGRATION


class UnstablePhysicsError(ArithmeticError):
    """An environment's physics left the finite numbers, or ran out of room for contacts.

    Attributes:
        env: Index of the environment.
    """

    def __init__(self, env: int, env_id: str, warnings: str) -> None:
        self.env = env
        super().__init__(
            f"the physics of environment {env} ({env_id}) must stay finite, but it warned: {warnings}; "
            "the episode cannot go on."
        )


class NavigationBatch(EnvBatch):
    """B environments of a navigation task, each with its own model, physics and random generator.

    Attributes:
        num_threads: Threads that share the rows of a step.
    """

    def __init__(
        self,
        env_id: str,
        num_envs: int,
        env_seeds: NDArray[np.int64],
        cost_names: Sequence[str] = ("cost",),
        num_threads: int = 1,
    ) -> None:
        """Builds the environments.

        Args:
            env_id: A Safety-Gymnasium id that `supports` accepts.
            num_envs: B.
            env_seeds: `[B]` int64 in [0, 2³²); the seed of each environment's first reset.
            cost_names: The m constraints: `cost`, or kinds of cost such as `hazards`.
            num_threads: Threads that share the rows of a step, ≥ 1.

        Raises:
            ValueError: If an argument is out of range, or the task has no such cost.
        """
        if num_envs < 1 or np.shape(env_seeds) != (num_envs,):
            raise ValueError(
                f"`env_seeds.shape == (num_envs,)` must hold with num_envs >= 1, but got shape "
                f"{np.shape(env_seeds)} with num_envs={num_envs}."
            )
        if not 1 <= num_threads <= MAX_THREADS:
            raise ValueError(
                f"`1 <= num_threads <= {MAX_THREADS}` must hold, but got {num_threads}; "
                "the environment variable NUMBA_NUM_THREADS sets the largest."
            )
        self._env_id = env_id
        model, self._rules, self._placement, self._sensing, known_costs = describe(env_id)
        self._cost_columns = _find_costs(cost_names, known_costs, env_id)
        self._models = [copy.copy(model) for _ in range(num_envs)]
        self._data = [mujoco.MjData(model) for model in self._models]
        self._addresses = locate(self._models, self._data)
        self._bounds = np.ascontiguousarray(model.actuator_ctrlrange.T)
        self.kind = "navigation"
        self.num_envs = num_envs
        self.observation_size = (
            len(self._sensing.readings)
            + 9 * len(self._sensing.quaternions)
            + (len(self._sensing.lidar_starts) - 1) * self._sensing.lidar_bins
        )
        self.action_low, self.action_high = self._bounds[0].copy(), self._bounds[1].copy()
        self.cost_names = tuple(cost_names)
        self.horizon = self._rules.horizon
        self.env_seeds = np.array(env_seeds, dtype=np.int64)
        self.saves_state = True
        self.num_threads = num_threads
        self._episodes = _new_episodes(num_envs, len(self._placement.body))
        self._outcome = _new_outcome(num_envs, self.observation_size)
        self._has_started = False

    def reset(self) -> Floats:
        """See `EnvBatch.reset`.

        Returns:
            `[B, O]` float64; the first observations.

        Raises:
            ResamplingError: Safety-Gymnasium's, if an environment's objects find no place; names it.
        """
        for row, seed in enumerate(self.env_seeds.tolist()):
            self._episodes.generators[row] = seed_generator(seed)
        self._begin(np.arange(self.num_envs))
        self._has_started = True
        return self._outcome.observations.copy()

    def step(self, actions: Floats) -> BatchStep:
        """See `EnvBatch.step`.

        Args:
            actions: `[B, A]` float64; clipped to the action bounds.

        Returns:
            What the step gave.

        Raises:
            ValueError: If `actions` has another shape or holds a non-finite number; names the environment.
            RuntimeError: If the batch was never reset.
            ResamplingError: Safety-Gymnasium's, if the next episode's objects find no place; names the environment.
            UnstablePhysicsError: If an environment's physics left the finite numbers; names it.
        """
        if not self._has_started:
            raise RuntimeError("`reset` must come before the first `step`.")
        actions = np.ascontiguousarray(actions, dtype=np.float64)
        check_actions(actions, self.num_envs, self.action_size)
        self._advance(actions)
        outcome = self._outcome
        if outcome.unstable.any():
            self._refuse(int(np.flatnonzero(outcome.unstable)[0]))
        rewards, costs = outcome.rewards.copy(), outcome.costs[:, self._cost_columns]
        terminated = outcome.terminated.copy()
        truncated = ~terminated & (self._episodes.progress["steps"] >= self._rules.horizon)
        final_observations = outcome.observations.copy()
        ended = np.flatnonzero(terminated | truncated)
        if len(ended):
            self._begin(ended)
        return BatchStep(outcome.observations.copy(), rewards, costs, terminated, truncated, final_observations)

    def _advance(self, actions: Floats) -> None:
        arguments = (
            self._rules,
            self._placement,
            self._sensing,
            self._addresses,
            self._episodes,
            actions,
            self._bounds,
            self._outcome,
        )
        if self.num_threads == 1:
            step_rows(*arguments)
        else:
            set_num_threads(self.num_threads)
            step_rows_in_threads(*arguments)

    def _begin(self, rows: NDArray[np.int64]) -> None:
        """Starts an episode in each row, from its generator as it stands."""
        angles = np.empty((len(rows), len(self._placement.body)))
        failed = sample_layouts(rows, self._placement, self._episodes, angles)
        if failed < 0:
            # These two calls must be NumPy's, whose cosine may differ in the last bit from the C library's.
            self._episodes.quaternions[rows, :, 0] = np.cos(angles / 2)
            self._episodes.quaternions[rows, :, 3] = np.sin(angles / 2)
            write_layouts(rows, self._placement, self._addresses, self._episodes)
            failed = begin_episodes(
                rows,
                self._rules,
                self._placement,
                self._sensing,
                self._addresses,
                self._episodes,
                self._outcome.observations,
            )
        if failed >= 0:
            raise resampling_error(
                f"`objects keep their distances` must hold, but no layout was found for environment {failed} "
                f"({self._env_id}) within {LAYOUT_TRIES:,} tries; another seed may have one."
            )

    def _refuse(self, row: int) -> None:
        counts = self._data[row].warning
        names = {int(kind): name for name, kind in mujoco.mjtWarning.__members__.items()}
        raised = [names[index] for index in range(len(counts)) if counts[index].number]
        raise UnstablePhysicsError(row, self._env_id, ", ".join(raised) or "the reward or an observation is not finite")

    def positions(self) -> Floats:
        """See `EnvBatch.positions`."""
        return np.array([data.xpos[self._rules.agent, :2] for data in self._data])

    def get_state(self) -> dict[str, Any]:
        """See `EnvBatch.get_state`.

        Returns:
            Arrays by name: MuJoCo's integration state (warm start included), the goals' places, and the fields of
            `Episodes`.
        """
        size = mujoco.mj_stateSize(self._models[0], _STATE)
        physics = np.empty((self.num_envs, size))
        for row in range(self.num_envs):
            mujoco.mj_getState(self._models[row], self._data[row], physics[row], _STATE)
        goals = [model.body_pos[self._rules.goal, :2] for model in self._models] if self._rules.goal >= 0 else []
        episodes = {name: array.copy() for name, array in self._episodes._asdict().items()}
        return {"env_id": self._env_id, "physics": physics, "goals": np.array(goals), "episodes": episodes}

    def set_state(self, state: dict[str, Any]) -> None:
        """See `EnvBatch.set_state`.

        Args:
            state: What `get_state` of a batch of the same task and size gave.

        Raises:
            ValueError: If it is of another task or size.
        """
        found = state["env_id"], len(state["physics"])
        if found != (self._env_id, self.num_envs):
            raise ValueError(
                f"`(env_id, num_envs) == {(self._env_id, self.num_envs)}` must hold for a state, but got {found}."
            )
        for name, array in self._episodes._asdict().items():
            array[...] = state["episodes"][name]
        write_layouts(np.arange(self.num_envs), self._placement, self._addresses, self._episodes)
        for model, goal in zip(self._models, state["goals"], strict=False):  # Circle has no goals
            model.body_pos[self._rules.goal, :2] = goal
        for row, (model, data) in enumerate(zip(self._models, self._data, strict=True)):
            mujoco.mj_setState(model, data, state["physics"][row], _STATE)
            mujoco.mj_forward(model, data)
        self._has_started = True


def _find_costs(cost_names: Sequence[str], known: Sequence[str], env_id: str) -> list[int]:
    """Columns of the costs asked for."""
    for name in cost_names:
        if name not in known:
            raise ValueError(f"`cost_names` must be costs of {env_id} ({', '.join(known)}), but got {name!r}.")
    return [COST_KINDS.index(name) for name in cost_names]


def _new_episodes(num_envs: int, num_items: int) -> Episodes:
    return Episodes(
        progress=np.zeros(num_envs, dtype=PROGRESS),
        generators=np.zeros((num_envs, GENERATOR_SIZE), dtype=np.uint32),
        spots=np.zeros((num_envs, num_items, 2)),
        quaternions=np.zeros((num_envs, num_items, 4)),
    )


def _new_outcome(num_envs: int, observation_size: int) -> Outcome:
    return Outcome(
        observations=np.zeros((num_envs, observation_size)),
        rewards=np.zeros(num_envs),
        costs=np.zeros((num_envs, len(COST_KINDS))),
        terminated=np.zeros(num_envs, dtype=np.bool_),
        unstable=np.zeros(num_envs, dtype=np.bool_),
    )

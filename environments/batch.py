"""`EnvBatch`: the one way in which algorithms step environments.

Axes: B environments, O observation entries, A action entries, m costs. A batch for S seeds and E environments a seed
has B = S · E rows, seed-major: row s·E + e is environment e of seed s.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


class BatchStep(NamedTuple):
    """What one step of every environment gave.

    An environment whose episode ends is reset within the same step: `observations` then holds the first
    observation of its next episode and `final_observations` the last one of the episode that ended, from which
    a truncated episode is bootstrapped.

    Attributes:
        observations: `[B, O]` float64; what the next action is chosen from.
        rewards: `[B]` float64; reward of this step.
        costs: `[B, m]` float64, ≥ 0; cost of this step, one column a constraint, in the order of `cost_names`.
        terminated: `[B]` bool; the episode reached a terminal state (value 0 beyond).
        truncated: `[B]` bool; the episode was cut by its time limit (bootstrap from `final_observations`).
        final_observations: `[B, O]` float64; where an episode ended its last observation, else as `observations`.
    """

    observations: Floats
    rewards: Floats
    costs: Floats
    terminated: Bools
    truncated: Bools
    final_observations: Floats


class EnvBatch(ABC):
    """B environments of one task, stepped together.

    The arrays that `reset` and `step` return belong to the caller: no later call changes them.

    Attributes:
        kind: Which implementation this is: `navigation`, `gymnasium` or `analytic`; shown in metrics and plans.
        num_envs: B.
        observation_size: O.
        action_low: `[A]` float64; smallest action; a step clips to it.
        action_high: `[A]` float64; largest action; a step clips to it.
        cost_names: The m constraints, in the order of the cost columns. `cost` is the task's total cost;
            any other name is one of its kinds, such as `hazards`.
        horizon: Steps after which an episode is truncated, or None where the task sets none.
        env_seeds: `[B]` int64; the seed with which each environment was first reset: a plain environment reset
            with it sees the same episodes.
        saves_state: Whether `get_state` gives everything needed to continue exactly.
    """

    kind: str
    num_envs: int
    observation_size: int
    action_low: Floats
    action_high: Floats
    cost_names: tuple[str, ...]
    horizon: int | None
    env_seeds: NDArray[np.int64]
    saves_state: bool

    @property
    def action_size(self) -> int:
        """A, the number of entries of an action."""
        return int(self.action_low.shape[0])

    @abstractmethod
    def reset(self) -> Floats:
        """Starts the first episode of every environment with `env_seeds`.

        Returns:
            `[B, O]` float64; the first observations.
        """

    @abstractmethod
    def step(self, actions: Floats) -> BatchStep:
        """Steps every environment once and resets those whose episode ended, without a seed.

        Args:
            actions: `[B, A]` float64; clipped to the action bounds.

        Returns:
            What the step gave.

        Raises:
            ValueError: If `actions` has another shape or holds a non-finite number; names the environment.
        """

    def get_state(self) -> dict[str, Any]:
        """Everything needed to continue exactly: physics, episode clocks, random generators.

        Raises:
            NotImplementedError: If `saves_state` is False.
        """
        raise NotImplementedError(f"{type(self).__name__} cannot save its state (saves_state=False)")

    def set_state(self, state: dict[str, Any]) -> None:
        """Continues from what `get_state` of a batch of the same task and size gave.

        Raises:
            NotImplementedError: If `saves_state` is False.
        """
        raise NotImplementedError(f"{type(self).__name__} cannot restore a state (saves_state=False)")

    def positions(self) -> Floats | None:
        """Where each environment's robot is.

        Returns:
            `[B, 2]` float64; place in the plane, meters, of the observations given last; None where there is no plane.
        """
        return None

    def close(self) -> None:  # noqa: B027  (most batches hold nothing to release)
        """Releases processes and renderers; the batch cannot be used afterwards."""


def check_actions(actions: Floats, num_envs: int, action_size: int) -> None:
    """Refuses actions of the wrong shape or with a non-finite entry.

    Args:
        actions: `[B, A]` float64.
        num_envs: B.
        action_size: A.

    Raises:
        ValueError: Names the shapes, or the first environment whose action is not finite.
    """
    if actions.shape != (num_envs, action_size):
        raise ValueError(f"`actions.shape == {(num_envs, action_size)}` must hold, but got {actions.shape}.")
    if not np.isfinite(actions).all():
        index = int(np.flatnonzero(~np.isfinite(actions).all(axis=1))[0])
        raise ValueError(f"actions must be finite, but environment {index} got {actions[index].tolist()}.")


def seed_environments(seeds: Sequence[int], num_envs: int, *, first: int = 0) -> NDArray[np.int64]:
    """Derives a seed for each environment from its run's seed and its index alone.

    Environment e of seed s gets the same seed whatever runs beside it, so that a seed's episodes depend neither
    on the number of environments nor on the other seeds. Our derivation: NumPy's `SeedSequence((s, e))`.

    Args:
        seeds: The S seeds of the runs, each ≥ 0.
        num_envs: E, environments a seed.
        first: Index of the first of them, where several processes share a seed's environments.

    Returns:
        `[S · E]` int64 in [0, 2³¹), seed-major.

    Raises:
        ValueError: If a seed is negative or `num_envs` is not positive.
    """
    if num_envs < 1:
        raise ValueError(f"`num_envs >= 1` must hold, but got num_envs={num_envs}.")
    if any(seed < 0 for seed in seeds):
        raise ValueError(f"`seed >= 0` must hold for every seed, but got seeds={list(seeds)}.")
    indices = range(first, first + num_envs)
    words = [np.random.SeedSequence((seed, index)).generate_state(1)[0] for seed in seeds for index in indices]
    return np.array(words, dtype=np.int64) & 0x7FFFFFFF

"""Small constrained MDPs whose optimum is known exactly (`environments.occupancy`), to test algorithms against.

S states, K = 2 actions, m costs. An observation is the one-hot state. An action has one entry in [-1, 1]: above 0 it
is action 1, else action 0, so that a Gaussian policy chooses action 1 with any probability. An episode starts from
`initial` and is truncated after `horizon` steps; the time is not observed.

The optimum mixes actions in at most one state a constraint, so a fixed multiplier reaches only corners and a moving
one circles the optimum: compare averages over iterations. A policy that has become sure of an action in some state
stops sampling the other one and cannot be moved back by the multiplier; a small entropy bonus (0.02) keeps it able to.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from environments.batch import BatchStep, EnvBatch, Floats, check_actions
from environments.tasks import TASKS


@dataclass(frozen=True, eq=False)
class CMDP:
    """A constrained Markov decision process with a finite horizon.

    Attributes:
        transitions: `[S, K, S]` float64; probability of the next state, last axis.
        rewards: `[S, K]` float64; reward of an action in a state.
        costs: Cost name → `[S, K]` float64 ≥ 0; `cost` is the total.
        initial: `[S]` float64; probability of the first state of an episode.
        horizon: Steps of an episode.
    """

    transitions: Floats
    rewards: Floats
    costs: Mapping[str, Floats]
    initial: Floats
    horizon: int

    def __post_init__(self) -> None:
        """Checks that the probabilities are some.

        Raises:
            ValueError: If `initial` or a row of `transitions` is negative somewhere or does not sum to 1.
        """
        for name, table in (("transitions", self.transitions), ("initial", self.initial)):
            if (table < 0).any() or not np.allclose(table.sum(axis=-1), 1.0, rtol=0, atol=1e-12):
                raise ValueError(f"every row of `{name}` must be ≥ 0 and sum to 1, but got {table.tolist()}.")

    @property
    def num_states(self) -> int:
        """S."""
        return self.rewards.shape[0]

    @property
    def num_actions(self) -> int:
        """K."""
        return self.rewards.shape[1]


def bandit() -> CMDP:
    """Four contexts, drawn anew each step; action 1 costs 1 and pays 1, ¾, ½ or ¼; action 0 does nothing.

    The optimum is worked by hand: an episode of 20 steps visits each context 5 times, and within a limit d the
    contexts that pay best come first. The multiplier is what the last context taken pays, whatever the policy may
    depend on, since no action changes what comes next:

        d         0 … 5    5 … 10          10 … 15          15 … 20          ≥ 20
        J_r*(d)   d        5 + ¾ (d − 5)   8¾ + ½ (d − 10)  11¼ + ¼ (d − 15)  12½
        λ*        1        ¾               ½                ¼                 0

    The costs `even` and `odd` are those of contexts 0, 2 and of 1, 3: limits on each make two constraints.
    """
    paid, free = np.array([1.0, 0.75, 0.5, 0.25]), np.zeros(4)
    even, odd = np.array([1.0, 0.0, 1.0, 0.0]), np.array([0.0, 1.0, 0.0, 1.0])
    return CMDP(
        transitions=np.full((4, 2, 4), 0.25),
        rewards=np.stack([free, paid], axis=1),
        costs={
            name: np.stack([free, cost], axis=1) for name, cost in (("cost", even + odd), ("even", even), ("odd", odd))
        },
        initial=np.full(4, 0.25),
        horizon=_horizon("analytic/bandit"),
    )


def ring() -> CMDP:
    """Eight states in a ring: action 0 walks one on for 0.3, action 1 runs two on for 1 at the cost of the state.

    With probability 0.1 a walk stays and a run goes one on. What an action costs depends on where earlier ones led,
    so that a limit is met by timing, not by doing less of everything.
    """
    size, slip = 8, 0.1
    hazard = np.array([0.0, 0.1, 0.3, 1.0, 0.6, 0.2, 0.0, 0.8])
    step = np.eye(size)
    walk = (1 - slip) * np.roll(step, 1, axis=1) + slip * step
    run = (1 - slip) * np.roll(step, 2, axis=1) + slip * np.roll(step, 1, axis=1)
    return CMDP(
        transitions=np.stack([walk, run], axis=1),
        rewards=np.tile([0.3, 1.0], (size, 1)),
        costs={"cost": np.stack([np.zeros(size), hazard], axis=1)},
        initial=np.full(size, 1 / size),
        horizon=_horizon("analytic/ring"),
    )


CMDPS: dict[str, Callable[[], CMDP]] = {"analytic/bandit": bandit, "analytic/ring": ring}
"""What makes each analytic task, by its environment id."""


def _horizon(name: str) -> int:
    horizon = TASKS[name].horizon
    assert horizon is not None
    return horizon


class AnalyticBatch(EnvBatch):
    """B copies of a CMDP, stepped at once.

    Each environment draws from a SplitMix64 generator of its own, all of them in a few array operations.
    Source: Steele, Lea and Flood (2014), "Fast splittable pseudorandom number generators", figure 15.
    """

    kind = "analytic"
    saves_state = True

    def __init__(
        self, cmdp: CMDP, *, num_envs: int, env_seeds: NDArray[np.int64], cost_names: Sequence[str] = ("cost",)
    ) -> None:
        """Prepares the tables.

        Args:
            cmdp: What to step; two actions.
            num_envs: B ≥ 1.
            env_seeds: `[B]` int64 ≥ 0; seed of each environment's generator.
            cost_names: The m constraints, names of `cmdp.costs`.

        Raises:
            ValueError: If the sizes disagree, or the CMDP has no such cost.
        """
        if num_envs < 1 or len(env_seeds) != num_envs:
            raise ValueError(f"`len(env_seeds) == num_envs >= 1` must hold, but got {len(env_seeds)} and {num_envs}.")
        unknown = [name for name in cost_names if name not in cmdp.costs]
        if unknown:
            raise ValueError(f"`cost_names` must be among {sorted(cmdp.costs)}, but got {unknown}.")
        self.num_envs = num_envs
        self.observation_size = cmdp.num_states
        self.action_low, self.action_high = np.full(1, -1.0), np.full(1, 1.0)
        self.cost_names = tuple(cost_names)
        self.horizon = cmdp.horizon
        self.env_seeds = np.asarray(env_seeds, dtype=np.int64)
        self._one_hot = np.eye(cmdp.num_states)
        self._rewards = cmdp.rewards
        self._costs = np.stack([cmdp.costs[name] for name in cost_names], axis=-1)
        self._thresholds = np.cumsum(cmdp.transitions, axis=-1)[..., :-1]
        self._first_thresholds = np.cumsum(cmdp.initial)[:-1]
        self._state: dict[str, NDArray[Any]] | None = None

    def reset(self) -> Floats:
        """Starts the first episode of every environment with `env_seeds`.

        Returns:
            `[B, O]` float64; the first observations.
        """
        self._state = {
            "generators": self.env_seeds.astype(np.uint64),
            "clocks": np.zeros(self.num_envs, dtype=np.int64),
            "states": np.zeros(self.num_envs, dtype=np.int64),
        }
        self._begin(self._state, np.arange(self.num_envs))
        return self._one_hot[self._state["states"]]

    def step(self, actions: Floats) -> BatchStep:
        """Steps every environment once and resets those whose episode ended.

        Args:
            actions: `[B, 1]` float64; above 0 is action 1.

        Returns:
            What the step gave; an episode is truncated, never terminated.

        Raises:
            ValueError: If `actions` has another shape or holds a non-finite number; names the environment.
            RuntimeError: If the batch was never reset.
        """
        check_actions(actions, self.num_envs, self.action_size)
        state = self._started()
        chosen = (actions[:, 0] > 0).astype(np.int64)
        before = state["states"]
        draws = draw_uniform(state["generators"])
        state["states"] = (draws[:, None] >= self._thresholds[before, chosen]).sum(axis=1)
        state["clocks"] += 1
        truncated = state["clocks"] == self.horizon
        final_observations = self._one_hot[state["states"]]
        self._begin(state, np.flatnonzero(truncated))
        return BatchStep(
            observations=self._one_hot[state["states"]],
            rewards=self._rewards[before, chosen],
            costs=self._costs[before, chosen],
            terminated=np.zeros(self.num_envs, dtype=np.bool_),
            truncated=truncated,
            final_observations=final_observations,
        )

    def get_state(self) -> dict[str, Any]:
        """States, clocks and generators."""
        return {name: values.copy() for name, values in self._started().items()}

    def set_state(self, state: dict[str, Any]) -> None:
        """Continues from what `get_state` gave.

        Args:
            state: From a batch of the same task and size.

        Raises:
            ValueError: If it is from a batch of another size.
        """
        if len(state["states"]) != self.num_envs:
            raise ValueError(f"`state` must be of {self.num_envs} environments, but got {len(state['states'])}.")
        self._state = {name: values.copy() for name, values in state.items()}

    def _started(self) -> dict[str, NDArray[Any]]:
        if self._state is None:
            raise RuntimeError("`reset` must come before the first `step`.")
        return self._state

    def _begin(self, state: dict[str, NDArray[Any]], rows: NDArray[np.int64]) -> None:
        generators = state["generators"][rows]
        state["states"][rows] = (draw_uniform(generators)[:, None] >= self._first_thresholds).sum(axis=1)
        state["generators"][rows] = generators
        state["clocks"][rows] = 0


def draw_uniform(generators: NDArray[np.uint64]) -> Floats:
    """Draws one number from each generator and advances it.

    Args:
        generators: `[B]` uint64; states of SplitMix64, changed in place.

    Returns:
        `[B]` float64 in [0, 1), multiples of 2⁻⁵³.
    """
    generators += np.uint64(0x9E3779B97F4A7C15)
    return (mix(generators) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def mix(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """SplitMix64's bijective mixing of 64-bit words.

    Args:
        words: `[B]` uint64.

    Returns:
        `[B]` uint64.
    """
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))

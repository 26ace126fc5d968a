"""Evaluation of policies on held-out episodes.

Episodes begin with environment seeds that no training run has: those derived from `SELECTION_SEED` to choose, from
`REPORT_SEED` to report, so that what is reported of the chosen policy is not the luck by which it was chosen.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy import special

from environments.make import make_batch
from sweeps.analysis.statistics import t_interval
from sweeps.policy import Policy
from sweeps.records import Interval

Floats = NDArray[np.float64]

SELECTION_SEED, REPORT_SEED = 2_000_000_011, 2_000_000_033
"""Seeds of held-out episodes; a study that trains with one of them is refused."""

CONFIDENCE = 0.95
_AT_ONCE = 32
_NOISE = 7  # apart from the environments' seeds, which are derived from (seed, index)


@dataclass(frozen=True)
class Evaluation:
    """What a policy did in n held-out episodes.

    Attributes:
        explores: Whether it acted with exploration noise.
        returns: `[n]`; undiscounted return of each episode.
        costs: Cost name → `[n]`; undiscounted cost of each.
        seed: What the environments' seeds were derived from.
    """

    explores: bool
    returns: Floats
    costs: dict[str, Floats]
    seed: int

    @property
    def num_episodes(self) -> int:
        """How many episodes: n."""
        return len(self.returns)

    @property
    def mean_return(self) -> Interval:
        """Mean return with its 95 % t-interval over episodes; `num_seeds` counts episodes."""
        return t_interval(self.returns.tolist())

    def mean_cost(self, name: str = "cost") -> Interval:
        """Mean of a cost with its 95 % t-interval over episodes."""
        return t_interval(self.costs[name].tolist())

    def cost_bound(self, name: str = "cost", confidence: float = CONFIDENCE) -> float:
        """An upper confidence bound of the mean cost.

            c̄ + t(confidence, n − 1) · s / √n

        One-sided; source: Student (1908). Infinite with a single episode.

        Args:
            name: The cost's name.
            confidence: How surely the mean lies below it, in (0, 1).

        Returns:
            The bound, cost units per episode.
        """
        costs = self.costs[name]
        if costs.size < 2:
            return np.inf
        quantile = float(special.stdtrit(costs.size - 1, confidence))
        return float(costs.mean()) + quantile * float(costs.std(ddof=1)) / costs.size**0.5

    def keeps(self, limits: Mapping[str, float]) -> bool:
        """Whether the upper bound of every cost is within its limit."""
        return all(self.cost_bound(name) <= limit for name, limit in limits.items())

    def violation_share(self, limits: Mapping[str, float]) -> float:
        """The share of episodes in which some cost is above its limit."""
        above = [self.costs[name] > limit for name, limit in limits.items()]
        return float(np.mean(np.any(above, axis=0)))

    def to_dict(self) -> dict[str, Any]:
        """The evaluation as JSON holds it."""
        return {
            "explores": self.explores,
            "seed": self.seed,
            "returns": self.returns.tolist(),
            "costs": {name: costs.tolist() for name, costs in self.costs.items()},
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Takes an evaluation from its JSON."""
        costs = {name: np.array(costs, dtype=float) for name, costs in data["costs"].items()}
        return cls(data["explores"], np.array(data["returns"], dtype=float), costs, data["seed"])


def evaluate(policy: Policy, episodes: int = 100, *, explore: bool = False, seed: int = REPORT_SEED) -> Evaluation:
    """Runs a policy in whole episodes of its task; the same arguments give the same episodes.

    Args:
        policy: The policy.
        episodes: n ≥ 1.
        explore: Whether it acts with the noise it explored with, rather than by its most likely action.
        seed: What the environments' seeds are derived from.

    Returns:
        One number an episode, in a fixed order.

    Raises:
        ValueError: If `episodes` is not positive, or `seed` is one that the policy's study trained with.
    """
    if episodes < 1:
        raise ValueError(f"`episodes >= 1` must hold, but got {episodes=}.")
    if seed in policy.description.seeds:
        raise ValueError(f"held-out episodes need a seed that trained nothing, but {seed} is one of the study's.")
    parts = [
        _run(policy, first, min(_AT_ONCE, episodes - first), explore, seed) for first in range(0, episodes, _AT_ONCE)
    ]
    returns = np.concatenate([part[0] for part in parts])
    costs = np.concatenate([part[1] for part in parts])
    names = list(policy.description.cost_limits)
    return Evaluation(explore, returns, {name: costs[:, index] for index, name in enumerate(names)}, seed)


def _run(policy: Policy, first: int, number: int, explore: bool, seed: int) -> tuple[Floats, Floats]:
    """Episodes `first` … `first + number − 1`, one an environment: returns `[number]` and costs `[number, m]`."""
    names = tuple(policy.description.cost_limits)
    batch = make_batch(policy.description.task, num_envs=number, seeds=[seed], first_env=first, cost_names=names)
    noise = np.random.default_rng([seed, first, _NOISE]) if explore else None
    returns, costs = np.zeros(number), np.zeros((number, len(names)))
    running = np.ones(number, dtype=bool)
    try:
        observations = batch.reset()
        while running.any():
            step = batch.step(policy.act(observations, noise))
            returns += np.where(running, step.rewards, 0.0)
            costs += np.where(running[:, None], step.costs, 0.0)
            running &= ~(step.terminated | step.truncated)
            observations = step.observations
    finally:
        batch.close()
    return returns, costs

"""Evaluation of policies on held-out episodes, and the choice of one to deploy.

Episodes begin with environment seeds that no training run has: those derived from `SELECTION_SEED` to choose, from
`REPORT_SEED` to report, so that what is reported of the chosen policy is not the luck by which it was chosen.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from environments.make import make_batch
from sweeps.analysis.statistics import t_interval
from sweeps.errors import NoFeasibleTrial
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


@dataclass(frozen=True)
class Choice:
    """The policy that was chosen, and what speaks for it.

    Attributes:
        policy: The policy.
        cost_limits: The limits of its deployment.
        greedy: Fresh episodes without noise.
        exploring: Fresh episodes with exploration noise.
        candidates: Seed → the evaluation by which it was judged.
        feasible: Whether the upper bounds of its costs were within the limits when it was chosen.
    """

    policy: Policy
    cost_limits: dict[str, float]
    greedy: Evaluation
    exploring: Evaluation
    candidates: dict[int, Evaluation]
    feasible: bool

    def rows(self) -> list[dict[str, Any]]:
        """What people read: one row an evaluation of the chosen policy, with intervals over episodes."""
        return [self._row(name, found) for name, found in (("greedy", self.greedy), ("exploring", self.exploring))]

    def to_dict(self) -> dict[str, Any]:
        """The choice as JSON holds it."""
        return {
            "trial": self.policy.description.trial,
            "seed": self.policy.seed,
            "feasible": self.feasible,
            "cost_limits": self.cost_limits,
            "greedy": self.greedy.to_dict(),
            "exploring": self.exploring.to_dict(),
            "candidates": {str(seed): found.to_dict() for seed, found in self.candidates.items()},
        }

    def _row(self, name: str, found: Evaluation) -> dict[str, Any]:
        value = found.mean_return
        row: dict[str, Any] = {"acts": name, "episodes": found.num_episodes}
        row["return"] = f"{value.mean:.4g} [{value.low:.4g}, {value.high:.4g}]"
        for cost, limit in self.cost_limits.items():
            row[cost] = f"{found.mean_cost(cost).mean:.4g}"
            row[f"{cost} ≤ (95 %)"] = f"{found.cost_bound(cost):.4g}"
            row["limit" if len(self.cost_limits) == 1 else f"limit {cost}"] = f"{limit:g}"
        return row | {
            "violations": f"{found.violation_share(self.cost_limits):.0%}",
            "safe": found.keeps(self.cost_limits),
        }


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


def choose(
    policies: Sequence[Policy],
    *,
    episodes: int = 50,
    cost_limits: Mapping[str, float] | None = None,
    explore: bool = False,
    require_feasible: bool = True,
) -> Choice:
    """Chooses the policy to deploy: the best return among those that surely keep the limits.

    Every candidate runs the same held-out episodes. One counts as feasible where the 95 % upper confidence bound of
    each mean cost is within its limit; of those the highest mean return is chosen, and run again in fresh episodes,
    without and with exploration noise.

    Args:
        policies: The candidates, one at least.
        episodes: Episodes of each evaluation, ≥ 2.
        cost_limits: Limits of the deployment; None takes those of training. Larger ones than those of training leave
            a margin.
        explore: Whether candidates are judged with exploration noise, as they will act if they do.
        require_feasible: Whether to refuse when none is feasible, rather than to take the one nearest to its limits.

    Returns:
        The choice.

    Raises:
        NoFeasibleTrial: If none is feasible and one is required; names the nearest.
        ValueError: If there is no candidate, fewer than two episodes, or a limit of an unknown cost.
    """
    if not policies or episodes < 2:
        raise ValueError(f"one candidate and two episodes at least are needed, but got {len(policies)} and {episodes}.")
    known = policies[0].description.cost_limits
    limits = dict(known if cost_limits is None else cost_limits)
    if limits.keys() != known.keys():
        raise ValueError(f"`cost_limits` must name {sorted(known)}, but got {sorted(limits)}.")
    judged = {p.seed: evaluate(p, episodes, explore=explore, seed=SELECTION_SEED) for p in policies}
    by_seed = {policy.seed: policy for policy in policies}

    def excess(seed: int) -> float:
        return max((judged[seed].cost_bound(name) - limit) / max(limit, 1.0) for name, limit in limits.items())

    feasible = [seed for seed, found in judged.items() if found.keeps(limits)]
    if not feasible and require_feasible:
        nearest = min(judged, key=excess)
        bounds = ", ".join(f"{name} ≤ {judged[nearest].cost_bound(name):.4g}" for name in limits)
        raise NoFeasibleTrial(
            f"`the 95 % upper bound of the mean cost is within the limit` must hold, but no policy of {len(judged)} "
            f"keeps it; nearest: seed {nearest} with {bounds}.",
            code="no-feasible-policy",
            help="evaluate more episodes, train at a smaller limit than the deployment's, or require_feasible=False",
        )
    chosen = max(feasible, key=lambda s: judged[s].mean_return.mean) if feasible else min(judged, key=excess)
    policy = by_seed[chosen]
    return Choice(
        policy=policy,
        cost_limits=limits,
        greedy=evaluate(policy, episodes),
        exploring=evaluate(policy, episodes, explore=True),
        candidates=judged,
        feasible=bool(feasible),
    )

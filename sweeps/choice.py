"""The choice of a policy to deploy, among the seeds of a study's best trials, by held-out episodes.

A study's driver writes the candidates when it ends, chooses one of them, and records the choice:

    policies/trial-<number>-<part>/   the policies of a candidate trial's seeds
    policy/                           those of the chosen policy's trial; its description names the chosen seed
    policy/choice.json                what speaks for it; absent where training results had to decide
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sweeps.errors import NoFeasibleTrial, NotFoundError
from sweeps.evaluation import SELECTION_SEED, Evaluation, evaluate
from sweeps.policy import Policy, PolicyError, load_policies, load_policy
from sweeps.policy_files import written_aside

CANDIDATES = "policies"
CHOSEN = "policy"
RECORD = "choice.json"
EPISODES = 50
"""Held-out episodes of each evaluation, unless another number is asked for."""

Candidate = tuple[int, int]
"""Trial and seed."""


@dataclass(frozen=True)
class Choice:
    """The policy that was chosen, and what speaks for it.

    Attributes:
        policy: The policy.
        cost_limits: The limits by which it was judged.
        greedy: Fresh episodes without noise.
        exploring: Fresh episodes with exploration noise.
        candidates: (trial, seed) → the evaluation by which it was judged.
        kept: Those whose costs' upper bounds were within their limits.
    """

    policy: Policy
    cost_limits: dict[str, float]
    greedy: Evaluation
    exploring: Evaluation
    candidates: dict[Candidate, Evaluation]
    kept: tuple[Candidate, ...]

    @property
    def feasible(self) -> bool:
        """Whether the upper bounds of the chosen policy's costs were within the limits when it was chosen."""
        return (self.policy.description.trial, self.policy.seed) in self.kept

    def rows(self) -> list[dict[str, Any]]:
        """What people read: one row an evaluation of the chosen policy, with intervals over episodes."""
        return [self._row(name, found) for name, found in (("greedy", self.greedy), ("exploring", self.exploring))]

    def summary(self) -> str:
        """One line: among how many it was chosen, and by how many episodes."""
        trials = sorted({trial for trial, _ in self.candidates})
        episodes = next(iter(self.candidates.values())).num_episodes
        told = f"{len(self.kept)} of {len(self.candidates)} policies surely keep the limit"
        return f"{told}, in {episodes} held-out episodes each (trial{'s' * (len(trials) > 1)} {_listed(trials)})"

    def to_dict(self) -> dict[str, Any]:
        """The choice as JSON holds it."""
        return {
            "trial": self.policy.description.trial,
            "seed": self.policy.seed,
            "feasible": self.feasible,
            "cost_limits": self.cost_limits,
            "greedy": self.greedy.to_dict(),
            "exploring": self.exploring.to_dict(),
            "candidates": [
                {"trial": trial, "seed": seed, "feasible": (trial, seed) in self.kept, "evaluation": found.to_dict()}
                for (trial, seed), found in self.candidates.items()
            ],
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


def choose(
    policies: Sequence[Policy],
    *,
    episodes: int = EPISODES,
    cost_limits: Mapping[str, float] | None = None,
    explore: bool = False,
    require_feasible: bool = True,
) -> Choice:
    """Chooses the policy to deploy: the best return among those that surely keep the limits.

    Every candidate runs the same held-out episodes. One counts as feasible where the 95 % upper confidence bound of
    each mean cost is within its limit; of those the highest mean return is chosen, and run again in fresh episodes,
    without and with exploration noise.

    Args:
        policies: The candidates, one at least, of one task.
        episodes: Episodes of each evaluation, ≥ 2.
        cost_limits: Limits of the deployment; None takes for each candidate those that it was trained for. Larger ones
            than those of training leave a margin.
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
    limits = {_key(policy): _limits(policy, cost_limits) for policy in policies}
    judged = {_key(p): evaluate(p, episodes, explore=explore, seed=SELECTION_SEED) for p in policies}

    def excess(key: Candidate) -> float:
        return max((judged[key].cost_bound(name) - limit) / max(limit, 1.0) for name, limit in limits[key].items())

    kept = tuple(key for key, found in judged.items() if found.keeps(limits[key]))
    nearest = min(judged, key=excess)
    if not kept and require_feasible:
        raise _none_kept(judged[nearest], nearest, limits[nearest], len(judged))
    chosen = max(kept, key=lambda key: judged[key].mean_return.mean) if kept else nearest
    policy = next(policy for policy in policies if _key(policy) == chosen)
    return Choice(
        policy=policy,
        cost_limits=limits[chosen],
        greedy=evaluate(policy, episodes),
        exploring=evaluate(policy, episodes, explore=True),
        candidates=judged,
        kept=kept,
    )


def best_policy(
    folder: Path,
    *,
    episodes: int | None = None,
    cost_limits: Mapping[str, float] | None = None,
    explore: bool = False,
    require_feasible: bool = True,
) -> Policy:
    """The policy of a study to deploy: the one that its driver chose, or a new choice where something else is asked.

    Args:
        folder: The study's folder.
        episodes: Episodes of each evaluation, ≥ 2; None takes the driver's choice, or `EPISODES` where it made none.
        cost_limits: As for `choose`.
        explore: As for `choose`.
        require_feasible: As for `choose`.

    Returns:
        The policy, with its choice.

    Raises:
        NotFoundError: If no policy was written yet.
        NoFeasibleTrial: If no policy surely keeps the limits and one must.
    """
    record = folder / CHOSEN / RECORD
    if episodes is None and cost_limits is None and not explore and record.exists():
        choice = read_choice(folder / CHOSEN)
        if require_feasible and not choice.feasible:
            key = _key(choice.policy)
            raise _none_kept(choice.candidates[key], key, choice.cost_limits, len(choice.candidates))
    else:
        choice = choose(
            load_candidates(folder),
            episodes=EPISODES if episodes is None else episodes,
            cost_limits=cost_limits,
            explore=explore,
            require_feasible=require_feasible,
        )
    choice.policy.choice = choice
    return choice.policy


def load_candidates(folder: Path) -> list[Policy]:
    """Reads the policies that a study's driver wrote to choose from, each trial's seeds once.

    Args:
        folder: The study's folder.

    Raises:
        NotFoundError: If there is none.
    """
    found = [policy for part in sorted((folder / CANDIDATES).glob("trial-*")) for policy in load_policies(part)]
    if not found:
        raise NotFoundError(
            f"`a driver wrote policies to {CANDIDATES}/` must hold, but {folder} has none.",
            code="no-policy",
            help="a driver writes them when it ends, once a trial is complete",
        )
    once: dict[Candidate, Policy] = {}
    for policy in found:
        once.setdefault(_key(policy), policy)
    return list(once.values())


def save_choice(folder: Path, choice: Choice) -> None:
    """Writes a chosen policy and what speaks for it, whole or not at all.

    Args:
        folder: Where to; made where it does not exist.
        choice: The choice.
    """
    with written_aside(folder) as aside:
        choice.policy.save(aside)
        write_choice(aside, choice)


def write_choice(folder: Path, choice: Choice) -> None:
    """Writes what speaks for a chosen policy into its folder, whole or not at all."""
    with written_aside(folder) as aside:
        (aside / RECORD).write_text(json.dumps(choice.to_dict()) + "\n", encoding="utf-8")


def read_choice(folder: Path) -> Choice:
    """Reads a choice with its policy.

    Args:
        folder: Folder of the chosen policy.

    Raises:
        PolicyError: If a file is missing or damaged, or is something else.
    """
    try:
        data = json.loads((folder / RECORD).read_bytes())
        found = [((each["trial"], each["seed"]), each["feasible"], Evaluation.from_dict(each["evaluation"]))
                 for each in data["candidates"]]  # fmt: skip
        choice = Choice(
            policy=load_policy(folder, data["seed"]),
            cost_limits=dict(data["cost_limits"]),
            greedy=Evaluation.from_dict(data["greedy"]),
            exploring=Evaluation.from_dict(data["exploring"]),
            candidates={key: evaluation for key, _, evaluation in found},
            kept=tuple(key for key, feasible, _ in found if feasible),
        )
        _check(choice)
    except (ValueError, TypeError, KeyError, AttributeError, OSError, NotFoundError) as error:
        raise PolicyError(
            f"`{RECORD} and the policy are as written` must hold, but in {folder}: {_cause(error)}.",
            code="damaged-policy",
            help="choose again: give a number of episodes",
        ) from None
    return choice


def _check(choice: Choice) -> None:
    """Refuses a record whose parts do not fit together, before they surprise a reader."""
    limits, key = choice.cost_limits, _key(choice.policy)
    if limits.keys() != choice.policy.description.cost_limits.keys():
        raise ValueError(f"the limits are of {sorted(limits)}, the policy was trained for others")
    if key not in choice.candidates:
        raise ValueError(f"trial {key[0]}, seed {key[1]} is none of the {len(choice.candidates)} candidates")
    for found in (choice.greedy, choice.exploring, *choice.candidates.values()):
        if found.num_episodes < 1 or found.costs.keys() != limits.keys():
            raise ValueError(f"an evaluation has {found.num_episodes} episodes with the costs {sorted(found.costs)}")
        if any(costs.shape != found.returns.shape for costs in found.costs.values()):
            raise ValueError("an evaluation has another number of costs than of returns")


def _cause(error: Exception) -> str:
    """What went wrong, in words; a bare `KeyError` says only the key."""
    if isinstance(error, NotFoundError | PolicyError):
        return error.message.rstrip(".")
    return f"{error} is missing" if isinstance(error, KeyError) else str(error)


def _key(policy: Policy) -> Candidate:
    return policy.description.trial, policy.seed


def _limits(policy: Policy, asked: Mapping[str, float] | None) -> dict[str, float]:
    known = policy.description.cost_limits
    limits = dict(known if asked is None else asked)
    if limits.keys() != known.keys():
        raise ValueError(f"`cost_limits` must name {sorted(known)}, but got {sorted(limits)}.")
    return limits


def _none_kept(found: Evaluation, key: Candidate, limits: Mapping[str, float], number: int) -> NoFeasibleTrial:
    bounds = ", ".join(f"{name} ≤ {found.cost_bound(name):.4g} (limit {limit:g})" for name, limit in limits.items())
    return NoFeasibleTrial(
        f"`the 95 % upper bound of the mean cost is within the limit` must hold, but no policy of {number} keeps it; "
        f"nearest: trial {key[0]}, seed {key[1]} with {bounds}.",
        code="no-feasible-policy",
        help="evaluate more episodes, train at a smaller limit than the deployment's, or take the nearest: "
        "--allow-infeasible (require_feasible=False)",
    )


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))

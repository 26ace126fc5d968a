"""How costs weigh on the policy: the multiplier that its loss takes, and what moves it.

Axes: S seeds, N rows, m costs.
"""

from typing import Any

from torch import Tensor

from algorithms.functional.soft_actor_critic import cost_targets
from algorithms.multiplier import Multipliers
from algorithms.rollout import Episodes, join_episodes
from algorithms.sac_lagrangian.config import SACLagrangianConfig
from algorithms.sac_lagrangian.losses import PolicyTerms
from algorithms.sac_lagrangian.replay import Batch


class ScalarPenalty:
    """One multiplier for each seed and cost, moved by the costs of finished episodes.

    λ rests until the first gradient step: random actions say nothing of the policy. Where the window holds fewer
    episodes than finished meanwhile, the newest count.
    """

    def __init__(self, config: SACLagrangianConfig):
        parameters = config.parameters
        self._by_round = parameters.multiplier_cadence == "round"
        self._multipliers = Multipliers(
            config.multiplier_parameters, config.cost_limits, len(config.seed_list), parameters.cost_window
        )
        self._cost_gamma = parameters.cost_gamma
        self._finished: list[Episodes] = []

    def cost_targets(self, batch: Batch, next_values: Tensor) -> Tensor:
        """What the cost critics should predict.

        Args:
            batch: The rows.
            next_values: `[S, N, m]`; the target critics' value of the next action.

        Returns:
            `[S, N, m]` float32.
        """
        return cost_targets(batch.costs, batch.terminated, next_values, cost_gamma=self._cost_gamma)

    def multiplier(self, batch: Batch, terms: PolicyTerms) -> Tensor:
        """λ for each row of a batch.

        Args:
            batch: The rows.
            terms: Of the actions that the policy would take there.

        Returns:
            `[S, 1, m]` float32, on the device of the batch.
        """
        return self._multipliers.value.unsqueeze(1).to(batch.rewards.device)

    def end_round(self, episodes: Episodes, *, has_learned: bool) -> None:
        """Takes what a round brought.

        Args:
            episodes: The episodes that finished in it.
            has_learned: Whether gradient steps were made.
        """
        if len(episodes.returns):
            self._finished.append(episodes)
        if self._by_round and has_learned:
            self._move()

    def end_iteration(self, *, has_learned: bool) -> None:
        """Moves λ once an iteration, if that is its cadence.

        Args:
            has_learned: Whether gradient steps were made.
        """
        if has_learned and not self._by_round:
            self._move()

    def _move(self) -> None:
        nothing = Episodes.none(self._multipliers.limit.shape[1])
        self._multipliers.update(join_episodes([nothing, *self._finished]))
        self._finished = []

    def metrics(self) -> dict[str, Tensor]:
        """What to log, by key, each `[S, m]`."""
        return {f"multiplier/{name}": term for name, term in self._multipliers.terms().items()}

    def get_state(self) -> dict[str, Any]:
        """Everything needed to continue exactly, as NumPy arrays."""
        finished = [(e.seed_index.copy(), e.returns.copy(), e.costs.copy()) for e in self._finished]
        return {"multipliers": self._multipliers.get_state(), "finished": finished}

    def set_state(self, state: dict[str, Any]) -> None:
        """Continues from what `get_state` gave."""
        self._multipliers.set_state(state["multipliers"])
        self._finished = [Episodes(*parts) for parts in state["finished"]]

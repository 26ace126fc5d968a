"""How costs weigh on the policy state by state: the multiplier network in the place of a scalar λ.

Axes: S seeds, N rows, P probe states, I iterations; one cost.
"""

import time
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from algorithms.functional.constraints import feasibility_target, reachability_target, statewise_limit
from algorithms.functional.soft_actor_critic import cost_targets
from algorithms.multiplier_network import MultiplierNetwork
from algorithms.parameters import NetworkMultiplier
from algorithms.rollout import Episodes, join_episodes
from algorithms.sac_lagrangian.config import SACLagrangianConfig
from algorithms.sac_lagrangian.losses import PolicyTerms
from algorithms.sac_lagrangian.replay import Batch
from environments.tasks import find_task

_NETWORK_STREAM = 4  # of a seed's random numbers; 1 is its action noise, 3 the learner's draws
_NUM_PROBES = 32


class StatewisePenalty:
    """λ(s) of every seed, moved with every step of the policy by the constraint of the states in its batch.

    Attributes:
        threshold: What a state's cost value may not exceed: d_s, p or 0.
        probes: λ at the probe states, the first states of each seed's first batch: I arrays `[S, P]`.
    """

    def __init__(self, config: SACLagrangianConfig, observation_size: int, device: torch.device | str):
        parameters: NetworkMultiplier = config.multiplier_parameters
        horizon = find_task(str(config.env)).horizon
        (self._limit,) = config.cost_limits.values()
        discount = config.parameters.cost_gamma
        self.threshold = _threshold(parameters, self._limit, horizon, discount)
        self._target = {
            "feasibility": partial(feasibility_target, discount=discount),
            "reachability": partial(reachability_target, discount=discount, cost_threshold=parameters.cost_threshold),
        }.get(parameters.constraint)
        self._discount = discount
        entropy = [np.random.SeedSequence(seed, spawn_key=(_NETWORK_STREAM,)) for seed in config.seed_list]
        generators = [torch.Generator().manual_seed(int(e.generate_state(1, np.uint64)[0])) for e in entropy]
        self.network = MultiplierNetwork(len(generators), observation_size, parameters, generators).to(device)
        self.probes: list[np.ndarray] = []
        self._probe_states: Tensor | None = None
        self._last: tuple[Tensor, Tensor] | None = None
        self._finished: list[Episodes] = []
        self._error = torch.full((len(generators), 1), torch.nan)
        self._seconds = 0.0

    def cost_targets(self, batch: Batch, next_values: Tensor) -> Tensor:
        """What the cost critics should predict in the constraint's form.

        Args:
            batch: The rows.
            next_values: `[S, N, 1]`; the target critics' value of the next action.

        Returns:
            `[S, N, 1]` float32.
        """
        if self._target is None:
            return cost_targets(batch.costs, batch.terminated, next_values, cost_gamma=self._discount)
        return self._target(batch.costs, next_values, batch.terminated.unsqueeze(-1))

    def violation(self, terms: PolicyTerms) -> Tensor:
        """`[S, N]`; g(s, π) at the policy's actions, > 0 where a state's constraint is violated."""
        return terms.cost_values[..., 0] - self.threshold

    def multiplier(self, batch: Batch, terms: PolicyTerms) -> Tensor:
        """The effective λ for each row of a batch; the network then takes its step.

        Args:
            batch: The rows.
            terms: Of the actions that the policy would take there.

        Returns:
            `[S, N, 1]` float32, on the device of the batch.
        """
        started = time.perf_counter()
        violation = self.violation(terms)
        effective = self.network.effective(batch.observations, violation)
        self.network.step(batch.observations, violation)
        if self._probe_states is None:
            self._probe_states = batch.observations[:, :_NUM_PROBES].clone()
        self._last = batch.observations, violation
        self._seconds += time.perf_counter() - started
        return effective.unsqueeze(-1)

    def end_round(self, episodes: Episodes, *, has_learned: bool) -> None:
        """Takes the episodes that finished in a round; they move no λ(s), and are measured against the limit."""
        if len(episodes.returns):
            self._finished.append(episodes)

    def end_iteration(self, *, has_learned: bool) -> None:
        """Measures an iteration: J − d of its episodes, and λ at the probe states."""
        finished = join_episodes([Episodes.none(1), *self._finished])
        means = [finished.of_seed(index)[1] for index in range(len(self._error))]
        for index, costs in enumerate(means):
            if len(costs):
                self._error[index] = float(costs.mean()) - self._limit
        self._finished = []
        if self._probe_states is not None:
            self.probes.append(self.network.value(self._probe_states).cpu().numpy())

    def metrics(self) -> dict[str, Tensor]:
        """What to log, by key, each `[S, 1]`; before the first step of the policy the first λ alone."""
        if self._last is None:
            return {}
        measured = {key: value.unsqueeze(1) for key, value in self.network.measure(*self._last).items()}
        seconds, self._seconds = self._seconds, 0.0
        return measured | {
            "multiplier/error": self._error.clone(),
            "time/multiplier_s": torch.full_like(self._error, seconds),
        }

    def get_state(self) -> dict[str, Any]:
        """Everything needed to continue exactly, as NumPy arrays."""
        states = None if self._probe_states is None else self._probe_states.cpu().numpy().copy()
        return {
            "network": self.network.get_state(),
            "probe_states": states,
            "probes": [values.copy() for values in self.probes],
            "error": self._error.numpy().copy(),
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Continues from what `get_state` gave, at the end of an iteration."""
        self.network.set_state(state["network"])
        states = state["probe_states"]
        device = self.network.penalty_weight.device
        self._probe_states = None if states is None else torch.from_numpy(np.array(states)).to(device)
        self.probes = [np.array(values) for values in state["probes"]]
        self._error = torch.from_numpy(np.array(state["error"]))


def _threshold(parameters: NetworkMultiplier, limit: float, horizon: int | None, discount: float) -> float:
    if parameters.constraint == "cost_value":
        if parameters.state_limit is not None:
            return parameters.state_limit
        assert horizon is not None
        return statewise_limit(limit, horizon, discount)
    return parameters.feasibility_threshold if parameters.constraint == "feasibility" else 0.0

"""What the algorithms share: an RLlib Algorithm that continues from a checkpoint and reports one row a seed."""

from typing import Any, NamedTuple, cast

import numpy as np
from ray.rllib.algorithms.algorithm import Algorithm
from ray.rllib.core.learner.learner_group import LearnerGroup
from ray.rllib.utils.annotations import override

from algorithms.lagrangian_config import LagrangianConfig
from algorithms.rollout import Episodes


class IterationTimes(NamedTuple):
    """Where an iteration's seconds went, and the env steps of all seeds that they bought."""

    env_steps: int
    rollout_s: float
    update_s: float


class LagrangianAlgorithm(Algorithm):
    """An algorithm under cost limits, for S seeds.

    Every result carries `seed_rows`: for each configuration and seed, in the order of the config, a dict of `member`
    (the configuration's place in a pack, else 0), `seed`, `iteration`, `env_steps` (of that seed), `metrics`
    (docs/metrics.md), `episode_returns` and `episode_costs` of the episodes that finished in the iteration.
    """

    _seed_rows: list[dict[str, Any]]

    @override(Algorithm)
    def setup(self, config: Any) -> None:
        super().setup(config)
        if self._lagrangian.resume_from is not None:
            self.restore_from_path(self._lagrangian.resume_from)

    @property
    def _lagrangian(self) -> LagrangianConfig:
        return cast(LagrangianConfig, self.config)

    @property
    def _learners(self) -> LearnerGroup:
        return cast(LearnerGroup, self.learner_group)

    @override(Algorithm)
    def get_ctor_args_and_kwargs(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        # A checkpoint stands alone: the one that this run came from may be gone by the time it is loaded.
        return (self._saved_config().copy(copy_frozen=False).resume(None).get_state(),), {}

    def _saved_config(self) -> LagrangianConfig:
        """The config of what a checkpoint holds."""
        return self._lagrangian

    @override(Algorithm)
    def step(self) -> dict[str, Any]:
        return {**super().step(), "seed_rows": self._seed_rows}

    def calibration(self) -> dict[str, Any] | None:
        """What a trained multiplier network says of the states that its policy visits; None without a network."""
        return None

    def _rows(self, episodes: Episodes, times: IterationTimes) -> list[dict[str, Any]]:
        config = self._lagrangian
        (learned,) = self._learners.foreach_learner(lambda learner, _=None: cast(Any, learner).seed_metrics)
        by_key: dict[str, np.ndarray] = cast(Any, learned).get()
        seconds = {
            "time/env_steps_per_s": times.env_steps / (times.rollout_s + times.update_s),
            "time/rollout_s": times.rollout_s,
            "time/update_s": times.update_s,
        }
        iteration, rows, size = self.iteration + 1, [], len(config.seed_list)
        for index, seed in enumerate(config.run_seeds):
            limits = dict(config.members[index // size].cost_limits)
            returns, costs = episodes.of_seed(index)
            of_seed = {key: float(values[index]) for key, values in by_key.items() if np.isfinite(values[index])}
            rows.append(
                {
                    "member": index // size,
                    "seed": seed,
                    "iteration": iteration,
                    "env_steps": iteration * config.parameters.steps_per_iteration,
                    "metrics": {**_episode_metrics(returns, costs, limits), **of_seed, **seconds},
                    "episode_returns": returns.tolist(),
                    "episode_costs": {name: costs[:, i].tolist() for i, name in enumerate(limits)},
                }
            )
        return rows


def _episode_metrics(returns: np.ndarray, costs: np.ndarray, limits: dict[str, float]) -> dict[str, float]:
    """Means over the episodes that finished in the iteration; only their number where none did."""
    metrics = {"train/episodes": float(len(returns))}
    if len(returns) == 0:
        return metrics
    names = list(limits)
    over = (costs > np.array(list(limits.values()))).any(axis=1)
    metrics |= {"train/return": float(returns.mean()), "train/violation_rate": float(over.mean())}
    return metrics | {cost_key("train/cost", n, names): float(costs[:, i].mean()) for i, n in enumerate(names)}


def cost_key(key: str, name: str, names: list[str]) -> str:
    """A metric's key for one cost: the key itself for the single cost `cost`, else with the cost's name.

    Args:
        key: Such as `train/cost`.
        name: The cost.
        names: All costs of the study.
    """
    return key if names == ["cost"] else f"{key}/{name}"

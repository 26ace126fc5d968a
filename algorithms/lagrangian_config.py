"""What the configs of both algorithms share: the fluent methods `lagrangian`, `seeds`, `budget` and `resume`."""

import operator
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal, NamedTuple, Self

from pydantic import TypeAdapter
from ray.rllib.algorithms.algorithm_config import AlgorithmConfig
from ray.rllib.utils.annotations import override

from algorithms.fit import Misfit, find_misfit, find_multiplier_misfit
from algorithms.parameters import GradientAscent, MultiplierParameters
from environments.tasks import find_task

_MULTIPLIER = TypeAdapter[MultiplierParameters](MultiplierParameters)


class Member(NamedTuple):
    """One configuration of a pack.

    Attributes:
        multiplier_parameters: Its multiplier update and hyperparameters.
        cost_limits: Cost name → limit.
    """

    multiplier_parameters: Any
    cost_limits: Mapping[str, float]


class LagrangianConfig(AlgorithmConfig):
    """An algorithm with Lagrange multipliers for S seeds trained together.

    Attributes:
        parameters: The algorithm's hyperparameters.
        multiplier_parameters: The update of the multiplier and its hyperparameters.
        cost_limits: Cost name → limit d, undiscounted cost per episode.
        seed_list: The S seeds.
        stopped_seeds: Those of them that learn no more.
        env_steps: Budget per seed.
        env_path: Which environments: `auto`, `fast` or `general`.
        env_workers: Processes that step the environments of the general path; 0 for the env runner's own.
        resume_from: Checkpoint to continue from, or None.
        packed: Configurations that train side by side (PPO only), or none: what `lagrangian` set is the only one.
        resume_packed: Checkpoints of the packed configurations to continue from, one each, or none.
    """

    parameters: Any  # a subclass says which

    def __init__(self, algo_class: Any = None):
        self.multiplier_parameters: Any = GradientAscent()
        self.cost_limits: dict[str, float] = {"cost": 25.0}
        self.seed_list: tuple[int, ...] = (0,)
        self.stopped_seeds: tuple[int, ...] = ()
        self.env_steps = 10_000_000
        self.env_path: Literal["auto", "fast", "general"] = "auto"
        self.env_workers = 0
        self.resume_from: str | None = None
        self.packed: tuple[Member, ...] = ()
        self.resume_packed: tuple[str, ...] = ()
        super().__init__(algo_class=algo_class)
        self.framework("torch")
        self.env_runners(num_env_runners=0, rollout_fragment_length="auto")
        self.learners(add_default_connectors_to_learner_pipeline=False)
        # Sampling and weights are synchronized by the algorithm; a lost runner fails the run instead of shrinking it.
        self.fault_tolerance(restart_failed_env_runners=False, ignore_env_runner_failures=False)
        self._dont_auto_sync_env_runner_states = True

    def lagrangian(
        self,
        *,
        update: str | None = None,
        cost_limit: float | Mapping[str, float] | None = None,
        **parameters: Any,
    ) -> Self:
        """Sets how the multiplier moves and which limit the cost has.

        Args:
            update: A name of docs/algorithms/multipliers.md, such as `ga`; None keeps the update and changes only what
                is given.
            cost_limit: d ≥ 0, undiscounted cost per episode; a number limits the task's total cost, a mapping limits
                costs by name.
            **parameters: Hyperparameters of the update; those left out take their default.

        Returns:
            This config.

        Raises:
            ValueError: If a name is unknown, a value out of range or a limit negative or not finite.
        """
        if update is not None:
            self.multiplier_parameters = _MULTIPLIER.validate_python({"update": update, **parameters})
        elif parameters:
            merged = self.multiplier_parameters.model_dump() | parameters
            self.multiplier_parameters = _MULTIPLIER.validate_python(merged)
        if cost_limit is not None:
            limits = dict(cost_limit) if isinstance(cost_limit, Mapping) else {"cost": cost_limit}
            if not limits:
                raise ValueError("`len(cost_limit) >= 1` must hold, but got no limit.")
            self.cost_limits = {name: _checked_limit(name, limit) for name, limit in limits.items()}
        return self

    def seeds(self, seeds: Sequence[int], *, stopped: Collection[int] = ()) -> Self:
        """Sets the seeds that are trained together.

        Args:
            seeds: At least one, each ≥ 0 and different.
            stopped: Those of them that keep their networks as they are. The others come out as if they all learned.

        Returns:
            This config.

        Raises:
            ValueError: If there is none, one is negative or stands twice, or none is left to learn.
            TypeError: If one is no integer.
        """
        chosen = tuple(operator.index(seed) for seed in seeds)
        if not chosen or min(chosen) < 0 or len(set(chosen)) != len(chosen):
            raise ValueError(f"`seeds` must be different integers ≥ 0, at least one, but got {list(seeds)}.")
        if not frozenset(stopped) < frozenset(chosen):
            raise ValueError(f"`stopped` must be some of the seeds {list(chosen)}, but got {sorted(stopped)}.")
        self.seed_list, self.stopped_seeds = chosen, tuple(stopped)
        return self

    @property
    def members(self) -> tuple[Member, ...]:
        """The configurations that train side by side, at least one."""
        return self.packed or (Member(self.multiplier_parameters, self.cost_limits),)

    @property
    def run_seeds(self) -> tuple[int, ...]:
        """The seed of every run: those of the first configuration, of the second, and so on."""
        return self.seed_list * len(self.members)

    def budget(self, *, env_steps: int) -> Self:
        """Sets the env steps per seed that the run is for.

        Args:
            env_steps: At least one.

        Returns:
            This config.

        Raises:
            ValueError: If it is not positive.
        """
        if env_steps < 1:
            raise ValueError(f"`env_steps >= 1` must hold, but got env_steps={env_steps}.")
        self.env_steps = env_steps
        return self

    def paths(self, *, env: Literal["auto", "fast", "general"] | None = None, env_workers: int | None = None) -> Self:
        """Chooses between implementations that give the same numbers.

        Args:
            env: Environments: `auto` takes the fast ones where the task has them.
            env_workers: W ≥ 0 processes that share the environments of each env runner, 0 for the runner's own. Of the
                general path only: the fast path and analytic tasks step all environments at once, and ignore it.

        Returns:
            This config.

        Raises:
            ValueError: If `env_workers` is negative.
        """
        if env_workers is not None and env_workers < 0:
            raise ValueError(f"`env_workers >= 0` must hold, but got env_workers={env_workers}.")
        self.env_workers = self.env_workers if env_workers is None else env_workers
        self.env_path = env or self.env_path
        return self

    def resume(self, path: str | None) -> Self:
        """Continues from a checkpoint folder on this machine when the algorithm is built.

        Args:
            path: What `save_to_path` wrote, or None to start anew.

        Returns:
            This config.
        """
        self.resume_from, self.resume_packed = path, ()
        return self

    @override(AlgorithmConfig)
    def validate(self) -> None:
        """Refuses combinations that cannot run, before anything starts.

        Raises:
            ValueError: Names the settings, their values and the rule.
        """
        super().validate()
        misfit = find_misfit(self.parameters, self.env_steps) or self._multiplier_misfit()
        if misfit is not None:
            raise ValueError(misfit.rule if misfit.help is None else f"{misfit.rule} {misfit.help}.")
        if not self.in_evaluation:  # RLlib derives a second config for evaluations, with settings of its own
            self._refuse_unread_settings()

    def identity(self) -> list[dict[str, Any]]:
        """What a checkpoint must share with the run that continues it, an entry a configuration."""
        seeds = list(self.seed_list)
        return [{"seeds": seeds, "update": each.update, "costs": list(limits)} for each, limits in self.members]

    def check_continues(self, identity: list[dict[str, Any]]) -> None:
        """Refuses a checkpoint of another run.

        Args:
            identity: That of the run that wrote the checkpoint.

        Raises:
            ValueError: If it is not this run's.
        """
        if identity != self.identity():
            raise ValueError(
                f"`a checkpoint continues what wrote it` must hold, but it holds {identity} and this run is "
                f"{self.identity()}."
            )

    def _multiplier_misfit(self) -> Misfit | None:
        horizon = None if self.env is None else find_task(str(self.env)).horizon
        misfits = (find_multiplier_misfit(self.parameters, each, len(limits), horizon) for each, limits in self.members)
        return next((misfit for misfit in misfits if misfit is not None), None)

    def _unread_settings(self) -> dict[str, tuple[Any, str]]:
        """Settings of RLlib's that nothing here reads: the value they must keep, and what to set instead."""
        return {
            "num_learners": (0, "the seeds share one learner"),
            "num_envs_per_env_runner": (1, "set training(num_envs=…), environments per seed"),
            "rollout_fragment_length": ("auto", "set training(steps_per_iteration=…)"),
            "seed": (None, "set seeds([…])"),
            "evaluation_interval": (None, "training episodes are what results count"),
        }

    def _refuse_unread_settings(self) -> None:
        for name, (value, instead) in self._unread_settings().items():
            if getattr(self, name) != value:
                raise ValueError(f"`{name} == {value!r}` must hold, but got {getattr(self, name)!r}: {instead}.")
        if self.env is None:
            raise ValueError("`environment(…)` must name a task, such as SafetyPointCircle1-v0, but none was given.")


def _checked_limit(name: str, limit: float) -> float:
    if isinstance(limit, str) or not 0.0 <= limit < float("inf"):
        raise ValueError(f"`0 <= cost_limit < inf` must hold, but got {name}={limit}.")
    return float(limit)

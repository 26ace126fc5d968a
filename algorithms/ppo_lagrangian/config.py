"""`PPOLagrangianConfig`: RLlib's fluent configuration with `lagrangian`, `seeds`, `budget` and `resume`."""

import operator
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self

from pydantic import TypeAdapter
from ray.rllib.algorithms.ppo import PPOConfig
from ray.rllib.core.rl_module.rl_module import RLModuleSpec
from ray.rllib.utils.annotations import override

from algorithms.env_runner import StackedEnvRunner
from algorithms.networks import StackedActorCritic
from algorithms.parameters import GradientAscent, MultiplierParameters, PPOParameters

_MULTIPLIER = TypeAdapter[MultiplierParameters](MultiplierParameters)


class PPOLagrangianConfig(PPOConfig):
    """Configuration of PPO with Lagrange multipliers for S seeds trained together.

    Of PPO's own settings, those in `PPOParameters` count; RLlib's others (KL coefficient, value clipping, …) have no
    counterpart here and `training` refuses them by name.

    Attributes:
        parameters: PPO's hyperparameters.
        multiplier_parameters: The update of the multiplier and its hyperparameters.
        cost_limits: Cost name → limit d, undiscounted cost per episode.
        seed_list: The S seeds.
        env_steps: Budget per seed, over which the policy's step size decays.
        env_path: Which environments: `auto`, `fast` or `general`.
        env_workers: Processes that step the environments of the general path; 0 for the env runner's own.
        gradient_path: `fused`, the hand-written backward pass, or `autograd`, its reference.
        resume_from: Checkpoint to continue from, or None.
    """

    def __init__(self, algo_class: Any = None):
        self.parameters = PPOParameters()
        self.multiplier_parameters: Any = GradientAscent()
        self.cost_limits: dict[str, float] = {"cost": 25.0}
        self.seed_list: tuple[int, ...] = (0,)
        self.env_steps = 10_000_000
        self.env_path: Literal["auto", "fast", "general"] = "auto"
        self.env_workers = 0
        self.gradient_path: Literal["fused", "autograd"] = "fused"
        self.resume_from: str | None = None
        from algorithms.ppo_lagrangian.algorithm import PPOLagrangian

        super().__init__(algo_class=algo_class or PPOLagrangian)
        self.framework("torch")
        self.env_runners(env_runner_cls=StackedEnvRunner, num_env_runners=0)
        self.learners(add_default_connectors_to_learner_pipeline=False)
        # Sampling and weights are synchronized by the algorithm; a lost runner fails the run instead of shrinking it.
        self.fault_tolerance(restart_failed_env_runners=False, ignore_env_runner_failures=False)
        self._dont_auto_sync_env_runner_states = True

    @override(PPOConfig)
    def training(self, **parameters: Any) -> Self:
        """Sets PPO's hyperparameters.

        Args:
            **parameters: Fields of `PPOParameters`; those left out keep their value.

        Returns:
            This config.

        Raises:
            pydantic.ValidationError: If a name is unknown or a value out of range.
        """
        self.parameters = PPOParameters.model_validate(self.parameters.model_dump() | parameters)
        return self

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

    def seeds(self, seeds: Sequence[int]) -> Self:
        """Sets the seeds that are trained together.

        Args:
            seeds: At least one, each ≥ 0 and different.

        Returns:
            This config.

        Raises:
            ValueError: If there is none, one is negative or one stands twice.
            TypeError: If one is no integer.
        """
        chosen = tuple(operator.index(seed) for seed in seeds)
        if not chosen or min(chosen) < 0 or len(set(chosen)) != len(chosen):
            raise ValueError(f"`seeds` must be different integers ≥ 0, at least one, but got {list(seeds)}.")
        self.seed_list = chosen
        return self

    def budget(self, *, env_steps: int) -> Self:
        """Sets the env steps per seed over which the policy's step size decays.

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

    def paths(
        self,
        *,
        env: Literal["auto", "fast", "general"] | None = None,
        gradient: Literal["fused", "autograd"] | None = None,
        env_workers: int | None = None,
    ) -> Self:
        """Chooses between implementations that give the same numbers.

        Args:
            env: Environments: `auto` takes the fast ones where the task has them.
            gradient: `fused` or its reference, `autograd`.
            env_workers: W ≥ 0 processes that share the environments of each env runner, 0 for the runner's own. Of the
                general path only: the fast path and analytic tasks step all environments at once, and ignore it.

        Returns:
            This config.

        Raises:
            ValueError: If `env_workers` is negative or `gradient` unknown.
        """
        if env_workers is not None and env_workers < 0:
            raise ValueError(f"`env_workers >= 0` must hold, but got env_workers={env_workers}.")
        self.env_workers = self.env_workers if env_workers is None else env_workers
        if gradient not in (None, "fused", "autograd"):
            raise ValueError(f"`gradient` must be 'fused' or 'autograd', but got {gradient!r}.")
        self.env_path, self.gradient_path = env or self.env_path, gradient or self.gradient_path
        return self

    def resume(self, path: str | None) -> Self:
        """Continues from a checkpoint folder on this machine when the algorithm is built.

        Args:
            path: What `save_to_path` wrote, or None to start anew.

        Returns:
            This config.
        """
        self.resume_from = path
        return self

    @override(PPOConfig)
    def get_default_rl_module_spec(self) -> RLModuleSpec:
        model_config = {
            "seeds": list(self.seed_list),
            "num_costs": len(self.cost_limits),
            "hidden_sizes": self.parameters.hidden_sizes,
        }
        return RLModuleSpec(module_class=StackedActorCritic, model_config=model_config)

    @override(PPOConfig)
    def get_default_learner_class(self) -> Any:
        from algorithms.ppo_lagrangian.learner import PPOLagrangianLearner

        return PPOLagrangianLearner

    @override(PPOConfig)
    def validate(self) -> None:
        """Refuses combinations that cannot run, before anything starts.

        Raises:
            ValueError: Names the settings, their values and the rule.
        """
        super().validate()
        parameters, runners = self.parameters, self.num_env_runners or 0
        if parameters.steps_per_iteration % parameters.num_envs:
            raise ValueError(
                "`steps_per_iteration % num_envs == 0` must hold, but got "
                f"steps_per_iteration={parameters.steps_per_iteration}, num_envs={parameters.num_envs}."
            )
        if parameters.minibatch_size > parameters.steps_per_iteration:
            raise ValueError(
                "`minibatch_size <= steps_per_iteration` must hold, but got "
                f"minibatch_size={parameters.minibatch_size}, steps_per_iteration={parameters.steps_per_iteration}."
            )
        if runners and parameters.num_envs % runners:
            raise ValueError(
                "`num_envs % num_env_runners == 0` must hold, so that every runner steps as many environments of each "
                f"seed, but got num_envs={parameters.num_envs}, num_env_runners={runners}."
            )
        if not self.in_evaluation:  # RLlib derives a second config for evaluations, with settings of its own
            self._refuse_unread_settings()

    def _refuse_unread_settings(self) -> None:
        """Refuses settings of RLlib's that nothing here reads, rather than ignoring them."""
        kept = {
            "num_learners": (0, "the seeds share one learner"),
            "num_envs_per_env_runner": (1, "set training(num_envs=…), environments per seed"),
            "rollout_fragment_length": ("auto", "set training(steps_per_iteration=…)"),
            "seed": (None, "set seeds([…])"),
            "evaluation_interval": (None, "training episodes are what results count"),
        }
        for name, (value, instead) in kept.items():
            if getattr(self, name) != value:
                raise ValueError(f"`{name} == {value!r}` must hold, but got {getattr(self, name)!r}: {instead}.")
        if self.env is None:
            raise ValueError("`environment(…)` must name a task, such as SafetyPointCircle1-v0, but none was given.")


def _checked_limit(name: str, limit: float) -> float:
    if isinstance(limit, str) or not 0.0 <= limit < float("inf"):
        raise ValueError(f"`0 <= cost_limit < inf` must hold, but got {name}={limit}.")
    return float(limit)

"""`PPOLagrangianConfig`: RLlib's fluent configuration with what multipliers and seeds need."""

from collections.abc import Sequence
from typing import Any, Literal, Self

from ray.rllib.algorithms.ppo import PPOConfig
from ray.rllib.core.rl_module.rl_module import RLModuleSpec
from ray.rllib.utils.annotations import override

from algorithms.env_runner import StackedEnvRunner
from algorithms.lagrangian_config import LagrangianConfig, Member
from algorithms.networks import StackedActorCritic
from algorithms.parameters import PPOParameters


class PPOLagrangianConfig(LagrangianConfig, PPOConfig):
    """Configuration of PPO with Lagrange multipliers for S seeds trained together.

    Of PPO's own settings, those in `PPOParameters` count; RLlib's others (KL coefficient, value clipping, …) have no
    counterpart here and `training` refuses them by name.

    Attributes:
        parameters: PPO's hyperparameters.
        gradient_path: `fused`, the hand-written backward pass, or `autograd`, its reference.
    """

    parameters: PPOParameters

    def __init__(self, algo_class: Any = None):
        self.parameters = PPOParameters()
        self.gradient_path: Literal["fused", "autograd"] = "fused"
        from algorithms.ppo_lagrangian.algorithm import PPOLagrangian

        super().__init__(algo_class=algo_class or PPOLagrangian)
        self.env_runners(env_runner_cls=StackedEnvRunner)

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

    @override(LagrangianConfig)
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
        super().paths(env=env, env_workers=env_workers)
        if gradient not in (None, "fused", "autograd"):
            raise ValueError(f"`gradient` must be 'fused' or 'autograd', but got {gradient!r}.")
        self.gradient_path = gradient or self.gradient_path
        return self

    def pack(self, members: Sequence[Member], resume_from: Sequence[str] = ()) -> Self:
        """Trains several configurations side by side, each with all the seeds, in one process.

        They may differ in their multiplier and in their limits; everything else is shared. What `lagrangian` sets no
        longer counts.

        Args:
            members: The configurations; none unpacks.
            resume_from: A checkpoint of each configuration to continue from, all of one iteration, or none. Each is
                what `member_savers` or an unpacked algorithm of that configuration wrote.

        Returns:
            This config.

        Raises:
            ValueError: If they limit different costs, or checkpoints are given for some of them only.
        """
        names = [list(member.cost_limits) for member in members]
        if any(other != names[0] for other in names):
            raise ValueError(f"`members of a pack limit the same costs` must hold, but got {names}.")
        if resume_from and len(resume_from) != len(members):
            message = f"got {len(resume_from)} for {len(members)} members"
            raise ValueError(f"`len(resume_from) == len(members)` must hold, but {message}.")
        self.packed, self.resume_packed = tuple(members), tuple(resume_from)
        if members:
            self.multiplier_parameters, self.cost_limits = (
                members[0].multiplier_parameters,
                dict(members[0].cost_limits),
            )
        return self

    @override(PPOConfig)
    def get_default_rl_module_spec(self) -> RLModuleSpec:
        model_config = {
            "seeds": list(self.run_seeds),
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
        if runners and parameters.num_envs % runners:
            raise ValueError(
                "`num_envs % num_env_runners == 0` must hold, so that every runner steps as many environments of each "
                f"seed, but got num_envs={parameters.num_envs}, num_env_runners={runners}."
            )

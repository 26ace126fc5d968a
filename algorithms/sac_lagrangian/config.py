"""`SACLagrangianConfig`: RLlib's fluent configuration with what multipliers and seeds need."""

from typing import Any, Self

from ray.rllib.algorithms.algorithm_config import AlgorithmConfig
from ray.rllib.core.rl_module.rl_module import RLModuleSpec
from ray.rllib.utils.annotations import override

from algorithms.lagrangian_config import LagrangianConfig
from algorithms.parameters import SACParameters
from algorithms.sac_lagrangian.env_runner import ReplayEnvRunner
from algorithms.sac_lagrangian.networks import StackedSoftActorCritic


class SACLagrangianConfig(LagrangianConfig):
    """Configuration of SAC with Lagrange multipliers for S seeds trained together.

    Attributes:
        parameters: SAC's hyperparameters.
    """

    def __init__(self, algo_class: Any = None):
        self.parameters = SACParameters()
        from algorithms.sac_lagrangian.algorithm import SACLagrangian

        super().__init__(algo_class=algo_class or SACLagrangian)
        self.env_runners(env_runner_cls=ReplayEnvRunner)

    @override(AlgorithmConfig)
    def training(self, **parameters: Any) -> Self:
        """Sets SAC's hyperparameters.

        Args:
            **parameters: Fields of `SACParameters`; those left out keep their value.

        Returns:
            This config.

        Raises:
            pydantic.ValidationError: If a name is unknown or a value out of range.
        """
        self.parameters = SACParameters.model_validate(self.parameters.model_dump() | parameters)
        return self

    @override(AlgorithmConfig)
    def get_default_rl_module_spec(self) -> RLModuleSpec:
        model_config = {
            "seeds": list(self.seed_list),
            "num_costs": len(self.cost_limits),
            "cost_critics": self.parameters.cost_critics,
            "hidden_sizes": self.parameters.hidden_sizes,
            "alpha": self.parameters.alpha,
        }
        return RLModuleSpec(module_class=StackedSoftActorCritic, model_config=model_config)

    @override(AlgorithmConfig)
    def get_default_learner_class(self) -> Any:
        from algorithms.sac_lagrangian.learner import SACLagrangianLearner

        return SACLagrangianLearner

    @override(LagrangianConfig)
    def _unread_settings(self) -> dict[str, tuple[Any, str]]:
        instead = "sampling and learning take turns in one process; paths(env_workers=…) shares slow environments"
        return super()._unread_settings() | {"num_env_runners": (0, instead)}

"""From a configuration of a study to the RLlib config that trains it."""

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from environments.tasks import Path as EnvPath
from sweeps.spec import RunSpec

if TYPE_CHECKING:
    from algorithms.lagrangian_config import LagrangianConfig


def algorithm_config(
    run: RunSpec, seeds: Sequence[int], env_path: EnvPath, *, stopped: Collection[int] = ()
) -> "LagrangianConfig":
    """Makes the config of a run's algorithm.

    Args:
        run: What to train.
        seeds: Seeds that train together.
        env_path: Which environments: `auto`, `fast` or `general`.
        stopped: Seeds that learn no more.

    Returns:
        The config; its `build_algo` builds the algorithm.
    """
    # torch and RLlib take seconds to import: only where something trains
    if run.algorithm == "sac_lagrangian":
        from algorithms.sac_lagrangian import SACLagrangianConfig

        config = SACLagrangianConfig()
    else:
        from algorithms.ppo_lagrangian import PPOLagrangianConfig

        config = PPOLagrangianConfig()
    config.environment(run.task)
    config.training(**run.parameters.model_dump())
    config.lagrangian(**run.lagrangian.model_dump(), cost_limit=run.cost_limits)
    config.paths(env=env_path)
    return config.seeds(seeds, stopped=stopped).budget(env_steps=run.env_steps)

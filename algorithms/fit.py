"""Rules that hyperparameters of an algorithm must keep together, checked by a study file and by a config alike."""

from typing import NamedTuple

from algorithms.parameters import (
    AdaptiveMultiplier,
    MultiplierParameters,
    NetworkMultiplier,
    Parameters,
    PPOParameters,
    SACParameters,
)


class Misfit(NamedTuple):
    """Two hyperparameters that do not fit.

    Attributes:
        name: The one to change.
        rule: What must hold and what came.
        help: A way out, or None where the rule says it.
    """

    name: str
    rule: str
    help: str | None = None


def find_misfit(parameters: PPOParameters | SACParameters, env_steps: int) -> Misfit | None:
    """Looks for hyperparameters that do not fit each other or the budget.

    Args:
        parameters: The algorithm's hyperparameters.
        env_steps: Budget per seed.

    Returns:
        The first misfit, or None.
    """
    found = _sac_misfit(parameters, env_steps) if isinstance(parameters, SACParameters) else _ppo_misfit(parameters)
    if found is not None or env_steps >= parameters.steps_per_iteration:
        return found
    rule = f"`env_steps >= steps_per_iteration` must hold, but got {env_steps} < {parameters.steps_per_iteration}."
    return Misfit("env_steps", rule, "raise env_steps, or take a preset with shorter iterations (desk, smoke)")


def find_multiplier_misfit(
    parameters: PPOParameters | SACParameters,
    multiplier: MultiplierParameters,
    num_costs: int,
    horizon: int | None,
) -> Misfit | None:
    """Looks for a multiplier update that the algorithm or the task cannot have.

    Args:
        parameters: The algorithm's hyperparameters.
        multiplier: The update and its hyperparameters.
        num_costs: m, the constraints.
        horizon: Steps of an episode, or None where the task sets none.

    Returns:
        The first misfit, or None.
    """
    if not isinstance(multiplier, NetworkMultiplier):
        return find_cap_misfit(multiplier)
    if isinstance(parameters, PPOParameters):
        rule = "`update: network` needs sac_lagrangian: PPO has no Q_c(s, a) under which λ(s) could weigh an action."
        return Misfit("update", rule, "docs/algorithms/sac_alam.md says why; take `algorithm: sac_lagrangian`")
    if multiplier.init >= multiplier.multiplier_max:
        rule = f"`init < multiplier_max` must hold, but got {multiplier.init} and {multiplier.multiplier_max}."
        return Misfit("init", rule)
    if num_costs > 1:
        rule = f"`update: network` has one constraint, but got {num_costs} cost limits."
        return Misfit("update", rule, "limit the task's total cost with a single number")
    if multiplier.constraint == "cost_value" and multiplier.state_limit is None and horizon is None:
        rule = "`state_limit` must be given where the task's episodes have no fixed length."
        return Misfit("state_limit", rule, "it is the discounted cost that a state may still expect")
    return None


def find_cap_misfit(multiplier: Parameters) -> Misfit | None:
    """Looks for a multiplier that starts above its cap.

    Args:
        multiplier: An update of one λ per cost and its hyperparameters.

    Returns:
        The misfit, or None.
    """
    if not isinstance(multiplier, AdaptiveMultiplier) or multiplier.multiplier_max is None:
        return None
    if multiplier.init <= multiplier.multiplier_max:
        return None
    rule = f"`init <= multiplier_max` must hold, but got {multiplier.init} and {multiplier.multiplier_max}."
    return Misfit("init", rule)


def coupled_names(parameters: type[PPOParameters] | type[SACParameters]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names that the rules speak of: those that must divide each other, and those that are only compared."""
    if parameters is SACParameters:
        return ("steps_per_iteration", "train_every", "num_envs"), ("buffer_size", "batch_size", "learning_starts")
    return ("steps_per_iteration", "num_envs"), ("minibatch_size",)


def _ppo_misfit(parameters: PPOParameters) -> Misfit | None:
    steps, rows = parameters.steps_per_iteration, parameters.minibatch_size
    if rows > steps:
        rule = f"`minibatch_size <= steps_per_iteration` must hold, but got {rows} > {steps}."
        return Misfit("minibatch_size", rule)
    return _not_a_multiple("steps_per_iteration", steps, "num_envs", parameters.num_envs)


def _sac_misfit(parameters: SACParameters, env_steps: int) -> Misfit | None:
    steps, every, kept = parameters.steps_per_iteration, parameters.train_every, parameters.buffer_size
    if parameters.batch_size > kept:
        rule = f"`batch_size <= buffer_size` must hold, but got {parameters.batch_size} > {kept}."
        return Misfit("batch_size", rule)
    if every > kept:
        rule = f"`train_every <= buffer_size` must hold, but got {every} > {kept}."
        return Misfit("train_every", rule)
    if parameters.learning_starts >= env_steps:
        rule = f"`learning_starts < env_steps` must hold, but got {parameters.learning_starts} and {env_steps}."
        return Misfit("learning_starts", rule, "otherwise every action is random and nothing is learned")
    return _not_a_multiple("train_every", every, "num_envs", parameters.num_envs) or _not_a_multiple(
        "steps_per_iteration", steps, "train_every", every
    )


def _not_a_multiple(name: str, value: int, unit_name: str, unit: int) -> Misfit | None:
    if value % unit == 0:
        return None
    rule = f"`{name}` must be a multiple of `{unit_name}`, but got {value} and {unit}."
    return Misfit(name, rule, f"the nearest multiple is {max(round(value / unit), 1) * unit}")

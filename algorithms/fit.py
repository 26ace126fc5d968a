"""Rules that hyperparameters of an algorithm must keep together, checked by a study file and by a config alike."""

from typing import NamedTuple

from algorithms.parameters import PPOParameters, SACParameters


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

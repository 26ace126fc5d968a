"""From a search to trials: the points of a grid, Optuna's distributions, and the stable key of a configuration."""

import itertools
import json
from typing import TYPE_CHECKING, Any

from sweeps.errors import SpecError
from sweeps.spec.search import AdaptiveProfile, Choices, GridSearch, OptunaSearch, Range
from sweeps.spec.study import Arm, StudySpec

if TYPE_CHECKING:  # half a second of imports that reading a study does not need
    from optuna.distributions import BaseDistribution


def known_points(arm: Arm) -> list[dict[str, Any]]:
    """Every point of an arm that is known before anything has run.

    Args:
        arm: An arm of a `StudySpec`.

    Returns:
        The parameters of each trial: of a grid all, the last name varying fastest; of Optuna those enqueued; without a
        search one trial with none.
    """
    if arm.search is None:
        return [{}]
    if isinstance(arm.search, AdaptiveProfile):
        return []
    if isinstance(arm.search, OptunaSearch):
        return [{name: point[name] for name in arm.search.space if name in point} for point in arm.search.enqueue or ()]
    axes = arm.search.axes
    return [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]


def num_trials(arm: Arm) -> int:
    """How many trials an arm has; of an adaptive profile how many at most."""
    return len(known_points(arm)) if isinstance(arm.search, GridSearch | None) else arm.search.trials


def suggests(spec: StudySpec) -> bool:
    """Whether a study's trials depend on results: an arm is searched by more than a grid, or the best run again."""
    searched = any(not isinstance(arm.search, GridSearch | None) for arm in spec.arms.values())
    return searched or spec.retest is not None


def distributions(search: OptunaSearch) -> "dict[str, BaseDistribution]":
    """Optuna's form of a space; both ends of every range are included.

    Args:
        search: The search of an arm of a `StudySpec`, where every range has the type of its name.

    Returns:
        Name → distribution, in the order of the study file.
    """
    return {name: _distribution(where) for name, where in search.space.items()}


def _distribution(where: Range | Choices) -> "BaseDistribution":
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(where, Choices):
        return CategoricalDistribution(where.choices)
    if where.type is None:
        raise SpecError("a range has no type.", help="take the search of an arm of a StudySpec, which fills it in")
    if where.type == "int":
        return IntDistribution(int(where.low), int(where.high), log=where.log, step=int(where.step or 1))
    return FloatDistribution(where.low, where.high, log=where.log, step=where.step)


def trial_key(arm: str, params: dict[str, Any]) -> str:
    """A text that two trials share exactly if they are the same configuration of a study.

    Args:
        arm: Name of the arm.
        params: Searched name → value.

    Returns:
        The arm and its parameters in canonical form, whatever their order and however a number was written.

    Examples:
        >>> trial_key("fixed", {"num_envs": 4, "multiplier": 0.50})
        'fixed:{"multiplier":0.5,"num_envs":4}'
        >>> trial_key("fixed", {"multiplier": 2.0}) == trial_key("fixed", {"multiplier": 2})
        True
    """
    plain = {name: _canonical(params[name]) for name in sorted(params)}
    return f"{arm}:{json.dumps(plain, separators=(',', ':'), allow_nan=False, ensure_ascii=False)}"


def _canonical(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value

"""The short forms of a study: `lagrangian` and `search` at the top level instead of `arms`.

They describe one arm, which bears its update's name; or, where the search is a grid over `update`, one arm for each of
the updates. A grid over updates therefore is what it would be with every arm written out: same trials, keys, plans and
reports.
"""

from typing import Any, get_args

from pydantic import TypeAdapter, ValidationError

from algorithms.parameters import MultiplierParameters, Parameters
from sweeps.errors import SpecError, suggest
from sweeps.spec.errors import error_in_value
from sweeps.spec.tune_space import axis_from_tune

UPDATE = "update"
"""The axis of a grid that is no hyperparameter of an update, but the update."""

UPDATES: dict[str, type[Parameters]] = {
    model.model_fields[UPDATE].default: model for model in get_args(get_args(MultiplierParameters)[0])
}
"""Name of each multiplier update → its hyperparameters."""

_LONGEST_NAME = 64


def with_arms(data: dict[str, Any]) -> dict[str, Any]:
    """Moves `lagrangian` and `search` of the top level into the arms that they describe.

    Args:
        data: A study as a file writes it.

    Returns:
        The study with `arms`, where it had one of the two; else as it came.

    Raises:
        SpecError: If it has `arms` too, or breaks a rule of a grid over `update`.
    """
    single = {key: data[key] for key in ("lagrangian", "search") if key in data}
    if not single:
        return data
    if "arms" in data:
        message = f"`arms` and `{next(iter(single))}` exclude each other."
        help = "move it into an arm, or drop `arms`"
        raise SpecError(message, code="out-of-range", path=(next(iter(single)),), help=help)
    rest = {key: value for key, value in data.items() if key not in single}
    search, lagrangian = single.get("search"), single.get("lagrangian")
    if isinstance(search, dict) and search.get("kind") == "grid" and UPDATE in search:
        return {**rest, "arms": _one_for_each_update(lagrangian, search)}
    update = lagrangian.get(UPDATE) if isinstance(lagrangian, dict) else getattr(lagrangian, UPDATE, None)
    return {**rest, "arms": {update if isinstance(update, str) else "arm": single}}


def _one_for_each_update(lagrangian: Any, search: dict[str, Any]) -> dict[str, Any]:
    if lagrangian is not None:
        raise SpecError(
            "`lagrangian` and a grid over `update` exclude each other.",
            code="out-of-range",
            path=("lagrangian",),
            help="drop it, and write its hyperparameters into the grid: update: [ga, {update: pid, kp: 0.5}]",
        )
    others = {name: values for name, values in search.items() if name != UPDATE}
    return arms_of_updates(axis_from_tune(search[UPDATE]), others if others.keys() != {"kind"} else None)


def arms_of_updates(updates: Any, search: Any) -> dict[str, Any]:
    """The arms that a grid over `update` stands for.

    Args:
        updates: Names of updates, or mappings with their hyperparameters.
        search: What each arm searches, or None.

    Returns:
        Name → arm, in the order given.

    Raises:
        SpecError: If an update is unknown, breaks a rule or stands twice.
    """
    arms: dict[str, Any] = {}
    for index, value in enumerate(_listed(updates)):
        try:
            checked = _checked(value)
            name = _name(checked)
            if checked in [arm["lagrangian"] for arm in arms.values()]:
                raise SpecError(f"{name!r} stands twice.", code="out-of-range", help="keep one of them")
        except SpecError as error:
            raise error.at("search", UPDATE, index, *error.path) from None
        arms[name] = {"lagrangian": checked} | ({} if search is None else {"search": search})
    return arms


def _listed(values: Any) -> list[Any]:
    if not isinstance(values, list | tuple) or not values:
        message = f"must be a list of updates, but got {values!r}."
        raise SpecError(message, code="wrong-type", path=("search", UPDATE), help=f"known are {', '.join(UPDATES)}")
    return list(values)


def _checked(value: Any) -> Parameters:
    if not isinstance(value, str | dict):
        message = f"must be an update's name or a mapping with `update`, but got {value!r}."
        raise SpecError(message, code="wrong-type", help="for example {update: pid, kp: 0.5}")
    given = {UPDATE: value} if isinstance(value, str) else value
    plain = {name: tuple(part) if isinstance(part, list) else part for name, part in given.items()}
    try:
        return TypeAdapter[Parameters](MultiplierParameters).validate_python(plain, strict=True)
    except ValidationError as error:
        wrong = error_in_value(error)
        if wrong.code == "unknown-key" and wrong.help is None:
            wrong.help = suggest(str(wrong.path[-1]), UPDATES[str(plain[UPDATE])].model_fields)
        raise wrong from None


def _name(update: Parameters) -> str:
    """Name of an update's arm: the same whatever else is in the grid, and in whatever order things were written."""
    given = [name for name in type(update).model_fields if name != UPDATE and name in update.model_fields_set]
    name = "-".join([getattr(update, UPDATE), *(f"{each}{_text(getattr(update, each))}" for each in given)])
    if len(name) > _LONGEST_NAME:
        raise SpecError(
            f"`an arm's name has at most {_LONGEST_NAME} characters` must hold, but this one would be {name!r}.",
            code="out-of-range",
            help="name it yourself: give each update an arm under `arms`",
        )
    return name


def _text(value: Any) -> str:
    """A value as part of a name."""
    if isinstance(value, tuple):
        return "x".join(map(_text, value))
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    whole = isinstance(value, float) and value.is_integer() and abs(value) < 1e15
    return str(int(value) if whole else value).replace("+", "")

"""Checks of an arm's search against the study it belongs to, and its completion: types of ranges, the paper's grid."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from algorithms.fit import coupled_names, find_cap_misfit
from environments.tasks import Task
from sweeps.errors import SpecError
from sweeps.spec.frozen import FrozenDict
from sweeps.spec.run import AlgorithmParameters, Arm, RunSpec
from sweeps.spec.search import AdaptiveProfile, Choices, GridSearch, OptunaSearch, Range, Search

_ABSENT = object()  # a conditional name that is not searched
_CAPPED = ("init", "multiplier_max")  # what `find_cap_misfit` compares


def complete_search(
    arm: Arm, task: Task, parameters: AlgorithmParameters, resolve: Callable[[dict[str, Any]], RunSpec]
) -> Search:
    """Checks every name and value of a search, and writes out what the file left to defaults.

    Args:
        arm: The arm, with a search.
        task: The study's task, whose grid the word `paper` means.
        parameters: The study's hyperparameters.
        resolve: `StudySpec.resolve` of this arm.

    Returns:
        The search with values in the types of their names.

    Raises:
        SpecError: If a name cannot be searched, or a value or combination of values is not allowed. Its path starts
            at the search.
    """
    if isinstance(arm.search, GridSearch):
        axes = {name: _axis(arm, name, values, task, parameters) for name, values in _given_axes(arm.search).items()}
        _check_cap(arm, axes, ())
        _check_combinations(axes, (), searched_together(arm.search, parameters), resolve)
        return GridSearch.model_validate({"kind": "grid", **axes})
    if isinstance(arm.search, AdaptiveProfile):
        return _adaptive(arm, arm.search, resolve)
    assert isinstance(arm.search, OptunaSearch)
    space = {name: _dimension(arm, name, where, parameters) for name, where in arm.search.space.items()}
    ends = {n: _probes(space[n], ends_suffice=True) for n in _CAPPED if n in space and not space[n].when}
    _check_cap(arm, ends, ("space",))
    compared = coupled_names(type(parameters))[1]
    together = searched_together(arm.search, parameters)
    probes: dict[str, Sequence[Any]] = {
        name: [*_probes(space[name], ends_suffice=name in compared), *([_ABSENT] if space[name].when else [])]
        for name in together
    }
    _check_combinations(probes, ("space",), together, resolve)
    enqueued = arm.search.enqueue
    if enqueued is not None:
        enqueued = tuple(_enqueued(arm, point, parameters, index) for index, point in enumerate(enqueued))
    return arm.search.model_copy(update={"space": FrozenDict(space), "enqueue": enqueued})


def searched_together(search: Search | None, parameters: AlgorithmParameters) -> list[str]:
    """Searched names that must fit each other or the budget, such as `num_envs` and `steps_per_iteration`."""
    if search is None:
        return []
    if isinstance(search, AdaptiveProfile):
        return []
    names = _given_axes(search) if isinstance(search, GridSearch) else search.space
    divisors, compared = coupled_names(type(parameters))
    return [name for name in (*divisors, *compared) if name in names]


def _adaptive(arm: Arm, search: AdaptiveProfile, resolve: Callable[[dict[str, Any]], RunSpec]) -> AdaptiveProfile:
    if arm.lagrangian.update != "fixed":
        message = f"`search: adaptive_profile` needs `update: fixed`, but got {arm.lagrangian.update}."
        raise SpecError(message, code="out-of-range", path=("kind",), help="use kind: optuna, or another arm")
    limits = resolve({}).cost_limits
    if len(limits) > 1:
        message = f"`search: adaptive_profile` needs a single constraint, but there are {', '.join(limits)}."
        raise SpecError(message, code="out-of-range", path=("kind",), help="use kind: grid")
    return search


def _enqueued(arm: Arm, point: dict[str, Any], parameters: AlgorithmParameters, index: int) -> dict[str, Any]:
    checked: dict[str, Any] = {}
    for name, value in point.items():
        try:
            checked[name] = arm.check_value(name, value, parameters)
        except SpecError as error:
            raise error.at("enqueue", index, name) from None
    return checked


def _given_axes(search: GridSearch) -> Mapping[str, Any]:
    return search.__pydantic_extra__


def _axis(arm: Arm, name: str, values: Any, task: Task, parameters: AlgorithmParameters) -> tuple[Any, ...]:
    if name not in arm.searchable(parameters):
        raise arm.not_searchable(name, parameters).at(name)
    if values == "paper":
        values = _paper_grid(name, task)
    return _check_values(arm, name, values, parameters, (name,))


def _paper_grid(name: str, task: Task) -> Sequence[float]:
    if name != "multiplier" or task.multiplier_grid is None:
        what = f"of task {task.name}" if name == "multiplier" else f"for `{name}`"
        message = f"there is no published grid {what}."
        raise SpecError(message, code="out-of-range", path=(name,), help="give a list of values")
    return task.multiplier_grid


def _check_values(
    arm: Arm, name: str, values: Sequence[Any], parameters: AlgorithmParameters, path: tuple[str, ...]
) -> tuple[Any, ...]:
    checked: list[Any] = []
    for index, value in enumerate(values):
        try:
            result = arm.check_value(name, value, parameters)
        except SpecError as error:
            raise error.at(*path, index) from None
        if result in checked:
            raise SpecError(f"{value!r} stands twice.", code="out-of-range", path=(*path, index))
        checked.append(result)
    return tuple(checked)


def _dimension(arm: Arm, name: str, where: Range | Choices, parameters: AlgorithmParameters) -> Range | Choices:
    path = ("space", name)
    if name not in arm.searchable(parameters):
        raise arm.not_searchable(name, parameters).at(*path)
    if isinstance(where, Choices):
        choices = _check_values(arm, name, where.choices, parameters, (*path, "choices"))
        return where.model_copy(update={"choices": choices})
    wanted = {float: "float", int: "int"}.get(arm.field_type(name, parameters))
    if wanted is None:
        message = f"`{name}` is no number: it is searched by choices."
        raise SpecError(message, code="wrong-type", path=path, help=f"{name}: {{choices: [...]}}")
    kind = where.type or wanted
    numbers = (where.low, where.high, where.step)
    if kind == "float" and wanted == "int":
        raise SpecError(f"`{name}` is an integer.", code="wrong-type", path=(*path, "type"), help="type: int")
    if kind == "int" and not all(isinstance(number, int | None) for number in numbers):
        message = f"an integer range must have integer ends and step, but got {where.low} … {where.high}."
        raise SpecError(message, code="wrong-type", path=path)
    for end in ("low", "high"):
        try:
            arm.check_value(name, getattr(where, end), parameters)
        except SpecError as error:
            raise error.at(*path, end) from None
    low, high, step = (number if kind == "int" or number is None else float(number) for number in numbers)
    return where.model_copy(update={"type": kind, "low": low, "high": high, "step": step})


def _probes(where: Range | Choices, *, ends_suffice: bool) -> Sequence[Any]:
    if isinstance(where, Choices):
        return where.choices
    if ends_suffice:  # only compared with <=, so the ends speak for all
        return (where.low, where.high)
    return range(int(where.low), int(where.high) + 1, int(where.step or 1))


def _check_cap(arm: Arm, values: Mapping[str, Sequence[Any]], path: tuple[str, ...]) -> None:
    names = [name for name in _CAPPED if name in values]
    for combination in itertools.product(*(values[name] for name in names)):
        point = dict(zip(names, combination, strict=True))
        misfit = find_cap_misfit(arm.lagrangian.model_copy(update=point)) if point else None
        if misfit is not None:
            raise SpecError(misfit.rule, code="out-of-range", path=(*path, names[0]), help=misfit.help)


def _check_combinations(
    values: Mapping[str, Sequence[Any]],
    path: tuple[str, ...],
    names: Sequence[str],
    resolve: Callable[[dict[str, Any]], RunSpec],
) -> None:
    if not names:
        return
    for combination in itertools.product(*(values[name] for name in names)):
        try:
            resolve({n: value for n, value in zip(names, combination, strict=True) if value is not _ABSENT})
        except SpecError as error:
            name = error.path[0] if error.path[0] in names else names[0]
            raise error.at(*path, name) from None

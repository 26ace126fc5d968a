"""A search space as a cube [0, 1]^D, for samplers that know numbers only."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from sweeps.spec.dimensions import Choices, Range, active_names

Space = Mapping[str, Range | Choices]


def to_params(space: Space, point: Sequence[float]) -> dict[str, Any]:
    """The configuration at a point of the cube.

    Args:
        space: D names, where every range has its type.
        point: `[D]`; coordinates in [0, 1], in the order of the space.

    Returns:
        Name → value, without the names whose conditions do not hold. Choices and the numbers of a stepped range get
        equal parts of their edge.
    """
    params = {name: _value(where, place) for (name, where), place in zip(space.items(), point, strict=True)}
    return {name: params[name] for name in active_names(space, params)}


def to_point(space: Mapping[str, Range], params: Mapping[str, Any]) -> list[float]:
    """The point of a configuration; of a stepped range the middle of the value's part.

    Args:
        space: Ranges without conditions.
        params: A value for every name.

    Returns:
        `[D]`; coordinates in [0, 1].
    """
    return [_place(where, params[name]) for name, where in space.items()]


def _value(where: Range | Choices, place: float) -> Any:
    if isinstance(where, Choices):
        return where.choices[_part(place, len(where.choices))]
    step = _step(where)
    if step is not None:
        return where.low + step * _part(place, _num_steps(where, step) + 1)
    if not where.log:
        return where.low + place * (where.high - where.low)
    low, high = _log_ends(where)
    value = math.exp(low + place * (high - low))
    value = round(value) if where.type == "int" else value
    return min(max(value, where.low), where.high)  # exp and log may leave the range by one rounding


def _place(where: Range, value: float) -> float:
    if where.low == where.high:
        return 0.5
    step = _step(where)
    if step is not None:
        return (round((value - where.low) / step) + 0.5) / (_num_steps(where, step) + 1)
    if not where.log:
        return (value - where.low) / (where.high - where.low)
    low, high = _log_ends(where)
    return (math.log(value) - low) / (high - low)


def _step(where: Range) -> float | None:
    if where.step is None and where.type == "int" and not where.log:
        return 1
    return where.step


def _num_steps(where: Range, step: float) -> int:
    return round((where.high - where.low) / step)


def _log_ends(where: Range) -> tuple[float, float]:
    """Every integer of a logarithmic range owns what rounds to it."""
    margin = 0.5 if where.type == "int" else 0.0
    return math.log(where.low - margin), math.log(where.high + margin)


def _part(place: float, parts: int) -> int:
    return min(int(place * parts), parts - 1)

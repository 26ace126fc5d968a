"""Where Optuna may search one hyperparameter: a range or choices, always or only beside certain other choices."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Discriminator,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    Tag,
    model_validator,
)

from sweeps.errors import SpecError, suggest
from sweeps.spec.model import SpecModel
from sweeps.spec.tune_space import dimension_from_tune

Scalar = StrictInt | StrictFloat | StrictStr | StrictBool | None


def _as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list | tuple) else (value,)


When = dict[str, Annotated[tuple[Scalar, ...], Field(min_length=1), BeforeValidator(_as_tuple)]]

_WHEN = Field(
    default=None,
    min_length=1,
    description="searched only where each of these names, searched by choices, has the value or one of the values",
)


class Range(SpecModel):
    """Numbers from `low` to `high`, both included."""

    low: Annotated[StrictInt | StrictFloat, Field(allow_inf_nan=False, description="smallest value")]
    high: Annotated[StrictInt | StrictFloat, Field(allow_inf_nan=False, description="largest value")]
    log: StrictBool = Field(default=False, description="search orders of magnitude evenly; low > 0")
    step: Annotated[StrictInt | StrictFloat, Field(gt=0, allow_inf_nan=False)] | None = Field(
        default=None, description="only low, low + step, …, high; high - low must be a multiple of it"
    )
    type: Literal["float", "int"] | None = Field(default=None, description="default: that of the hyperparameter")
    when: When | None = _WHEN

    @model_validator(mode="after")
    def _is_searchable(self) -> "Range":
        if self.low > self.high:
            raise SpecError(
                f"`low <= high` must hold, but got low={self.low}, high={self.high}.",
                code="inverted-range",
                help=f"did you mean {{low: {self.high}, high: {self.low}}}?",
            )
        if self.log and self.low <= 0:
            message = f"`low > 0` must hold with log: true, but got low={self.low}."
            raise SpecError(message, code="inverted-range", path=("low",), help="raise low, or drop log: true")
        if self.log and self.step is not None:
            message = "`step` and `log: true` exclude each other."
            raise SpecError(message, code="out-of-range", path=("step",), help="drop one of them")
        if self.step is not None and not _is_multiple(self.high - self.low, self.step):
            message = f"`high - low` must be a multiple of `step`, but got {self.low} … {self.high} by {self.step}."
            raise SpecError(message, code="out-of-range", path=("step",), help="`high` is included in a range")
        return self

    def holds(self, value: Any) -> bool:
        """Whether a value lies in the range, on a step where it has some."""
        if isinstance(value, bool) or not isinstance(value, int | float) or not self.low <= value <= self.high:
            return False
        step = 1 if self.type == "int" and self.step is None else self.step
        return step is None or _is_multiple(value - self.low, step)


class Choices(SpecModel):
    """One of several values, without an order."""

    choices: Annotated[tuple[Scalar, ...], Field(min_length=1)]
    when: When | None = _WHEN

    def holds(self, value: Any) -> bool:
        """Whether a value is one of the choices."""
        return value in self.choices


def _kind_of_dimension(data: Any) -> str:
    return "choices" if isinstance(data, Choices) or (isinstance(data, dict) and "choices" in data) else "range"


Dimension = Annotated[
    Annotated[Range, Tag("range")] | Annotated[Choices, Tag("choices")],
    Discriminator(_kind_of_dimension),
    BeforeValidator(dimension_from_tune),
]
Space = Annotated[dict[str, Dimension], Field(min_length=1, description="hyperparameter → where to search")]


def active_names(space: Mapping[str, Range | Choices], params: Mapping[str, Any]) -> list[str]:
    """Names of a configuration whose conditions it meets.

    Args:
        space: The space, each condition on a name that stands before.
        params: The configuration.

    Returns:
        The names, in the order of the space.
    """
    names: list[str] = []
    for name, where in space.items():
        if name not in params:
            continue
        conditions = where.when or {}
        if all(parent in names and params[parent] in values for parent, values in conditions.items()):
            names.append(name)
    return names


def check_conditions(space: Mapping[str, Range | Choices]) -> None:
    """Checks that every condition of a space can be met and is decided before it is asked.

    Args:
        space: The space.

    Raises:
        SpecError: If a condition names nothing that stands before it, or a value that is no choice there.
    """
    before: dict[str, Choices] = {}
    for name, where in space.items():
        for parent, values in (where.when or {}).items():
            path = ("space", name, "when", parent)
            if parent not in before:
                message = f"`{parent}` must be searched by choices and stand before `{name}`."
                help = suggest(parent, before) if before else f"{parent}: {{choices: [...]}}"
                raise SpecError(message, code="unknown-name", path=path, help=help)
            strange = [value for value in values if not before[parent].holds(value)]
            if strange:
                message = f"`{parent}` is never {strange[0]!r}; its choices are {list(before[parent].choices)}."
                raise SpecError(message, code="out-of-range", path=path)
        if isinstance(where, Choices):
            before[name] = where


def _is_multiple(length: float, step: float) -> bool:
    return abs(length / step % 1 - 0.5) >= 0.5 - 1e-9

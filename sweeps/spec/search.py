"""Search of an arm, as a study file writes it: a grid of given values, or Optuna over a space.

Which names may be searched depends on the arm and is checked in `sweeps.spec.study`: hyperparameters of its multiplier
update, those of the algorithm, and `cost_limit`.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    Tag,
    model_validator,
)

from sweeps.errors import SpecError
from sweeps.spec.frozen import FrozenDict

Scalar = StrictInt | StrictFloat | StrictStr | StrictBool | None
Value = Scalar | tuple[StrictInt, ...]
Axis = Annotated[tuple[Value, ...], Field(min_length=1)]
Trials = Annotated[int, Field(ge=1, strict=True)]


class SpecModel(BaseModel):
    """A frozen part of a study specification, its dictionaries too; unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="after")
    def _freeze(self) -> Self:
        for values in (self.__dict__, self.__pydantic_extra__ or {}):
            values |= {name: FrozenDict(value) for name, value in values.items() if type(value) is dict}
        return self


class GridSearch(SpecModel):
    """Every combination of the values given for one or several names.

    Any further key is the name of a hyperparameter and its list of values; for `multiplier` the word `paper` stands
    for the grid of the task in Spoor et al. 2025, Table A.2.
    """

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Axis | Literal["paper"]]  # pyright: ignore[reportIncompatibleVariableOverride]

    kind: Literal["grid"] = "grid"

    @property
    def axes(self) -> dict[str, tuple[Value, ...]]:
        """Name → values, in the order of the file; the last one varies fastest."""
        return {name: values for name, values in self.__pydantic_extra__.items() if values != "paper"}

    @model_validator(mode="after")
    def _has_an_axis(self) -> "GridSearch":
        if not self.__pydantic_extra__:
            raise SpecError(
                "a grid must have at least one list of values.",
                code="empty-grid",
                help="for example multiplier: [0, 1]",
            )
        return self


class Range(SpecModel):
    """Numbers from `low` to `high`, both included."""

    low: Annotated[StrictInt | StrictFloat, Field(allow_inf_nan=False, description="smallest value")]
    high: Annotated[StrictInt | StrictFloat, Field(allow_inf_nan=False, description="largest value")]
    log: StrictBool = Field(default=False, description="search orders of magnitude evenly; low > 0")
    step: Annotated[StrictInt | StrictFloat, Field(gt=0, allow_inf_nan=False)] | None = Field(
        default=None, description="only low, low + step, …, high; high - low must be a multiple of it"
    )
    type: Literal["float", "int"] | None = Field(default=None, description="default: that of the hyperparameter")

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
        if self.step is not None and abs((self.high - self.low) / self.step % 1 - 0.5) < 0.5 - 1e-9:
            message = f"`high - low` must be a multiple of `step`, but got {self.low} … {self.high} by {self.step}."
            raise SpecError(message, code="out-of-range", path=("step",), help="`high` is included in a range")
        return self


class Choices(SpecModel):
    """One of several values, without an order."""

    choices: Annotated[tuple[Scalar, ...], Field(min_length=1)]


def _kind_of_dimension(data: Any) -> str:
    return "choices" if isinstance(data, Choices) or (isinstance(data, dict) and "choices" in data) else "range"


Dimension = Annotated[
    Annotated[Range, Tag("range")] | Annotated[Choices, Tag("choices")], Discriminator(_kind_of_dimension)
]


class OptunaSearch(SpecModel):
    """Optuna suggests each trial from the results of those before; every cost must be within its limit."""

    kind: Literal["optuna"] = "optuna"
    sampler: Literal["tpe"] = Field(
        default="tpe", description="tpe: tree-structured Parzen estimator, Optuna's default"
    )
    trials: Trials = Field(description="trials to run in this arm")
    objectives: Annotated[dict[Literal["return", "cost"], Literal["maximize", "minimize"]], Field(min_length=1)] = {
        "return": "maximize"
    }
    space: Annotated[dict[str, Dimension], Field(min_length=1, description="hyperparameter → where to search")]

    @model_validator(mode="after")
    def _has_sensible_directions(self) -> "OptunaSearch":
        wanted = {"return": "maximize", "cost": "minimize"}
        for name, direction in self.objectives.items():
            if direction != wanted[name]:
                message = f"`{name}: {wanted[name]}` must hold, but got {direction}."
                raise SpecError(message, code="out-of-range", path=("objectives", name))
        return self


Search = Annotated[GridSearch | OptunaSearch, Field(discriminator="kind")]

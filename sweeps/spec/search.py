"""Search of an arm, as a study file writes it: a grid of given values, Optuna over a space, or an adaptive λ-profile.

Which names may be searched depends on the arm and is checked in `sweeps.spec.study`: hyperparameters of its multiplier
update, those of the algorithm, and `cost_limit`.
"""

from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, StrictInt, model_validator

from sweeps.errors import SpecError
from sweeps.spec.dimensions import Choices, Range, Scalar, Space, active_names, check_conditions
from sweeps.spec.model import SpecModel
from sweeps.spec.objectives import DIRECTIONS, Direction, Objective
from sweeps.spec.tune_space import axis_from_tune

__all__ = ["AdaptiveProfile", "Choices", "GridSearch", "OptunaSearch", "Range", "Search", "SpecModel"]

Value = Scalar | tuple[StrictInt, ...]
Axis = Annotated[tuple[Value, ...], Field(min_length=1)]
Trials = Annotated[int, Field(ge=1, strict=True)]


class GridSearch(SpecModel):
    """Every combination of the values given for one or several names.

    Any further key is the name of a hyperparameter and its list of values; for `multiplier` the word `paper` stands
    for the grid of the task in Spoor et al. 2025, Table A.2.
    """

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Axis | Literal["paper"]]  # pyright: ignore[reportIncompatibleVariableOverride]

    kind: Literal["grid"] = "grid"

    @model_validator(mode="before")
    @classmethod
    def _from_tune(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        converted: dict[str, Any] = {}
        for name, values in data.items():
            try:
                converted[name] = axis_from_tune(values)
            except SpecError as error:
                raise error.at(name) from None
        return converted

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


Sampler = Literal["tpe", "gp", "nsga2", "nsga3", "cmaes", "qmc", "random"]

_POPULATIONS = ("nsga2", "nsga3", "cmaes")


class OptunaSearch(SpecModel):
    """Optuna suggests each trial from the results of those before; every cost must be within its limit."""

    kind: Literal["optuna"] = "optuna"
    sampler: Sampler = Field(
        default="tpe",
        description="tpe: tree-structured Parzen estimator; gp: Gaussian process; nsga2, nsga3: genetic, for several "
        "objectives; cmaes: covariance matrix adaptation, numbers only; qmc: Sobol points; random",
    )
    trials: Trials = Field(description="trials to run in this arm")
    objectives: Annotated[dict[Objective, Direction], Field(min_length=1)] = Field(
        default={"return": "maximize"}, description="what to optimize: objective → its direction"
    )
    space: Space
    enqueue: Annotated[tuple[dict[str, Scalar], ...], Field(min_length=1)] | None = Field(
        default=None, description="configurations to run first, each name of the space given"
    )
    population: Annotated[int, Field(ge=2, strict=True)] | None = Field(
        default=None, description="trials of a generation of nsga2, nsga3 or cmaes; default: a fifth of all, 4 to 50"
    )

    @property
    def generation(self) -> int:
        """Trials of a generation."""
        return self.population or min(max(self.trials // 5, 4), 50)

    @model_validator(mode="after")
    def _has_sensible_directions(self) -> "OptunaSearch":
        for name, direction in self.objectives.items():
            if direction != DIRECTIONS[name]:
                message = f"`{name}: {DIRECTIONS[name]}` must hold, but got {direction}."
                raise SpecError(message, code="out-of-range", path=("objectives", name))
        return self

    @model_validator(mode="after")
    def _suits_its_sampler(self) -> "OptunaSearch":
        check_conditions(self.space)
        if self.population is not None and self.sampler not in _POPULATIONS:
            message = f"`population` needs a sampler among {', '.join(_POPULATIONS)}, but got {self.sampler}."
            raise SpecError(message, code="out-of-range", path=("population",), help="drop it")
        if self.sampler == "cmaes":
            self._suits_cmaes()
        return self

    def _suits_cmaes(self) -> None:
        if len(self.objectives) > 1:
            message = f"`sampler: cmaes` takes one objective, but got {', '.join(self.objectives)}."
            raise SpecError(message, code="out-of-range", path=("objectives",), help="use nsga2, tpe or gp")
        for name, where in self.space.items():
            if isinstance(where, Choices) or where.when is not None:
                message = f"`sampler: cmaes` searches unconditional ranges, but `{name}` is none."
                raise SpecError(message, code="out-of-range", path=("space", name), help="use tpe, or nsga2")

    @model_validator(mode="after")
    def _fits_what_is_enqueued(self) -> "OptunaSearch":
        points = self.enqueue or ()
        if len(points) > self.trials:
            message = f"`trials` must count those of `enqueue`, but got {self.trials} < {len(points)}."
            raise SpecError(message, code="out-of-range", path=("trials",))
        for index, point in enumerate(points):
            self._check_point(point, ("enqueue", index))
        return self

    def _check_point(self, point: dict[str, Any], path: tuple[str | int, ...]) -> None:
        wanted = active_names(self.space, {**dict.fromkeys(self.space), **point})
        if set(point) != set(wanted):
            message = f"an enqueued configuration must give exactly {_listed(wanted)}, but gives {_listed(point)}."
            raise SpecError(message, code="out-of-range", path=path)
        for name, value in point.items():
            if not self.space[name].holds(value):
                message = f"`{name}` must lie in its space, but got {value!r}."
                raise SpecError(message, code="out-of-range", path=(*path, name), help="widen the space, or drop it")


class Multipliers(SpecModel):
    """Multipliers from `low` to `high`, both included."""

    low: Annotated[float, Field(ge=0.0, allow_inf_nan=False)] = 0.0
    high: Annotated[float, Field(gt=0.0, allow_inf_nan=False)]

    @model_validator(mode="after")
    def _is_a_range(self) -> "Multipliers":
        if self.low >= self.high:
            message = f"`low < high` must hold, but got low={self.low}, high={self.high}."
            raise SpecError(message, code="inverted-range")
        return self


class AdaptiveProfile(SpecModel):
    """A λ-profile that chooses its multipliers: where the cost crosses its limit, and where the front has gaps."""

    kind: Literal["adaptive_profile"] = "adaptive_profile"
    multiplier: Multipliers = Field(description="where λ* is looked for; both ends are trained")
    trials: Annotated[int, Field(ge=4, strict=True)] = Field(default=8, description="multipliers to train, at most")
    tolerance: Annotated[float, Field(gt=0.0, allow_inf_nan=False)] = Field(
        default=0.05, description="λ* is precise enough once its 95 % interval lies within ± this share of it"
    )
    gap: Annotated[float, Field(gt=0.0, allow_inf_nan=False)] = Field(
        default=0.35, description="widest step between neighbors on the front, as a share of its extent"
    )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "nothing"


Search = Annotated[GridSearch | OptunaSearch | AdaptiveProfile, Field(discriminator="kind")]

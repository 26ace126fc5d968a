"""One arm of a study and one configuration of it; which names a search may vary, and what values they take."""

from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import Field, StrictInt, TypeAdapter, ValidationError, model_validator

from algorithms.fit import find_misfit, find_multiplier_misfit
from algorithms.parameters import MultiplierParameters, PPOParameters, SACParameters
from environments.tasks import find_task
from sweeps.errors import SpecError, suggest
from sweeps.spec.errors import error_in_value
from sweeps.spec.model import SpecModel
from sweeps.spec.search import Search
from sweeps.spec.single_arm import UPDATE

CostLimit = Annotated[float, Field(ge=0.0, allow_inf_nan=False, description="undiscounted cost per episode")]
Count = Annotated[StrictInt, Field(ge=1)]

AlgorithmName = Literal["ppo_lagrangian", "sac_lagrangian"]
AlgorithmParameters = PPOParameters | SACParameters

COST_LIMIT = "cost_limit"
"""The one searchable name that is no hyperparameter."""


class RunSpec(SpecModel):
    """One configuration, complete: what the algorithm is built from.

    Attributes:
        task: A name that `environments.tasks.find_task` knows.
        algorithm: The algorithm.
        cost_limits: Cost name → limit, undiscounted cost per episode.
        env_steps: Budget per seed.
        lagrangian: The multiplier update and its hyperparameters.
        parameters: The algorithm's hyperparameters.
    """

    task: str
    algorithm: AlgorithmName
    cost_limits: dict[str, CostLimit]
    env_steps: Count
    lagrangian: MultiplierParameters
    parameters: AlgorithmParameters

    @model_validator(mode="after")
    def _fits_together(self) -> "RunSpec":
        if isinstance(self.parameters, SACParameters) != (self.algorithm == "sac_lagrangian"):
            raise SpecError(
                f"`parameters` must be those of {self.algorithm}, but got {type(self.parameters).__name__}.",
                code="wrong-type",
                path=("parameters",),
            )
        misfit = find_misfit(self.parameters, self.env_steps)
        if misfit is not None:
            raise SpecError(misfit.rule, code="out-of-range", path=(misfit.name,), help=misfit.help)
        horizon = find_task(self.task).horizon
        misfit = find_multiplier_misfit(self.parameters, self.lagrangian, len(self.cost_limits), horizon)
        if misfit is not None:
            raise SpecError(misfit.rule, code="out-of-range", path=("lagrangian", misfit.name), help=misfit.help)
        return self


class Arm(SpecModel):
    """One multiplier update of a study, and how its hyperparameters are searched; without a search it is one trial."""

    lagrangian: MultiplierParameters
    search: Search | None = None

    def searchable(self, parameters: AlgorithmParameters) -> set[str]:
        """Names that a search of this arm may vary; the update itself is what makes the arm.

        Args:
            parameters: Hyperparameters of the study's algorithm.
        """
        return {*type(self.lagrangian).model_fields, *type(parameters).model_fields, COST_LIMIT} - {UPDATE}

    def not_searchable(self, name: str, parameters: AlgorithmParameters) -> SpecError:
        """The error for a name that a search of this arm cannot vary."""
        if name == UPDATE:
            message = "`update` is an axis only of a grid at the top level of a study, beside no `lagrangian`."
            return SpecError(message, code="out-of-range", help="here give each update an arm of its own")
        message = f"update `{self.lagrangian.update}` has no `{name}` to search."
        return SpecError(message, code="unknown-key", help=suggest(name, self.searchable(parameters)))

    def field_type(self, name: str, parameters: AlgorithmParameters) -> Any:
        """The type of a searchable name, without its range."""
        if name == COST_LIMIT:
            return float
        annotation = {**type(parameters).model_fields, **type(self.lagrangian).model_fields}[name].annotation
        kinds = [kind for kind in get_args(annotation) if kind is not NoneType]
        if NoneType in get_args(annotation) and len(kinds) == 1:  # a range searches what may also be null
            annotation = kinds[0]
        return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation

    def check_value(self, name: str, value: Any, parameters: AlgorithmParameters) -> Any:
        """Checks a value against the rules of its name.

        Args:
            name: A searchable name.
            value: What it shall be.
            parameters: The study's hyperparameters, beside which it shall stand.

        Returns:
            The value in the type of its name: 1 becomes 1.0 for a float.

        Raises:
            SpecError: If the name cannot be searched in this arm or the value breaks a rule.
        """
        if name not in self.searchable(parameters):
            raise self.not_searchable(name, parameters)
        try:
            if name == COST_LIMIT:
                return TypeAdapter(CostLimit).validate_python(value, strict=True)
            owner = self.lagrangian if name in type(self.lagrangian).model_fields else parameters
            return getattr(type(owner).model_validate({**owner.model_dump(), name: value}, strict=True), name)
        except ValidationError as error:
            raise error_in_value(error) from None

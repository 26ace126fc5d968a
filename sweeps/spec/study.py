"""What a study is, as frozen data: everything that decides its outcome, and nothing about where it runs.

`StudySpec` is the study, `Arm` one multiplier update with its search, `RunSpec` one configuration of an arm with every
value filled in: what a trial trains.
"""

import functools
import hashlib
import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, StrictInt, ValidationError, ValidationInfo, field_validator, model_validator
from ruamel.yaml import YAML

from environments.tasks import UnknownTaskError, find_task
from sweeps.errors import SpecError, suggest
from sweeps.spec.checks import complete_search, searched_together
from sweeps.spec.errors import error_in_file, error_in_value
from sweeps.spec.frozen import FrozenDict
from sweeps.spec.limits import Budget, Retest, Stopping
from sweeps.spec.model import SpecModel
from sweeps.spec.objectives import Aggregate, CostBound, Direction, Objective
from sweeps.spec.pack import check_pack
from sweeps.spec.presets import HYPERPARAMETERS, Hyperparameters, of_algorithm
from sweeps.spec.run import COST_LIMIT, AlgorithmName, Arm, CostLimit, Count, RunSpec
from sweeps.spec.scales import scaled
from sweeps.spec.search import OptunaSearch
from sweeps.spec.single_arm import with_arms
from sweeps.spec.stopping import check_stopping
from sweeps.spec.yaml_file import YamlFile, parse_yaml, read_yaml

__all__ = ["Arm", "RunSpec", "StudySpec"]

Name = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$",
        description="letters, digits, `.`, `_` and `-`, at most 64; it names folders and MLflow experiments",
    ),
]
Seed = Annotated[StrictInt, Field(ge=0, lt=2**31)]


class StudySpec(SpecModel):
    """A study: everything that decides its outcome, and nothing about where it runs.

    With a single arm `lagrangian` and `search` may be given instead of `arms`; the arm then bears its update's name. A
    grid over `update` may be given so too, without `lagrangian`: it becomes one arm an update. Whatever is left out is
    filled in, so that a written specification is complete.
    """

    name: Name
    task: str = Field(description="a task's name, such as Circle1, or a Gymnasium id that reports a cost")
    algorithm: AlgorithmName = "ppo_lagrangian"
    cost_limit: CostLimit | Annotated[dict[str, CostLimit], Field(min_length=1)] = Field(
        description="undiscounted cost per episode; {name: limit, …} for several constraints"
    )
    env_steps: Count = Field(description="budget per seed")
    seeds: Count | Annotated[tuple[Seed, ...], Field(min_length=1)] = Field(description="n for 0 … n-1, or a list")
    hyperparameters: Hyperparameters = Field(
        default_factory=lambda data: HYPERPARAMETERS[data.get("algorithm", "ppo_lagrangian")].model_validate({})
    )
    arms: Annotated[dict[Name, Arm], Field(min_length=1)] = Field(description="name → update and search")
    study_seed: Seed = Field(default=0, description="seed of the search")
    aggregate: Aggregate = Field(default="mean", description="over seeds, of objectives and constrained costs")
    cost_bound: CostBound = Field(
        default="mean", description="end of the cost's 95 % interval over seeds that must be within its limit"
    )
    stopping: Stopping | None = Field(default=None, description="when trials and seeds are stopped early")
    budget: Budget | None = Field(default=None, description="when the study ends")
    retest: Retest | None = Field(default=None, description="run the best trials again on fresh seeds")
    pack: Annotated[StrictInt, Field(ge=2)] | None = Field(
        default=None, description="trials that train in one process, where they differ in their multiplier only"
    )

    @classmethod
    def from_yaml(cls, path: Path | str, scale: str | None = None) -> "StudySpec":
        """Reads and checks a study file.

        Args:
            path: The file.
            scale: One of its `scales`, or None: as it stands.

        Returns:
            The study, complete.

        Raises:
            SpecError: If the file cannot be read or breaks a rule; names file, line and column.
        """
        return cls.from_file(scaled(read_yaml(path), scale))

    @classmethod
    def from_text(cls, text: str, name: str = "study") -> "StudySpec":
        """Reads and checks the text of a study file.

        Args:
            text: What the file holds.
            name: What errors call it.

        Returns:
            The study, complete.

        Raises:
            SpecError: If the text breaks a rule; names line and column.
        """
        return cls.from_file(scaled(parse_yaml(text, name), None))

    @classmethod
    def from_file(cls, file: YamlFile) -> "StudySpec":
        """Checks a parsed study file at one scale.

        Raises:
            SpecError: If it breaks a rule; names line and column.
        """
        try:
            return cls.model_validate(file.data, strict=True)
        except ValidationError as error:
            raise error_in_file(error, file, cls | Arm) from None

    def renamed(self, name: str) -> "StudySpec":
        """The same study under another name.

        Args:
            name: The name.

        Returns:
            A copy.

        Raises:
            SpecError: If the name has other characters than letters, digits, `.`, `_` and `-`.
        """
        try:
            return StudySpec.model_validate({**self.model_dump(), "name": name})
        except ValidationError as error:
            raise error_in_value(error) from None

    def to_yaml(self) -> str:
        """The complete study as a file that `from_yaml` reads back to an equal one."""
        writer = YAML(typ="safe", pure=True)
        writer.default_flow_style = None
        writer.width = 4096  # no line is broken
        writer.sort_base_mapping_type_on_output = False  # pyright: ignore[reportAttributeAccessIssue]
        stream = io.StringIO()
        writer.dump(self.model_dump(mode="json", exclude_none=True), stream)
        return stream.getvalue()

    @property
    def sha256(self) -> str:
        """Hash of the complete study: files that mean the same, in the same order of arms and names, share it."""
        return hashlib.sha256(self.model_dump_json(exclude_none=True).encode()).hexdigest()

    @property
    def seed_list(self) -> tuple[int, ...]:
        """The seeds, each once."""
        return tuple(range(self.seeds)) if isinstance(self.seeds, int) else self.seeds

    @property
    def objectives(self) -> dict[Objective, Direction]:
        """What its best trials are best in: the objectives that all its Optuna searches share, else the return."""
        searches = [arm.search for arm in self.arms.values() if isinstance(arm.search, OptunaSearch)]
        shared = bool(searches) and all(search.objectives == searches[0].objectives for search in searches)
        return dict(searches[0].objectives) if shared else {"return": "maximize"}

    @property
    def cost_limits(self) -> dict[str, float]:
        """Cost name → limit; a single limit is that of the task's total cost."""
        return dict(self.cost_limit) if isinstance(self.cost_limit, dict) else {"cost": self.cost_limit}

    def resolve(self, arm: str, params: dict[str, Any]) -> RunSpec:
        """Fills the searched values into an arm.

        Args:
            arm: Name of the arm.
            params: Searched name → value.

        Returns:
            The complete configuration.

        Raises:
            SpecError: If the arm or a name is unknown, or a value breaks a rule.
        """
        if arm not in self.arms:
            raise SpecError(f"unknown arm {arm!r}.", code="unknown-name", help=suggest(arm, self.arms))
        parameters, lagrangian = self.hyperparameters.to_parameters(), self.arms[arm].lagrangian
        values = {name: self.arms[arm].check_value(name, value, parameters) for name, value in params.items()}
        ours = {name: value for name, value in values.items() if name in type(lagrangian).model_fields}
        theirs = {name: value for name, value in values.items() if name in type(parameters).model_fields}
        limits = self.limits_of(values)
        try:
            return RunSpec(
                task=self.task,
                algorithm=self.algorithm,
                cost_limits=limits,
                env_steps=self.env_steps,
                lagrangian=lagrangian.model_copy(update=ours),
                parameters=parameters.model_copy(update=theirs),
            )
        except ValidationError as error:
            raise error_in_value(error) from None

    def limits_of(self, params: Mapping[str, Any]) -> dict[str, float]:
        """The cost limits of a trial.

        Args:
            params: Its searched names and values, checked.

        Returns:
            Cost name → limit: the study's, or the one that is searched.
        """
        return {self._only_cost(): params[COST_LIMIT]} if COST_LIMIT in params else self.cost_limits

    def _only_cost(self) -> str:
        if len(self.cost_limits) > 1:
            message = f"`cost_limit` can be searched with one constraint only, but there are {list(self.cost_limits)}."
            raise SpecError(message, code="out-of-range", path=(COST_LIMIT,))
        return next(iter(self.cost_limits))

    @model_validator(mode="before")
    @classmethod
    def _accept_a_short_form(cls, data: Any) -> Any:
        return with_arms(data) if isinstance(data, dict) else data

    @field_validator("hyperparameters", mode="before")
    @classmethod
    def _are_of_the_algorithm(cls, data: Any, info: ValidationInfo) -> Any:
        return of_algorithm(info.data.get("algorithm", "ppo_lagrangian"), data)

    @field_validator("task")
    @classmethod
    def _is_known(cls, task: str) -> str:
        try:
            find_task(task)
        except UnknownTaskError as error:
            raise SpecError(str(error), code="unknown-name") from None
        return task

    @field_validator("seeds")
    @classmethod
    def _are_distinct(cls, seeds: int | tuple[int, ...]) -> int | tuple[int, ...]:
        if isinstance(seeds, tuple):
            twice = [index for index, seed in enumerate(seeds) if seed in seeds[:index]]
            if twice:
                message = f"seed {seeds[twice[0]]} stands twice."
                raise SpecError(message, code="out-of-range", path=(twice[0],), help="a seed is one run")
        return seeds

    @model_validator(mode="after")
    def _can_stop(self) -> "StudySpec":
        if self.stopping is not None:
            check_stopping(self.stopping, self.algorithm, self.arms, self.pack)
        return self

    @model_validator(mode="after")
    def _complete_arms(self) -> "StudySpec":
        arms = {name: self._complete_arm(name, arm) for name, arm in self.arms.items()}
        object.__setattr__(self, "arms", FrozenDict(arms))
        return self

    @model_validator(mode="after")
    def _can_pack(self) -> "StudySpec":
        if self.pack is not None:
            check_pack(self.algorithm, self.arms, self.hyperparameters.to_parameters(), self.budget)
        return self

    def _complete_arm(self, name: str, arm: Arm) -> Arm:
        resolve = functools.partial(self.resolve, name)
        parameters = self.hyperparameters.to_parameters()
        if not searched_together(arm.search, parameters):
            self._check_together(name, resolve)
        if arm.search is None:
            return arm
        try:
            search = complete_search(arm, find_task(self.task), parameters, resolve)
        except SpecError as error:
            raise error.at("arms", name, "search", *error.path) from None
        return arm.model_copy(update={"search": search})

    def _check_together(self, name: str, resolve: Callable[[dict[str, Any]], RunSpec]) -> None:
        try:
            resolve({})
        except SpecError as error:
            if error.path[:1] == ("lagrangian",):
                raise error.at("arms", name, *error.path) from None
            place = ("env_steps",) if error.path == ("env_steps",) else ("hyperparameters", *error.path)
            raise error.at(*place) from None

"""The base of every part of a study specification."""

from typing import Self

from pydantic import BaseModel, ConfigDict, model_validator

from sweeps.spec.frozen import FrozenDict


class SpecModel(BaseModel):
    """A frozen part of a study specification, its dictionaries too; unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="after")
    def _freeze(self) -> Self:
        for values in (self.__dict__, self.__pydantic_extra__ or {}):
            values |= {name: FrozenDict(value) for name, value in values.items() if type(value) is dict}
        return self

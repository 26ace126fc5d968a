"""When a study stops a trial, ends, and runs its best again."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StrictInt, model_validator

from sweeps.errors import SpecError
from sweeps.spec.model import SpecModel

RETEST_SEEDS = 1_000_000
"""The first seed of a retest: far from those of a study, which may still grow."""

Share = Annotated[float, Field(gt=0.0, lt=1.0)]

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def duration_s(text: str) -> float:
    """Seconds of a duration such as `90m`, `12h` or `1.5d`.

    Raises:
        SpecError: If the text is no positive number with a unit s, m, h or d.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhd])", text.strip())
    if match is None or float(match[1]) <= 0.0:
        message = f"a duration must be a positive number and s, m, h or d, but got {text!r}."
        raise SpecError(message, code="out-of-range", help="for example 12h")
    return float(match[1]) * _UNITS[match[2]]


def _checked(text: str) -> str:
    duration_s(text)
    return text


class Stopping(SpecModel):
    """Ends trials and seeds that cannot become the best, with feasibility in mind; what it ends is PRUNED."""

    rule: Literal["asha", "median"] = Field(
        description="asha: fewer trials on every rung; median: those below the median of the feasible ones"
    )
    start: Share = Field(default=0.2, description="share of env_steps before which nothing is stopped")
    late: Share = Field(default=0.7, description="share of env_steps from which a cost above its limit stops")
    reduction: Annotated[StrictInt, Field(ge=2)] = Field(
        default=3, description="asha: rungs grow by this factor, and one of so many feasible trials passes"
    )
    min_trials: Annotated[StrictInt, Field(ge=2)] = Field(
        default=4, description="feasible trials on a rung before returns are compared"
    )
    seeds: bool = Field(default=False, description="whether from `late` on a seed may be stopped while others go on")

    @property
    def rungs(self) -> tuple[float, ...]:
        """Shares of the budget at which trials are compared, rising."""
        if self.rule == "asha":
            shares = [self.start]
            while shares[-1] * self.reduction < 1.0:
                shares.append(shares[-1] * self.reduction)
        else:
            shares = [self.start + step * (1.0 - self.start) / 8.0 for step in range(8)]
        return tuple(sorted({*(round(share, 6) for share in shares), self.late}))


class Budget(SpecModel):
    """Ends the study; what runs then ends after its iteration, with a checkpoint, and waits for a larger budget."""

    env_steps: Annotated[StrictInt, Field(ge=1)] | None = Field(default=None, description="of all trials and seeds")
    trials: Annotated[StrictInt, Field(ge=1)] | None = Field(default=None, description="trials that may start")
    wall_time: Annotated[str, AfterValidator(_checked)] | None = Field(
        default=None, description="time in which something ran, such as 12h"
    )
    gpu_hours: Annotated[float, Field(gt=0.0)] | None = Field(default=None, description="GPUs of a trial × its hours")

    @model_validator(mode="after")
    def _limits_something(self) -> "Budget":
        if not self.model_dump(exclude_none=True):
            known = ", ".join(type(self).model_fields)
            raise SpecError(f"`budget` must limit something: {known}.", code="out-of-range", help="or drop it")
        return self


class Retest(SpecModel):
    """Runs the best trials again on fresh seeds: the maximum of noisy results is too good."""

    top: Annotated[StrictInt, Field(ge=1)] = Field(default=5, description="feasible trials to run again, best first")
    seeds: Annotated[StrictInt, Field(ge=1)] = Field(default=10, description="fresh seeds of each")

    @property
    def seed_list(self) -> tuple[int, ...]:
        """The fresh seeds."""
        return tuple(range(RETEST_SEEDS, RETEST_SEEDS + self.seeds))

"""What a study optimizes: the objectives by name, how they are aggregated over seeds, and when a cost is within limit.

The names stand here, without numpy; `sweeps.analysis.objectives` computes them.
"""

from typing import Annotated, Literal

from pydantic import Field

from sweeps.spec.model import SpecModel

Objective = Literal[
    "return",
    "cost",
    "violation_rate",
    "violation_magnitude",
    "oscillation",
    "best_feasible_return",
    "time_to_feasible",
    "feasible_return_area",
]
Direction = Literal["maximize", "minimize"]

DIRECTIONS: dict[Objective, Direction] = {
    "return": "maximize",
    "cost": "minimize",
    "violation_rate": "minimize",
    "violation_magnitude": "minimize",
    "oscillation": "minimize",
    "best_feasible_return": "maximize",
    "time_to_feasible": "minimize",
    "feasible_return_area": "maximize",
}
"""Every objective and the only direction that makes sense of it."""


class Quantile(SpecModel):
    """The value that a share of the seeds falls short of: 0 is the worst seed, 0.5 the median, 1 the best."""

    quantile: Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]


Aggregate = Literal["mean", "iqm", "worst"] | Quantile
"""How one number a seed becomes one number a trial."""

CostBound = Literal["mean", "lower", "upper"]
"""Which end of the aggregated cost's 95 % interval must be within the limit; `mean` is the aggregate itself."""

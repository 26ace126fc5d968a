"""What a driver writes down of a seed run while it trains."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class SeedProgress:
    """How far a seed run is.

    Attributes:
        seed: The seed.
        env_steps: Env steps done.
        iterations: Iterations done.
        multiplier: Last multiplier of each cost, by name.
        mean_return: Mean return of the last 5 % of iterations, or None where it is not known yet.
        mean_cost: The same of each cost, by name.
        measures: Measures of the whole run, once it has ended (`SeedRun.measures`).
    """

    seed: int
    env_steps: int
    iterations: int
    multiplier: Mapping[str, float]
    mean_return: float | None = None
    mean_cost: Mapping[str, float] | None = None
    measures: Mapping[str, float] | None = None

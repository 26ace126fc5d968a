"""What the parts of a sweep hand each other: trials, seed runs, executions and result rows, as plain data."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

DRIVER_LOST = "driver lost"
WORKER_LOST = "worker lost"
NODE_LOST = "node lost"
"""How the failure of an execution begins that was killed: with its driver, alone, or with the machine under it."""


class State(StrEnum):
    """State of a trial, a seed run or an execution; Optuna's words."""

    WAITING = "WAITING"
    RUNNING = "RUNNING"
    COMPLETE = "COMPLETE"
    PRUNED = "PRUNED"
    FAIL = "FAIL"

    @property
    def is_finished(self) -> bool:
        """Whether nothing more will run without an explicit `retry` or `extend`."""
        return self in {State.COMPLETE, State.PRUNED, State.FAIL}


@dataclass(frozen=True)
class Interval:
    """A mean over seeds with a 95 % interval.

    Attributes:
        mean: Mean over seeds.
        low: Lower end; equal to `mean` with one seed.
        high: Upper end; equal to `mean` with one seed.
        num_seeds: Seeds behind it.
    """

    mean: float
    low: float
    high: float
    num_seeds: int


@dataclass(frozen=True)
class SeedRun:
    """One seed of a trial.

    Attributes:
        seed: Its seed.
        state: Where it stands.
        env_steps: Env steps done.
        iterations: Iterations done.
        mean_return: Mean undiscounted return per episode over the last 5 % of iterations, or None before.
        mean_cost: The same of each cost, by name.
        multiplier: Last multiplier of each cost, by name.
        failure: First line of what went wrong, or why it was stopped; None otherwise.
        cohort: 0 for the seeds that the study began with, 1, 2, … for those that `extend` added: seeds of one cohort
            train together and share their checkpoints.
        measures: Measures of the whole run by name, once it is finished: objectives (`sweeps.analysis.objectives`) and
            how multipliers moved (`multiplier/at_zero`, …; `sweeps.analysis.multipliers`).
        rungs: Where it stood at each rung it has passed, where the study stops trials (`sweeps.running.rungs`): the
            rung's share of the budget as text → `return` and each cost by name.
    """

    seed: int
    state: State
    env_steps: int = 0
    iterations: int = 0
    mean_return: float | None = None
    mean_cost: dict[str, float] | None = None
    multiplier: dict[str, float] | None = None
    failure: str | None = None
    cohort: int = 0
    measures: dict[str, float] | None = None
    rungs: dict[str, dict[str, float]] | None = None


@dataclass(frozen=True)
class Trial:
    """One configuration, trained with all seeds of the study.

    Attributes:
        number: 0, 1, … in the study.
        key: Stable identity of the configuration: the arm and its parameters in canonical form.
        arm: Name of the study's arm.
        params: What varies: the searched parameters and their values.
        state: Where it stands.
        seed_runs: One a seed, in the order of the study's seeds.
        mean_return: Aggregate over seeds once complete. A seed that was stopped counts with what it had reached:
            without it a trial would become better by its failures.
        mean_cost: Aggregate over seeds of each cost, by name, once complete.
        feasible: Whether every aggregated cost is within its limit; None before completion.
        failure: Cause of FAIL, or why it was PRUNED, one line.
        continued: Whether it went on beyond the budget that it began with: its step sizes decayed as for the first
            budget until there, so that it is not the run that the larger budget alone would have given.
        retest_of: Number of the trial that it runs again on fresh seeds, or None.
    """

    number: int
    key: str
    arm: str
    params: dict[str, Any]
    state: State
    seed_runs: tuple[SeedRun, ...] = ()
    mean_return: Interval | None = None
    mean_cost: dict[str, Interval] | None = None
    feasible: bool | None = None
    failure: str | None = None
    continued: bool = False
    retest_of: int | None = None

    @property
    def next_seeds(self) -> tuple[int, ...]:
        """The seeds of the next execution: the first cohort that is not done, with those of it that were stopped."""
        cohort = min(run.cohort for run in self.seed_runs if run.state not in {State.COMPLETE, State.PRUNED})
        return tuple(run.seed for run in self.seed_runs if run.cohort == cohort)

    def planned_env_steps(self, budget: int) -> int:
        """Env steps that its seeds will have done: what they did once they have ended, before that their budget.

        Args:
            budget: Env steps of a seed that trains to its end.
        """
        ended = self.state.is_finished
        return sum(run.env_steps if ended or run.state.is_finished else budget for run in self.seed_runs)

    @property
    def stopped_seeds(self) -> tuple[int, ...]:
        """The seeds that were stopped, alone or with the whole trial."""
        return tuple(run.seed for run in self.seed_runs if run.state is State.PRUNED)


@dataclass(frozen=True)
class Execution:
    """One attempt to run seeds of a trial: what a Tune trial is.

    Attributes:
        id: Unique in the study.
        trial: The trial's number.
        attempt: 1, 2, … for that trial.
        seeds: The seeds it trains together; some may have been stopped and train no more.
        resume_from: Path or URL of the checkpoint to start from, or None.
    """

    id: int
    trial: int
    attempt: int
    seeds: tuple[int, ...]
    resume_from: str | None = None


@dataclass(frozen=True)
class ResultRow:
    """What one seed of a trial reports after one iteration; the first row of a (trial, seed, iteration) counts.

    Attributes:
        trial: The trial's number.
        seed: The seed.
        iteration: 1, 2, …
        env_steps: Env steps of this seed so far: the step of every curve.
        time: When it was measured, seconds since the epoch.
        attempt: The execution's attempt.
        metrics: Metric key → value (keys of docs/metrics.md); absent where undefined, such as the return of an
            iteration in which no episode finished.
        episode_returns: Undiscounted return of each episode that finished in the iteration.
        episode_costs: Cost name → undiscounted cost of each of those episodes.
    """

    trial: int
    seed: int
    iteration: int
    env_steps: int
    time: float
    attempt: int
    metrics: dict[str, float]
    episode_returns: tuple[float, ...] = ()
    episode_costs: dict[str, tuple[float, ...]] = field(default_factory=dict)

"""What a study has to show, read once: its trials with their configurations, and its rows."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from algorithms.parameters import FixedMultiplier
from sweeps.analysis.best import best_trials
from sweeps.analysis.profile import Profile, described, profile_of
from sweeps.analysis.summary import named_metrics, window_rows
from sweeps.calibration_record import CalibrationRecord, read_record
from sweeps.records import ResultRow, State, Trial
from sweeps.spec import RunSpec, StudySpec
from sweeps.tracking.spool import SPOOL_NAME, read_rows
from sweeps.trial_table import best_of

Floats = NDArray[np.float64]


class ReportedStudy(Protocol):
    """What a report needs of a study."""

    @property
    def spec(self) -> StudySpec:
        """What it is."""
        ...

    @property
    def trials(self) -> list[Trial]:
        """Its trials by number, as they stand."""
        ...

    @property
    def folder(self) -> Path:
        """Its folder, with the spool; two levels below the storage folder."""
        ...


@dataclass(frozen=True)
class Series:
    """One quantity of a trial over its iterations.

    Attributes:
        env_steps: `[K]` float64; env steps per seed, rising.
        values: `[S, K]` float64; one row a seed, NaN where a seed has none.
    """

    env_steps: Floats
    values: Floats

    def mean(self) -> Floats:
        """`[K]`; mean over the seeds that have the iteration, NaN where none has."""
        known = np.isfinite(self.values)
        number = known.sum(axis=0)
        total = np.where(known, self.values, 0.0).sum(axis=0)
        return np.divide(total, number, out=np.full(number.shape, np.nan), where=number > 0)


@dataclass(frozen=True)
class Results:
    """A study's trials and rows at one moment.

    Attributes:
        spec: The study.
        trials: Its trials by number.
        rows: Its rows, each (trial, seed, iteration) once.
        calibration: Trial number → what its multiplier network recorded, where it has one.
    """

    spec: StudySpec
    trials: tuple[Trial, ...]
    rows: tuple[ResultRow, ...]
    calibration: Mapping[int, CalibrationRecord] = field(default_factory=dict[int, CalibrationRecord])

    @functools.cached_property
    def complete(self) -> list[Trial]:
        """Trials that are complete and have a return."""
        return [trial for trial in self.trials if trial.state is State.COMPLETE and trial.mean_return is not None]

    @functools.cached_property
    def best(self) -> Trial | None:
        """The study's best trial: feasible, first in its first objective, on fresh seeds where it was run again."""
        if (
            self.spec.objectives == {"return": "maximize"}
            and self.spec.aggregate == "mean"
            and self.spec.retest is None
        ):
            return best_of(self.trials)
        return next(iter(best_trials(self.spec, self.trials)), None)

    @functools.cached_property
    def profile(self) -> Profile:
        """The λ-profile of its complete trials."""
        return profile_of(self.spec, self.trials)

    @functools.cached_property
    def fixed(self) -> dict[int, float]:
        """Trial number → its multiplier, for those whose multiplier never moves."""
        updates = {trial.number: self.run(trial).lagrangian for trial in self.trials}
        return {number: update.multiplier for number, update in updates.items() if isinstance(update, FixedMultiplier)}

    @functools.cached_property
    def leaders(self) -> list[Trial]:
        """Of each arm that moves its multiplier the best feasible trial, else the one nearest to its limits.

        Of each arm only those count that `eligible` names.
        """
        groups: dict[str, list[Trial]] = {}
        for trial in self.complete:
            if trial.number not in self.fixed:
                groups.setdefault(trial.arm, []).append(trial)
        chosen = [self.eligible(group) for group in groups.values()]
        return [best_of(group) or min(group, key=self.excess) for group in chosen]

    def eligible(self, trials: Sequence[Trial]) -> list[Trial]:
        """Those of complete trials that may lead them.

        Where some were trained for the study's own limits, only those; and of these, where some ran again on fresh
        seeds, only the reruns: the maximum of noisy results is too good.

        Args:
            trials: The trials.
        """
        at_limit = [trial for trial in trials if self.limits(trial) == self.spec.cost_limits] or list(trials)
        return [trial for trial in at_limit if trial.retest_of is not None] or at_limit

    def run(self, trial: Trial) -> RunSpec:
        """A trial's complete configuration."""
        return self.spec.resolve(trial.arm, trial.params)

    def limits(self, trial: Trial) -> dict[str, float]:
        """A trial's own cost limits, by cost name."""
        return dict(self.run(trial).cost_limits)

    def excess(self, trial: Trial) -> float:
        """How far a complete trial is from its own limits, as a share of them: maxᵢ (J_ci − dᵢ) / dᵢ."""
        costs = trial.mean_cost or {}
        return max((costs[name].mean - limit) / max(limit, 1e-12) for name, limit in self.limits(trial).items())

    def label(self, trial: Trial) -> str:
        """What figures call a trial: its arm and what varies in it."""
        return f"{trial.arm} {described(trial.params)}".rstrip().replace("multiplier=", "λ=")

    def series(self, trial: Trial, quantity: str) -> Series:
        """A quantity of a trial over its iterations.

        Args:
            trial: The trial.
            quantity: `return`, `cost/<name>` or `multiplier/<name>`.

        Returns:
            Means over the episodes that finished in each iteration, or the multiplier after it; K = 0 before any.
        """
        mine = self._by_trial.get(trial.number, [])
        steps = sorted({row.env_steps for row in mine})
        seeds = sorted({row.seed for row in mine})
        values = np.full((len(seeds), len(steps)), np.nan)
        for row in mine:
            value = quantity_of(row, quantity)
            if value is not None:
                values[seeds.index(row.seed), steps.index(row.env_steps)] = value
        return Series(np.array(steps, dtype=np.float64), values)

    def last_episodes(self, trial: Trial, cost: str) -> dict[int, list[float]]:
        """Costs of the episodes behind a trial's mean cost: those of the last 5 % of iterations.

        Args:
            trial: The trial.
            cost: The cost's name.

        Returns:
            Seed → cost of each episode, for the seeds that have one.
        """
        found: dict[int, list[float]] = {}
        for seed in sorted({row.seed for row in self._by_trial.get(trial.number, [])}):
            window = window_rows([row for row in self._by_trial[trial.number] if row.seed == seed])
            costs = [value for row in window for value in row.episode_costs.get(cost, ())]
            if costs:
                found[seed] = costs
        return found

    @functools.cached_property
    def _by_trial(self) -> dict[int, list[ResultRow]]:
        grouped: dict[int, list[ResultRow]] = {}
        for row in self.rows:
            grouped.setdefault(row.trial, []).append(row)
        return grouped


def read_results(study: ReportedStudy) -> Results:
    """Reads a study.

    Args:
        study: The study, finished or not.

    Returns:
        What it has to show now.

    Raises:
        SpoolError: If its spool is damaged.
    """
    rows = read_rows(study.folder / SPOOL_NAME)
    trials = tuple(study.trials)
    found = {trial.number: read_record(study.folder, trial.number) for trial in trials}
    calibration = {number: record for number, record in found.items() if record is not None}
    return Results(study.spec, trials, tuple(rows), calibration)


def quantity_of(row: ResultRow, quantity: str) -> float | None:
    """One number of a row.

    Args:
        row: The row.
        quantity: `return`, `cost/<name>` or `multiplier/<name>`.

    Returns:
        The mean over the episodes that finished in it, or the multiplier; None where there is none.
    """
    kind, _, name = quantity.partition("/")
    if kind == "multiplier":
        return named_metrics(row.metrics, "multiplier/value").get(name)
    episodes: Sequence[float] = row.episode_returns if kind == "return" else row.episode_costs.get(name, ())
    return float(np.mean(episodes)) if episodes else None

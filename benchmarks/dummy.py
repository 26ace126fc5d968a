"""A Tune trainable that trains nothing and reports as much as a real one; workers import it, so it has its own file."""

import time
from pathlib import Path
from typing import Any

from ray.tune import Trainable

from sweeps.records import Execution, ResultRow
from sweeps.running.execution import ASSIGNMENT, Assignment, Report, Start

STEPS = 1_000
"""Env steps of an iteration."""


class DummyTrainable(Trainable):
    """Reports an iteration as soon as it is asked for one, but the second not before the file `signal_of` is there."""

    def setup(self, config: dict[str, Any]) -> None:
        """Takes the worker's first execution."""
        self._accept(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Takes the next one."""
        self._accept(new_config)
        return True

    def step(self) -> Report:  # pyright: ignore[reportIncompatibleMethodOverride] - a TypedDict is a dict at run time
        """The next iteration's report."""
        self._done += 1
        job = self._assignment.first
        while self._done == 2 and not signal_of(job.checkpoints).exists():
            time.sleep(0.05)
        return report(job.execution, self._done, complete=self._done * STEPS >= job.run.env_steps)

    def _accept(self, config: dict[str, Any]) -> None:
        self._assignment: Assignment = config[ASSIGNMENT]
        self._done = 0


def signal_of(checkpoints: str) -> Path:
    """The file that lets dummies go on, by a trial's folder of checkpoints."""
    return Path(checkpoints).parent.with_name("go")


def report(execution: Execution, iteration: int, *, complete: bool) -> Report:
    """What a worker tells the driver after an iteration.

    Args:
        execution: The execution.
        iteration: The iteration, from 1 on.
        complete: Whether it is the last.
    """
    return Report(
        rows=rows_of(execution.trial, execution.seeds, iteration),
        complete=complete,
        done=complete,
        starts=(Start(),) if iteration == 1 else None,
        calibration=None,
    )


def rows_of(trial: int, seeds: tuple[int, ...], iteration: int) -> list[ResultRow]:
    """As many metrics and episodes as a real row has."""
    metrics = {f"loss/part_{n}": 0.1 * n for n in range(24)}
    metrics |= {"train/return": 20.0, "train/cost": 10.0, "multiplier/value": float(trial), "multiplier/error": -2.0}
    return [
        ResultRow(
            trial=trial,
            seed=seed,
            iteration=iteration,
            env_steps=STEPS * iteration,
            time=time.time(),
            attempt=1,
            metrics=metrics,
            episode_returns=(20.0,) * 10,
            episode_costs={"cost": (10.0,) * 10},
        )
        for seed in seeds
    ]

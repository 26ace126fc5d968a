"""How long a trial takes on one core: from a rate that the user knows, or from a measurement."""

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from algorithms.parameters import SACParameters
from sweeps.spec import RunSpec


class Speed(Protocol):
    """How fast a machine trains."""

    @property
    def source(self) -> str:
        """Where the numbers come from, for a reader."""
        ...

    @property
    def start_s(self) -> float:
        """Seconds that a worker process takes to start, once for all its trials."""
        ...

    def trial_seconds(self, run: RunSpec, num_seeds: int) -> float:
        """Seconds that one trial takes on one core."""
        ...


@dataclass(frozen=True)
class GivenRate:
    """A rate that the user knows.

    Attributes:
        env_steps_per_s: Env steps of all seeds of a trial together, per second of one core, learning included.
        start_s: Seconds that a worker process takes to start.
    """

    env_steps_per_s: float
    start_s: float = 0.0

    @property
    def source(self) -> str:
        """Where the number comes from."""
        return f"{self.env_steps_per_s:,.0f} env steps/s per core as given"

    def trial_seconds(self, run: RunSpec, num_seeds: int) -> float:
        """Seconds that one trial takes on one core."""
        return num_seeds * trained_steps(run) / self.env_steps_per_s


@dataclass(frozen=True)
class MeasuredSpeed:
    """What one short iteration of the algorithm took on this machine.

    Attributes:
        start_s: Seconds to import what training needs, once a worker.
        build_s: Seconds to build a trial's environments and networks.
        env_step_s: Seconds per env step of one seed, sampling.
        gradient_step_s: Seconds per gradient step of all seeds together.
        num_seeds: Seeds that were trained together.
    """

    start_s: float
    build_s: float
    env_step_s: float
    gradient_step_s: float
    num_seeds: int

    @property
    def source(self) -> str:
        """Where the numbers come from."""
        return "measured on this machine, one core; at most, since a seed stops its passes at target_kl"

    def trial_seconds(self, run: RunSpec, num_seeds: int) -> float:
        """Seconds that one trial takes on one core if no seed stops its passes early."""
        sampling = num_seeds * trained_steps(run) * self.env_step_s
        return self.build_s + sampling + num_gradient_steps(run) * self.gradient_step_s


def num_gradient_steps(run: RunSpec) -> int:
    """Gradient steps of a run, of all its seeds together; of PPO as many as there are if no seed stops early."""
    parameters = run.parameters
    if isinstance(parameters, SACParameters):
        learning = max(trained_steps(run) - parameters.learning_starts, 0)
        return learning // parameters.train_every * parameters.gradient_steps
    per_pass = parameters.steps_per_iteration // parameters.minibatch_size
    return num_iterations(run) * parameters.num_epochs * per_pass


def num_iterations(run: RunSpec) -> int:
    """Iterations of a run; the last one may exceed the budget by a part of an iteration."""
    return math.ceil(run.env_steps / run.parameters.steps_per_iteration)


def trained_steps(run: RunSpec) -> int:
    """Env steps of each seed of a run, in whole iterations."""
    return num_iterations(run) * run.parameters.steps_per_iteration


def makespan(seconds: Sequence[float], slots: int) -> float:
    """Seconds until the last trial ends if each starts, in order, as soon as one of the slots is free.

    Args:
        seconds: Duration of each trial.
        slots: Trials at once, at least 1.

    Returns:
        Seconds.

    Examples:
        >>> makespan([3.0, 1.0, 1.0, 2.0], 2)  # 3 | 1 1, then 2 where 1 1 ended
        4.0
    """
    free = [0.0] * slots
    for second in seconds:
        heapq.heapreplace(free, free[0] + second)
    return max(free)


def packed(seconds: Sequence[float], size: int) -> list[float]:
    """Seconds of packs of trials, which train together in one process.

    Args:
        seconds: Duration of each trial.
        size: Trials of a pack; the last one may be smaller.

    Returns:
        Duration of each pack.
    """
    return [sum(seconds[start : start + size]) for start in range(0, len(seconds), size)]

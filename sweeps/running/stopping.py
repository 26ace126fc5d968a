"""Ending a driver before its study is done: after the running iterations, so that they are recorded."""

from dataclasses import dataclass, field
from typing import Any

from ray.tune import Stopper


@dataclass
class Stop:
    """What searcher, recorder and stopper of one driver tell each other; plain data, for Tune pickles it.

    Attributes:
        requested: Whether the driver was asked to end: nothing new is handed out, and each execution ends after the
            iteration that it is in.
        failed: Whether the driver itself has failed: everything ends at once.
        running: Ids of the executions that train.
        reason: Why the driver ends by itself, or None: somebody asked it to.
        pruned: Tune's ids of trials that end: all that they train is without hope, or goes on without some seeds.
    """

    requested: bool = False
    failed: bool = False
    running: set[int] = field(default_factory=set)
    reason: str | None = None
    pruned: set[str] = field(default_factory=set)


class StopWhenAsked(Stopper):
    """Tune's view of a `Stop`.

    Args:
        stop: The flags.
    """

    def __init__(self, stop: Stop) -> None:
        self._stop = stop

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Whether an execution that has just reported an iteration ends there."""
        return self._stop.requested or trial_id in self._stop.pruned

    def stop_all(self) -> bool:
        """Whether to end what is left: after a request that is what was handed out and never started."""
        return self._stop.failed or (self._stop.requested and not self._stop.running)

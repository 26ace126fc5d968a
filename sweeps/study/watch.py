"""A running study as another process sees it in the ledger: what stands where, how fast, and until when."""

import time
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sweeps.records import State, Trial
from sweeps.status import Status
from sweeps.study.study import Study

_WINDOW_S = 120.0


@dataclass(frozen=True)
class View:
    """A study at one moment.

    Attributes:
        status: How it stands.
        budget: Env steps of each seed.
        running: The trials that train, with their seed runs.
        failures: First line of a failure → how many trials ended with it, the most frequent first.
        env_steps_per_s: Env steps of all seeds per second over the last two minutes; None until measured.
        seconds_left: Seconds until the study is done at that speed; None where nothing moves.
    """

    status: Status
    budget: int
    running: tuple[Trial, ...] = ()
    failures: Mapping[str, int] = field(default_factory=dict)
    env_steps_per_s: float | None = None
    seconds_left: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """The numbers for a program."""
        status, best = self.status, self.status.best
        holder = status.holder
        return {
            "name": status.name,
            "finished": status.is_finished,
            "trials": {state.lower(): number for state, number in status.counts.items()},
            "env_steps": status.env_steps,
            "env_steps_total": status.env_steps_total,
            "env_steps_per_s": self.env_steps_per_s,
            "seconds_left": self.seconds_left,
            "driver": None if holder is None else {"pid": holder.pid, "host": holder.host},
            "best": None
            if best is None or best.mean_return is None
            else {
                "trial": best.number,
                "return": best.mean_return.mean,
                **{name: cost.mean for name, cost in (best.mean_cost or {}).items()},
            },
            "running": [trial.number for trial in self.running],
            "failures": dict(self.failures),
        }


class Watcher:
    """Looks at a study again and again; the speed is what it sees between its looks.

    Args:
        study: The study.
    """

    def __init__(self, study: Study) -> None:
        self._study = study
        self._seen: deque[tuple[float, int]] = deque()

    def look(self) -> View:
        """The study as it stands now."""
        status = self._study.status()
        failed = self._study.select_trials(State.FAIL, with_seeds=False)
        causes = Counter((trial.failure or "").splitlines()[0] for trial in failed if trial.failure)
        rate = self._rate(status.env_steps)
        left = max(0, status.env_steps_total - status.env_steps)
        return View(
            status=status,
            budget=self._study.spec.env_steps,
            running=tuple(self._study.select_trials(State.RUNNING)),
            failures=dict(causes.most_common()),
            env_steps_per_s=rate,
            seconds_left=left / rate if rate else None,
        )

    def _rate(self, env_steps: int) -> float | None:
        now = time.monotonic()
        if self._seen and env_steps < self._seen[-1][1]:
            self._seen.clear()  # a trial fell back to its last checkpoint
        self._seen.append((now, env_steps))
        while now - self._seen[0][0] > _WINDOW_S:
            self._seen.popleft()
        (start, before), (end, after) = self._seen[0], self._seen[-1]
        return (after - before) / (end - start) if end > start else None

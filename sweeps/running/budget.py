"""When a driver ends by itself: the study's budget is spent, or most trials fail alike."""

import re
import time
from collections import Counter

from sweeps.ledger import Writer
from sweeps.spec.limits import Budget, duration_s

_INTERVAL_S = 2.0
_FEWEST_FAILURES = 3


class BudgetWatch:
    """Compares what a study has used, by whichever driver, with its budget.

    Args:
        budget: The budget.
        writer: The driver's right to write the study.
        gpus: GPUs of a trial, which earlier executions are taken to have had too.
    """

    def __init__(self, budget: Budget, writer: Writer, gpus: float) -> None:
        self._budget = budget
        self._writer = writer
        self._gpus = gpus
        self._looked_at = -_INTERVAL_S

    def spent(self) -> str | None:
        """What is used up, or None; looks into the ledger every two seconds at most."""
        if time.monotonic() - self._looked_at < _INTERVAL_S:
            return None
        self._looked_at = time.monotonic()
        ledger, study, budget = self._writer.ledger, self._writer.study, self._budget
        if budget.env_steps is not None and (used := ledger.env_steps(study)) >= budget.env_steps:
            return f"`budget.env_steps` {budget.env_steps:,} is used ({used:,})."
        times = ledger.execution_times(study)
        if budget.wall_time is not None and _covered([t[1:] for t in times]) >= duration_s(budget.wall_time):
            return f"`budget.wall_time` {budget.wall_time} is used."
        hours = self._gpus * sum(end - start for _, start, end in times) / 3600.0
        if budget.gpu_hours is not None and hours >= budget.gpu_hours:
            return f"`budget.gpu_hours` {budget.gpu_hours:g} is used ({hours:.2f})."
        return None


class Failures:
    """Counts causes of failed trials, and says when there is no use in going on.

    Attributes:
        verdict: What most trials of this driver fail of, once at least three have and they are more than half of all
            that ended; None before.
    """

    def __init__(self) -> None:
        self.verdict: str | None = None
        self._causes: Counter[str] = Counter()
        self._first: dict[str, str] = {}
        self._complete = 0

    def add(self, cause: str) -> None:
        """A trial has failed."""
        kind = re.sub(r"\d+", "#", cause)  # seeds and iterations differ, the cause does not
        self._first.setdefault(kind, cause)
        self._causes[kind] += 1
        ended = self._causes.total() + self._complete
        if self.verdict is None and self._causes[kind] >= _FEWEST_FAILURES and 2 * self._causes[kind] > ended:
            self.verdict = f"{self._causes[kind]} of {ended} trials failed alike: {self._first[kind]}"

    def add_complete(self) -> None:
        """A trial has ended without an error."""
        self._complete += 1


def _covered(spans: list[tuple[float, float]]) -> float:
    """Seconds in which at least one span runs."""
    covered, until = 0.0, float("-inf")
    for start, end in sorted(spans):
        covered += max(0.0, end - max(start, until))
        until = max(until, end)
    return covered

"""What the run of a seed says beside its numbers: which attempt reached furthest, and what its curves leave out."""

import math
from collections.abc import Iterable, Mapping

from sweeps.records import ResultRow
from sweeps.tracking.run_content import TAG, clipped


class Marks:
    """Tags of every seed run, learned from all of its rows: also from those that are no points and were sent before."""

    def __init__(self) -> None:
        self._attempts: dict[tuple[int, int], int] = {}
        self._non_finite: dict[tuple[int, int], set[str]] = {}
        self._seen: dict[tuple[int, int], set[str]] = {}
        self._drawn: dict[tuple[int, int], set[str]] = {}

    def note(self, row: ResultRow, drawn: ResultRow | None) -> None:
        """Takes note of a row.

        Args:
            row: Any row, in the order of the spool.
            drawn: What is drawn of it; None where it is no point.
        """
        key = (row.trial, row.seed)
        self._attempts[key] = max(self._attempts.get(key, 0), row.attempt)
        bad = {name for name, value in row.metrics.items() if not math.isfinite(value)}
        self._non_finite.setdefault(key, set()).update(bad)
        if drawn is not None:
            self._seen.setdefault(key, set()).update(row.metrics)
            self._drawn.setdefault(key, set()).update(drawn.metrics)

    def of_seed(self, trial: int, seed: int) -> dict[str, str]:
        """The tags of a seed's run.

        Args:
            trial: The trial's number.
            seed: The seed.

        Returns:
            `lagsweep.attempt`; where there are any, `lagsweep.non_finite`, the metrics that were NaN or infinite, and
            `lagsweep.not_drawn`, those that had no room among its curves. Empty where it has no rows.
        """
        key = (trial, seed)
        return _tags(
            self._attempts.get(key, 0),
            {
                "non_finite": self._non_finite.get(key, set()),
                "not_drawn": self._seen.get(key, set()) - self._drawn.get(key, set()),
            },
        )

    def of_trial(self, trial: int) -> dict[str, str]:
        """The tags of a trial's run.

        Args:
            trial: The trial's number.

        Returns:
            The highest `lagsweep.attempt` of its seeds, and in `lagsweep.non_finite` what any of them had.
        """
        keys = [key for key in self._attempts if key[0] == trial]
        bad = {name for key in keys for name in self._non_finite[key]}
        return _tags(max((self._attempts[key] for key in keys), default=0), {"non_finite": bad})


def _tags(attempt: int, names: Mapping[str, Iterable[str]]) -> dict[str, str]:
    tags = {f"{TAG}attempt": str(attempt)} if attempt else {}
    return tags | {f"{TAG}{tag}": clipped(", ".join(sorted(listed))) for tag, listed in names.items() if listed}

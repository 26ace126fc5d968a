"""Which points of a run become its curves in MLflow: few enough to draw, all of them in the run's Parquet files."""

import dataclasses
from dataclasses import dataclass, field
from math import ceil

from sweeps.records import ResultRow
from sweeps.tracking.events import StudyStarted

MAX_POINTS = 2000
"""Points of one curve, at most."""

MAX_KEYS = 40
"""Metric keys of one run, at most."""

MAX_FINAL_KEYS = 10
"""Those of them that a seed's run has beside its curves, more only where it has more costs."""

_FIRST_KEYS = (
    "train/return",
    "train/cost",
    "multiplier/value",
    "train/violation_rate",
    "train/",
    "eval/",
    "multiplier/error",
    "loss/kl",
    "time/env_steps_per_s",
)


@dataclass
class _Curve:
    """How one seed run is drawn: `stride` holds for `budget`, of which `points` were sent so far, of these `keys`."""

    budget: int | None = None
    stride: int = 1
    points: int = 0
    keys: set[str] = field(default_factory=set[str])


class Curves:
    """Thins the rows of every seed run to a fixed number of points, the same ones whenever a spool is replayed.

    A seed run whose budget takes n iterations is drawn at every ⌈n / p⌉-th of them, where p is half of the points that
    are left, so that a study may be extended again and again; the last iteration of a budget is always drawn. Where
    the budget is not known every row is, up to the limit.

    A metric that is drawn once is drawn to the end. Where there is no room for all of them, returns, costs and
    multipliers come first; their places are kept while no episode has ended, when they are not there yet.
    """

    def __init__(self) -> None:
        self._budget: int | None = None
        self._curves: dict[tuple[int, int], _Curve] = {}

    def start(self, event: StudyStarted) -> None:
        """Takes note of the budget that holds from here on."""
        self._budget = event.env_steps

    def drawn(self, row: ResultRow) -> ResultRow | None:
        """What is drawn of a row.

        Args:
            row: Rows in the order of the spool, each (trial, seed, iteration) once.

        Returns:
            The row with the metrics that are curves, or None where it is no point of them.
        """
        curve = self._curves.setdefault((row.trial, row.seed), _Curve())
        if not curve.keys.issuperset(row.metrics):
            _add_keys(curve.keys, row)
        if not self.draws(row):
            return None
        kept = {key: value for key, value in row.metrics.items() if key in curve.keys}
        return dataclasses.replace(row, metrics=kept)

    def draws(self, row: ResultRow) -> bool:
        """Whether a row is a point of its curves.

        Args:
            row: Rows in the order of the spool, each (trial, seed, iteration) once.

        Returns:
            True for at most `MAX_POINTS` rows of a seed run.
        """
        curve = self._curves.setdefault((row.trial, row.seed), _Curve())
        if curve.budget != self._budget:
            curve.budget, curve.stride = self._budget, self._stride(row, MAX_POINTS - curve.points)
        is_last = curve.budget is not None and row.env_steps >= curve.budget
        drawn = curve.points < MAX_POINTS and (row.iteration % curve.stride == 0 or is_last)
        curve.points += drawn
        return drawn

    def _stride(self, row: ResultRow, points_left: int) -> int:
        if self._budget is None or row.env_steps <= 0:
            return 1
        steps_per_iteration = row.env_steps / row.iteration
        iterations_left = self._budget / steps_per_iteration - row.iteration + 1
        return max(1, ceil(iterations_left / max(1, points_left // 2)))


def _add_keys(keys: set[str], row: ResultRow) -> None:
    """Adds the metrics of a row, the most important first, while there is room for them and for those still to come."""
    costs = max(1, len(row.episode_costs))
    known = keys.union(row.metrics)
    # A row of training counts its episodes from the first one on; what they say is there once one has ended.
    waits = "train/episodes" in row.metrics and "train/return" not in known
    expected = {"train/return": 1, "train/violation_rate": 1, "train/cost": costs} if waits else {}
    to_come = sum(count - sum(key.startswith(name) for key in known) for name, count in expected.items())
    # A seed's run ends with its return and its costs, which are among the final keys.
    room = MAX_KEYS - max(MAX_FINAL_KEYS, 1 + costs) - to_come - len(keys)
    new = [key for key in row.metrics if key not in keys]
    keys.update(sorted(new, key=_rank)[: max(0, room)])


def _rank(key: str) -> int:
    return next((index for index, prefix in enumerate(_FIRST_KEYS) if key.startswith(prefix)), len(_FIRST_KEYS))

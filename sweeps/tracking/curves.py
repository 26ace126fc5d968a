"""Which points of a run become its curves in MLflow: few enough to draw, all of them in the run's Parquet files."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil

from sweeps.records import ResultRow
from sweeps.tracking.events import StudyStarted

MAX_POINTS = 2000
"""Points of one curve, at most."""

MAX_KEYS = 40
"""Metric keys of one run, at most."""

MAX_FINAL_KEYS = 10
"""Those of them that a seed's run has beside its curves."""

_FIRST_KEYS = ("train/", "eval/", "multiplier/value", "multiplier/error", "loss/kl", "time/env_steps_per_s")


@dataclass
class _Curve:
    """How far one seed run is drawn: `stride` holds for `budget`, of which `points` were sent so far."""

    budget: int | None = None
    stride: int = 1
    points: int = 0


class Curves:
    """Thins the rows of every seed run to a fixed number of points, the same ones whenever a spool is replayed.

    A seed run whose budget takes n iterations is drawn at every ⌈n / p⌉-th of them, where p is half of the points that
    are left, so that a study may be extended again and again; the last iteration of a budget is always drawn. Where
    the budget is not known every row is, up to the limit.
    """

    def __init__(self) -> None:
        self._budget: int | None = None
        self._curves: dict[tuple[int, int], _Curve] = {}

    def start(self, event: StudyStarted) -> None:
        """Takes note of the budget that holds from here on."""
        self._budget = event.env_steps

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


def drawn_keys(keys: Iterable[str]) -> list[str]:
    """Chooses the metrics that become curves where a run has no room for all of them.

    Args:
        keys: Metric keys of a row.

    Returns:
        All of them in their order where they are few enough; else those of returns, costs and multipliers first.

    Examples:
        >>> drawn_keys([f"loss/{index}" for index in range(60)] + ["train/return"])[:2]
        ['train/return', 'loss/0']
    """
    ordered = list(keys)
    most = MAX_KEYS - MAX_FINAL_KEYS
    if len(ordered) <= most:
        return ordered
    return sorted(ordered, key=lambda key: not key.startswith(_FIRST_KEYS))[:most]

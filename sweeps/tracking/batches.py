"""What goes to MLflow in one request."""

from collections.abc import Iterable

from sweeps.records import ResultRow
from sweeps.tracking.events import Event, RowAdded

MAX_METRICS = 1000
"""Metrics that MLflow takes in one request."""


def plan_requests(events: Iterable[Event]) -> list[Event | list[ResultRow]]:
    """Groups what can be sent together: rows of one seed run, up to MLflow's limit of 1000 metrics a request.

    Args:
        events: In the order of the spool.

    Returns:
        Other events, each alone, and lists of rows of one (trial, seed); rows never pass another kind of event.
    """
    plan: list[Event | list[ResultRow]] = []
    groups: dict[tuple[int, int], list[ResultRow]] = {}
    for event in events:
        if not isinstance(event, RowAdded):
            plan += [*groups.values(), event]
            groups = {}
            continue
        key = (event.row.trial, event.row.seed)
        if (
            sum(len(row.metrics) for row in groups.get(key, [])) + len(event.row.metrics) > MAX_METRICS
            and key in groups
        ):
            plan.append(groups.pop(key))
        groups.setdefault(key, []).append(event.row)
    return [*plan, *groups.values()]

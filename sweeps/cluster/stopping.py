"""How a submitted study is stopped: the ledger's flag first, its jobs afterwards."""

from collections.abc import Callable
from typing import Any, Protocol

from sweeps.errors import SweepError


class EndJobs(Protocol):
    """Ends the jobs of a study that nobody drives any more, and says whether there were any."""

    def __call__(self, *, had_driver: bool) -> bool:
        """Ends them; a driver that has ended just now gets the time to write its report."""
        ...


def stop_study(study: str, ask: Callable[[], dict[str, Any]], end_jobs: EndJobs) -> tuple[dict[str, Any], bool]:
    """Lets a study end as `lagsweep stop` does, and then its jobs.

    Ray alone kills a job's processes three seconds after SIGTERM, in the middle of an iteration: hence the flag first.

    Args:
        study: Its name.
        ask: Sets the ledger's flag, waits, and returns `name`, `driver` (process and host, or None) and `ended`.
        end_jobs: Ends its jobs.

    Returns:
        What `ask` returned, and whether there were jobs to end.

    Raises:
        SweepError: What `ask` raises; but a study that only its job knows, since that waits for a node, is stopped.
    """
    try:
        answer = ask()
    except SweepError as error:
        if error.code != "no-study" or not end_jobs(had_driver=False):
            raise
        return {"name": study, "driver": None, "ended": True}, True
    had_job = answer["ended"] and end_jobs(had_driver=answer["driver"] is not None)
    return answer, had_job

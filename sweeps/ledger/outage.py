"""Waiting for a database server that went away: a driver outlives its PostgreSQL, a reader says so at once."""

import functools
import logging
import time
from collections.abc import Callable, Iterator
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from sweeps.errors import UnreachableError

logger = logging.getLogger(__name__)

DRIVER_PATIENCE_S = 3600.0
"""How long a driver waits; its workers wait with it at the end of their iterations."""

_LONGEST_PAUSE_S = 10.0


class _Patient(Protocol):
    @property
    def patience_s(self) -> float: ...


P = ParamSpec("P")
R = TypeVar("R")
Owner = TypeVar("Owner", bound=_Patient)


def survives_outages(method: Callable[Concatenate[Owner, P], R]) -> Callable[Concatenate[Owner, P], R]:
    """Calls a method again while its database server is away, for as long as its owner's `patience_s`.

    The method must be idempotent: the server may have gone after it committed and before it said so.

    Args:
        method: A transaction.

    Returns:
        The method, which raises `UnreachableError` once patience ends.
    """

    @functools.wraps(method)
    def wrapper(self: Owner, *args: P.args, **kwargs: P.kwargs) -> R:
        for pause in _pauses(self.patience_s):
            try:
                return method(self, *args, **kwargs)
            except (OperationalError, InterfaceError) as error:
                if not _is_outage(error):
                    raise
                cause = str(error.orig).strip().splitlines()[0]
                if pause is None:
                    raise UnreachableError(
                        f"the ledger's database does not answer: {cause}",
                        code="ledger-unreachable",
                        help="check LAGSWEEP_LEDGER and that the server runs",
                    ) from error
                logger.warning("The ledger's database does not answer (%s); trying again in %.1f s.", cause, pause)
                time.sleep(pause)
        raise AssertionError("the last pause is None")

    return wrapper


def _pauses(patience_s: float) -> Iterator[float | None]:
    """Growing pauses that together last about `patience_s`, then None."""
    pause, waited = 0.25, 0.0
    while waited + pause <= patience_s:
        yield pause
        waited += pause
        pause = min(2.0 * pause, _LONGEST_PAUSE_S)
    yield None


def _is_outage(error: DBAPIError) -> bool:
    """Whether the server is away; a file does not go away, and a busy one has waited long enough."""
    return type(error.orig).__module__.startswith("psycopg")

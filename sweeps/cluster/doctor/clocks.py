"""Whether the clocks of machines agree. Leases, which keep two drivers apart, compare times of several machines."""

from email.utils import parsedate_to_datetime

from sweeps.cluster.doctor.finding import Finding, failure, ok, warning
from sweeps.ledger.writer import LEASE_S

MOST_SKEW_S = LEASE_S / 2.0
NOTED_SKEW_S = 5.0


def check_clock(whose: str, theirs: float, asked: float, answered: float) -> list[Finding]:
    """Compares a clock with ours.

    Args:
        whose: Whose clock it is.
        theirs: What it showed, seconds since the epoch.
        asked: What ours showed before.
        answered: What ours showed after.

    Returns:
        A finding on the skew that is certain: what the time between question and answer cannot explain.
    """
    skew = max(asked - theirs, theirs - answered, 0.0)
    message = f"{whose}: differs from ours by {skew:.1f} s"
    help = "let both synchronize their clocks (chrony, systemd-timesyncd)"
    if skew > MOST_SKEW_S:
        return [failure("clock", message, help)]
    if skew > NOTED_SKEW_S:
        return [warning("clock", message, help)]
    return [ok("clock", message)]


def check_http_date(whose: str, date: str | None, asked: float, answered: float) -> list[Finding]:
    """Compares the clock of a web server, whose answers tell whole seconds.

    Args:
        whose: Whose clock it is.
        date: The header `Date`, or None.
        asked: What ours showed before.
        answered: What ours showed after.
    """
    if date is None:
        return []
    theirs = parsedate_to_datetime(date).timestamp()
    return check_clock(whose, theirs, asked - 1.0, answered)

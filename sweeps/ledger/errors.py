"""Errors of the ledger."""

from sweeps.errors import SweepError


class LedgerVersionError(SweepError, RuntimeError):
    """Another version of Lagsweep laid out the ledger."""


class StaleWriterError(SweepError, RuntimeError):
    """Another driver has taken over the study since this writer took it.

    Args:
        token: The fencing token of this writer.
    """

    def __init__(self, token: int) -> None:
        super().__init__(
            f"`this driver holds the study` must hold, but another took it over since token {token}.",
            code="stale-writer",
            help="this process stops; the other driver goes on with the study",
        )

"""Errors of the ledger."""

from sweeps.errors import SweepError


class LedgerVersionError(SweepError, RuntimeError):
    """Another version of Lagsweep laid out the ledger."""


class StaleWriterError(SweepError, RuntimeError):
    """Another driver has taken over the study since this writer took it."""

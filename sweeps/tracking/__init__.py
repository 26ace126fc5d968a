"""A study's history on disk first, then in MLflow: spool → shipper → runs."""

from sweeps.tracking.tracker import Tracker

__all__ = ["Tracker"]

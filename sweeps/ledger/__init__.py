"""The ledger: a study's state in a few SQL tables of our own, the truth that Tune and Optuna are rebuilt from.

Anyone may read it (`Ledger`). One process writes a study, its driver (`driving`), and every transition is one
transaction that first checks the driver's fencing token (`Writer`).
"""

from sweeps.ledger.driver import driving
from sweeps.ledger.errors import LedgerVersionError, StaleWriterError
from sweeps.ledger.ledger import Holder, Ledger, NewTrial, StudyRow
from sweeps.ledger.writer import SeedProgress, Writer

__all__ = [
    "Holder",
    "Ledger",
    "LedgerVersionError",
    "NewTrial",
    "SeedProgress",
    "StaleWriterError",
    "StudyRow",
    "Writer",
    "driving",
]

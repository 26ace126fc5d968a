"""The ledger: a study's state in a few SQL tables of our own, the truth that Tune and Optuna are rebuilt from.

Anyone may read it (`Ledger`). One process writes a study, its driver (`driving`), and every transition is one
transaction that first checks the driver's fencing token (`Writer`).
"""

from sweeps.ledger.driver import driving
from sweeps.ledger.errors import LedgerVersionError, StaleWriterError
from sweeps.ledger.growth import Extension, delete_study, extend
from sweeps.ledger.holder import Holder
from sweeps.ledger.ledger import Ledger, NewTrial, StudyRow
from sweeps.ledger.progress import SeedProgress
from sweeps.ledger.totals import planned_env_steps
from sweeps.ledger.writer import Writer

__all__ = [
    "Extension",
    "Holder",
    "Ledger",
    "LedgerVersionError",
    "NewTrial",
    "SeedProgress",
    "StaleWriterError",
    "StudyRow",
    "Writer",
    "delete_study",
    "driving",
    "extend",
    "planned_env_steps",
]

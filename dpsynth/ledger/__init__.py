"""What has been spent, for ever: entries, reserve -> open -> settle, hash chain, SQL store.

`import dpsynth.ledger` does not load a database; the first `Ledger` does.
"""

from dpsynth.ledger.chain import Head
from dpsynth.ledger.entry import LedgerEntry
from dpsynth.ledger.extract import head_of_extract, verify_extract
from dpsynth.ledger.ledger import Ledger
from dpsynth.ledger.statement import BudgetPolicy, Charge, EntryKind
from dpsynth.ledger.tokens import OpenToken, Reservation

__all__ = [
    "BudgetPolicy",
    "Charge",
    "EntryKind",
    "Head",
    "Ledger",
    "LedgerEntry",
    "OpenToken",
    "Reservation",
    "head_of_extract",
    "verify_extract",
]

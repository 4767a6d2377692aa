"""What has been spent, for ever: entries, reserve -> open -> settle, hash chain, SQL store.

`import dpsynth.ledger` does not load a database; the first `Ledger` does.
"""

from dpsynth.ledger.chain import Head
from dpsynth.ledger.entry import LedgerEntry
from dpsynth.ledger.extract import PlannedRelease, head_of_extract, planned_release, verify_extract
from dpsynth.ledger.keys import SigningKey, load_or_create_key
from dpsynth.ledger.known_heads import KnownHead, KnownHeads
from dpsynth.ledger.ledger import Ledger
from dpsynth.ledger.renewal import Renewal
from dpsynth.ledger.statement import BudgetPolicy, Charge, EntryKind
from dpsynth.ledger.tokens import OpenToken, Reservation

__all__ = [
    "BudgetPolicy",
    "Charge",
    "EntryKind",
    "Head",
    "KnownHead",
    "KnownHeads",
    "Ledger",
    "LedgerEntry",
    "OpenToken",
    "PlannedRelease",
    "Renewal",
    "Reservation",
    "SigningKey",
    "head_of_extract",
    "load_or_create_key",
    "planned_release",
    "verify_extract",
]

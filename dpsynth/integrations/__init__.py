"""One ledger for the whole shop: what other tools spend on the same people is charged to the same budget.

`dpsynth.integrations.diffprivlib_accountant` and `dpsynth.integrations.opacus_accountant` reserve before the work and
need their tool; they are imported by name. Work that is already done is declared, and needs nothing installed.
"""

from dpsynth.integrations.declared_spend import DeclaredSpend, declare_spend
from dpsynth.integrations.foreign_events import (
    exported_event,
    opendp_event,
    smartnoise_event,
    spend_event,
    tumult_event,
)

__all__ = [
    "DeclaredSpend",
    "declare_spend",
    "exported_event",
    "opendp_event",
    "smartnoise_event",
    "spend_event",
    "tumult_event",
]

"""What people see of a ledger: accounts, timelines, what-if, exports and audits.

Everything here reads and nothing here decides: no reservation depends on this package. It never sees a row; what it
shows is what the ledger says.
"""

from dpsynth.ledger.display import show_with
from dpsynth.oversight.account import DatasetAccount, NoteLine, ReleaseLine, accounts
from dpsynth.oversight.page import ledger_page
from dpsynth.oversight.requests import ReleaseRequest
from dpsynth.oversight.timeline import Period, Timeline, timeline
from dpsynth.oversight.what_if import WhatIf, what_if

show_with(ledger_page)

__all__ = [
    "DatasetAccount",
    "NoteLine",
    "Period",
    "ReleaseLine",
    "ReleaseRequest",
    "Timeline",
    "WhatIf",
    "accounts",
    "ledger_page",
    "timeline",
    "what_if",
]

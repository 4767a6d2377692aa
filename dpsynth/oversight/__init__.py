"""What people see of a ledger: accounts, timelines, what-if, exports and audits.

Everything here reads and nothing here decides: no reservation depends on this package. It never sees a row; what it
shows is what the ledger says.
"""

from dpsynth.ledger.display import show_with
from dpsynth.oversight.account import DatasetAccount, NoteLine, ReleaseLine, accounts
from dpsynth.oversight.audit import audit_ledger
from dpsynth.oversight.audit_report import AuditCheck, LedgerAudit, RecomputedCost
from dpsynth.oversight.json_lines import export_json_lines
from dpsynth.oversight.page import ledger_page
from dpsynth.oversight.registry import Deployment, export_registry_entry, registry_entry
from dpsynth.oversight.requests import ReleaseRequest
from dpsynth.oversight.spreadsheet import export_csv
from dpsynth.oversight.timeline import Period, Timeline, timeline
from dpsynth.oversight.what_if import WhatIf, what_if

show_with(ledger_page)

__all__ = [
    "AuditCheck",
    "DatasetAccount",
    "Deployment",
    "LedgerAudit",
    "NoteLine",
    "Period",
    "RecomputedCost",
    "ReleaseLine",
    "ReleaseRequest",
    "Timeline",
    "WhatIf",
    "accounts",
    "audit_ledger",
    "export_csv",
    "export_json_lines",
    "export_registry_entry",
    "ledger_page",
    "registry_entry",
    "timeline",
    "what_if",
]

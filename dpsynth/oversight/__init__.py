"""What people see of a ledger: accounts, timelines, what-if, exports and audits.

Everything here reads and nothing here decides: no reservation depends on this package. It never sees a row; what it
shows is what the ledger says.
"""

from typing import TYPE_CHECKING

from dpsynth.ledger.display import show_with
from dpsynth.names_on_demand import find_on_demand

if TYPE_CHECKING:  # what `find_on_demand` finds
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


def _page(ledger: object) -> str:
    from dpsynth.oversight.page import ledger_page

    return ledger_page(ledger)


show_with(_page)

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

find_on_demand(
    __name__,
    {
        "AuditCheck": "dpsynth.oversight.audit_report",
        "DatasetAccount": "dpsynth.oversight.account",
        "Deployment": "dpsynth.oversight.registry",
        "LedgerAudit": "dpsynth.oversight.audit_report",
        "NoteLine": "dpsynth.oversight.account",
        "Period": "dpsynth.oversight.timeline",
        "RecomputedCost": "dpsynth.oversight.audit_report",
        "ReleaseLine": "dpsynth.oversight.account",
        "ReleaseRequest": "dpsynth.oversight.requests",
        "Timeline": "dpsynth.oversight.timeline",
        "WhatIf": "dpsynth.oversight.what_if",
        "accounts": "dpsynth.oversight.account",
        "audit_ledger": "dpsynth.oversight.audit",
        "export_csv": "dpsynth.oversight.spreadsheet",
        "export_json_lines": "dpsynth.oversight.json_lines",
        "export_registry_entry": "dpsynth.oversight.registry",
        "ledger_page": "dpsynth.oversight.page",
        "registry_entry": "dpsynth.oversight.registry",
        "timeline": "dpsynth.oversight.timeline",
        "what_if": "dpsynth.oversight.what_if",
    },
)

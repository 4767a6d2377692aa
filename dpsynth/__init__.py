"""Differentially private synthetic tables with a certificate, a report and a ledger that remembers what they cost."""

from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

import dpsynth.oversight  # noqa: F401 - it says how a notebook shows a ledger
from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.ledger import Ledger
from dpsynth.names_on_demand import find_on_demand

if TYPE_CHECKING:  # what `find_on_demand` finds
    from dpsynth.attack_table import attack_table
    from dpsynth.certification.certificate import Override
    from dpsynth.certification.verify import verify_release
    from dpsynth.curator import Curator
    from dpsynth.curator.discovery import discover_categories
    from dpsynth.export import export_withheld
    from dpsynth.generators.independent import Independent
    from dpsynth.generators.mwem import MWEM
    from dpsynth.oversight import audit_ledger, timeline, what_if
    from dpsynth.release import release
    from dpsynth.schema.schema import Schema
    from dpsynth.schema.table import SyntheticTable

try:
    __version__ = version("dpsynth")
except PackageNotFoundError:  # a source tree that nobody installed
    __version__ = "0+unknown"

__all__ = [
    "MWEM",
    "Curator",
    "Independent",
    "Ledger",
    "Override",
    "PrivacyBudget",
    "Schema",
    "SyntheticTable",
    "__version__",
    "attack_table",
    "audit_ledger",
    "discover_categories",
    "export_withheld",
    "release",
    "timeline",
    "verify_release",
    "what_if",
]

find_on_demand(
    __name__,
    {
        "Curator": "dpsynth.curator",
        "Independent": "dpsynth.generators.independent",
        "MWEM": "dpsynth.generators.mwem",
        "Override": "dpsynth.certification.certificate",
        "Schema": "dpsynth.schema.schema",
        "SyntheticTable": "dpsynth.schema.table",
        "attack_table": "dpsynth.attack_table",
        "audit_ledger": "dpsynth.oversight",
        "discover_categories": "dpsynth.curator.discovery",
        "export_withheld": "dpsynth.export",
        "release": "dpsynth.release",
        "timeline": "dpsynth.oversight",
        "verify_release": "dpsynth.certification.verify",
        "what_if": "dpsynth.oversight",
    },
)

"""Releases as the curator books them, without rows."""

from __future__ import annotations

from fractions import Fraction

from dpsynth.accounting.events import DpEvent, GdpEvent
from dpsynth.ledger import Ledger, Reservation

UNIT = "one row"


def reserve(ledger: Ledger, dataset: str, release_id: str, event: DpEvent, *, purpose: str = "fit mwem") -> Reservation:
    """Reserve `event` in the words of a test."""
    return ledger.reserve(
        dataset, release_id=release_id, purpose=purpose, event=event, asked="a request", unit=UNIT, certifiable=True
    )


def spend(ledger: Ledger, dataset: str, release_id: str, mu_squared: str) -> None:
    event = GdpEvent(Fraction(mu_squared))
    ledger.settle(ledger.open(reserve(ledger, dataset, release_id, event)), [("count", event)])

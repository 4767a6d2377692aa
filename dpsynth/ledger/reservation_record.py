"""Where a reservation stands and what is counted for it; what was declared afterwards is at its end at once."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from dpsynth.accounting.cost import PrivacyCost
from dpsynth.ledger.entry import LedgerEntry


class ReservationState(StrEnum):
    """Where a reservation stands."""

    RESERVED = "reserved"
    OPEN = "open"
    SETTLED = "settled"
    VOID = "void"
    DECLARED = "declared"


UNSETTLED = frozenset({ReservationState.RESERVED, ReservationState.OPEN})
"""States of what has not come to an end."""


@dataclass(slots=True)
class ReservationRecord:
    """A reservation, its state and what is counted for it now.

    Attributes:
        entry: the RESERVE or DECLARE entry.
        state: where it stands.
        cost: counted now: in full until settled, nothing once void.
        opened: the OPEN entry.
        epoch: the epoch of the population whose budget it charges.
    """

    entry: LedgerEntry
    state: ReservationState
    cost: PrivacyCost
    opened: LedgerEntry | None = None
    epoch: int = 1

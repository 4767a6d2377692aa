"""Where a reservation stands and what is counted for it; what was declared afterwards is at its end at once."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from dpsynth.accounting.cost import PrivacyCost
from dpsynth.ledger.entry import LedgerEntry
from dpsynth.ledger.running_cost import CostInUnits
from dpsynth.ledger.statement import EntryKind


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
        units: counted now: in full until settled, nothing once void.
        opened: the last OPEN entry; there are several where a training was resumed.
        epoch: the epoch of the population whose budget it charges.
        steps: up to which the steps of a training are used, where they are claimed.
        fingerprint: of the rows for which they were.
    """

    entry: LedgerEntry
    state: ReservationState
    units: CostInUnits
    opened: LedgerEntry | None = None
    epoch: int = 1
    steps: int = 0
    fingerprint: str = ""

    @property
    def cost(self) -> PrivacyCost:
        """What is counted now."""
        return self.units.cost

    def follow(self, entry: LedgerEntry) -> None:
        """Go where `entry` leads, an OPEN, STEPS, SETTLE or VOID that is legal here; costs are not its business."""
        match entry.kind:
            case EntryKind.OPEN:
                self.opened = entry
                if self.state is ReservationState.RESERVED:
                    self.state = ReservationState.OPEN
            case EntryKind.STEPS:
                self.steps, self.fingerprint = entry.steps, entry.fingerprint
            case EntryKind.SETTLE:
                self.state = ReservationState.SETTLED
            case _:
                self.state = ReservationState.VOID

"""Steps of a training that are claimed before they are answered, so that an interrupted one can be resumed.

Each STEPS entry claims the steps from the last one's number up to its own, durably and once, for the process that wrote
it. Who resumes claims what is left. `docs/design/resuming.md` proves that no step is ever answered twice.
"""

from __future__ import annotations

from dpsynth.accounting.events import DpEvent, GaussianCoverDpEvent, SelfComposedDpEvent
from dpsynth.ledger.reservation_record import ReservationRecord, ReservationState
from dpsynth.ledger.statement import EntryKind, Statement

_RESUMABLE = frozenset({ReservationState.OPEN, ReservationState.SETTLED})


def steps_of(event: DpEvent) -> int:
    """Return how many steps a training has; 0 for any other event."""
    match event:
        case GaussianCoverDpEvent(event=SelfComposedDpEvent(count=count)):
            return count
        case _:
            return 0


def refusal_of_claim(record: ReservationRecord, entry: Statement, epoch: int) -> str | None:
    """Return why `entry`, a STEPS or another OPEN, may not follow in `epoch`, in words; None where it may.

    What is settled counts in full: `refusal_of_covers` lets a training whose steps are claimed be settled in no other
    way.
    """
    if not record.entry.steps or record.state not in _RESUMABLE:
        return f"the reservation of release '{entry.release_id}' is {record.state}, so {entry.kind} is not possible"
    if record.epoch != epoch:
        return f"the training of release '{entry.release_id}' was paid for by an earlier budget, about other people"
    if entry.charges:
        return f"{entry.kind} holds no charge"
    if entry.kind is EntryKind.OPEN:
        return None
    if not record.steps < entry.steps <= record.entry.steps:
        return (
            f"{record.steps} of {record.entry.steps} steps of release '{entry.release_id}' are used, so those up to "
            f"{entry.steps} cannot be claimed"
        )
    if record.steps and entry.fingerprint != record.fingerprint:
        return f"the training of release '{entry.release_id}' was begun on other rows"
    return None

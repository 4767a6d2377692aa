"""Covers are charged as a whole: a settlement holds those that were reserved, or leaves them out, and makes no other.

A cover of fewer steps costs less. To decide on it by what the first steps showed is to choose the cost by the
transcript, which the filter does not allow. `docs/design/gaussian_cover.md` says why.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from dpsynth.accounting.events import ComposedDpEvent, DpEvent, GaussianCoverDpEvent, SelfComposedDpEvent
from dpsynth.ledger.running_cost import CostInUnits, is_at_most, units_of_parts
from dpsynth.ledger.statement import Statement


def refusal_of_covers(reserved: Statement, settled: Statement) -> str | None:
    """Return why `settled` may not end what `reserved` covers, in words; None where it may.

    Where something covered was reserved, each cover that is settled is one of those, and all the rest costs no more
    than the rest of the reservation: a cover that is left out pays for nothing else. A training whose steps are claimed
    is not left out, because it may be resumed.
    """
    had, rest = _parts(reserved)
    if not had:
        return None
    made, others = _parts(settled)
    if (made == had if reserved.steps else made <= had) and is_at_most(_cost(others), _cost(rest)):
        return None
    return (
        f"release '{settled.release_id}' reserved a cover, and a cover is charged as a whole: it cannot be settled by "
        "one of fewer steps or by anything else; it stays open and counts in full"
    )


def _parts(said: Statement) -> tuple[Counter[DpEvent], Counter[DpEvent]]:
    """Return how often `said` charges each cover, and each other event."""
    covers: Counter[DpEvent] = Counter()
    rest: Counter[DpEvent] = Counter()
    _count(said.events, 1, covers, rest)
    return covers, rest


def _count(events: Iterable[DpEvent], times: int, covers: Counter[DpEvent], rest: Counter[DpEvent]) -> None:
    for event in events:
        match event:
            case GaussianCoverDpEvent():
                covers[event] += times
            case SelfComposedDpEvent(inner, count):
                _count([inner], times * count, covers, rest)
            case ComposedDpEvent(inner):
                _count(inner, times, covers, rest)
            case _:
                rest[event] += times


def _cost(events: Counter[DpEvent]) -> CostInUnits:
    return units_of_parts([SelfComposedDpEvent(event, count) for event, count in events.items() if count])

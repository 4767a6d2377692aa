"""Spends that have already happened in another tool: they are written down, whether they fit or not.

A declared spend was not refused before the work; the ledger says so in its purpose. Where it does not fit, the promise
of the budget is broken already. Then everything that is left is used up, so that nothing more is granted.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from dpsynth.accounting.events import (
    ApproximateDpEvent,
    ComposedDpEvent,
    DpEvent,
    GdpEvent,
    event_to_json,
)
from dpsynth.errors import BudgetExceeded, InvalidInput, LedgerError
from dpsynth.integrations.foreign_events import spend_event
from dpsynth.ledger.chain import canonical_json
from dpsynth.ledger.ledger import Ledger
from dpsynth.ledger.statement import BudgetPolicy

_DECLARED = "declared, not enforced before the work"
_ALL, _WHY = "all that is left", "; did not fit, so all that was left is used"
_ATTEMPTS = 10
_LONGEST_WORDS = 120
_LONGEST_NOTE = 400


@dataclass(frozen=True, slots=True)
class DeclaredSpend:
    """What became of a declared spend.

    Attributes:
        release_id: under which the ledger holds it.
        event: what was declared.
        overspent: whether it did not fit: the budget's promise is broken, and the data set grants nothing any more.
    """

    release_id: str
    event: DpEvent
    overspent: bool


def declare_spend(
    ledger: Ledger,
    dataset: str,
    *,
    tool: str,
    purpose: str,
    epsilon: object = None,
    delta: object = 0,
    rho: object = None,
    event: DpEvent | None = None,
    unit: str | None = None,
    ticket: str = "",
    legal_basis: str = "",
) -> DeclaredSpend:
    """Write into `ledger` what `tool` has spent on the people in `dataset`.

    Args:
        ledger: the ledger.
        dataset: the data set that is charged.
        tool: name of the tool, such as "smartnoise-sql", "opendp" or "tumult".
        purpose: what it was for.
        epsilon: of an (epsilon, delta) spend.
        delta: its delta, or the failure chance of a `rho` spend.
        rho: of a zero-concentrated spend.
        event: the spend as an event, such as `smartnoise_event` returns, in place of `epsilon`, `delta` and `rho`.
        unit: who was protected; must be what the ledger protects. None where it is known to be the same.
        ticket: a name of this spend in the shop; one ticket of one tool is written once.
        legal_basis: the legal basis of the processing, in words.

    Raises:
        BudgetNotSet: a population of the data set has no budget.
        LedgerError: the ledger protects another unit or says nothing about it, the ticket was written before, or it
            could not be written.
        InvalidInput: no amount, or two, or one that means nothing.

    Privacy: charges the event to every population of the data set. A population in which it does not fit is charged
    everything that is left, and a note holds the event, because the ledger cannot hold more than its budget.
    """
    if event is None:
        event = spend_event(epsilon=epsilon, delta=delta, rho=rho)
    elif epsilon is not None or rho is not None or delta != 0:
        raise InvalidInput("a spend is declared as an event, or as amounts, not both")
    tool, purpose = _words("tool", tool), _words("purpose", purpose)
    ledger.budget(dataset)
    release_id = f"declared-{tool}-{_words('ticket', ticket) if ticket else uuid.uuid4().hex}"
    if any(entry.release_id == release_id for entry in ledger.entries()):
        raise LedgerError(f"ticket '{ticket}' of {tool} was declared before; one ticket is written once")
    spend = _Spend(
        ledger, release_id, f"{_DECLARED}: {tool}: {purpose}", _unit_of(ledger, dataset, unit), ticket, legal_basis
    )
    if spend.write(dataset, event, f"a declared spend of {tool}"):
        return DeclaredSpend(release_id, event, overspent=False)
    written = canonical_json(event_to_json(event))
    said = written if len(written) <= _LONGEST_NOTE else f"{written[:_LONGEST_NOTE]}..."
    for population in ledger.populations(dataset):
        # It happened to the people of every population, and each may have other room than the next.
        if not spend.write(population, event, f"a declared spend of {tool}"):
            spend.use_up(population)
            ledger.note(population, f"OVERSPENT by a spend that has happened: {said}", release_id=release_id)
    return DeclaredSpend(release_id, event, overspent=True)


@dataclass(frozen=True, slots=True)
class _Spend:
    ledger: Ledger
    release_id: str
    purpose: str
    unit: str
    ticket: str
    legal_basis: str

    def write(self, dataset: str, event: DpEvent, asked: str, *, why: str = "") -> bool:
        """Reserve, open and settle `event`; return whether it fitted."""
        purpose = f"{self.purpose}{why}"
        try:
            reservation = self.ledger.reserve(
                dataset,
                release_id=self.release_id,
                purpose=purpose,
                event=event,
                asked=asked,
                unit=self.unit,
                certifiable=False,
                ticket=self.ticket,
                legal_basis=self.legal_basis,
            )
        except BudgetExceeded:
            return False
        self.ledger.settle(self.ledger.open(reservation), [(purpose, event)])
        return True

    def use_up(self, population: str) -> None:
        """Charge all that is left; others may spend meanwhile, so look again until it fits or nothing is left."""
        if self.ledger.policy(population) is BudgetPolicy.PLAN:
            self._use_up_plan(population)
            return
        for _ in range(_ATTEMPTS):
            left = _all_that_is_left(self.ledger, population)
            if left is None or self.write(population, left, _ALL, why=_WHY):
                return
        raise LedgerError(
            f"'{population}' is overspent, but others spend from it faster than it can be closed; stop them and "
            "declare the spend again"
        )

    def _use_up_plan(self, population: str) -> None:
        plan = self.ledger.plan(population)
        if plan is None:
            raise LedgerError(
                f"'{population}' is overspent before its plan was locked, and a ledger cannot hold that: lock no plan, "
                "and release nothing more about these people"
            )
        for planned in plan.events:
            self.write(population, planned, _ALL, why=_WHY)


def _all_that_is_left(ledger: Ledger, dataset: str) -> DpEvent | None:
    """Return an event after which only what costs nothing fits; None where that is so already.

    What fits is the ledger's to say, so it is asked. Squared mu comes first: an event without a pure epsilon closes the
    sum of pure epsilons for good.
    """

    def fits(event: DpEvent) -> bool:
        try:
            ledger.require_room(dataset, event, asked="what is left")
        except BudgetExceeded:
            return False
        return True

    main: DpEvent | None = None
    if room := _largest(lambda amount: fits(GdpEvent(Fraction(amount, 10**12)))):
        main = GdpEvent(Fraction(room, 10**12))
    elif room := _largest(lambda amount: fits(ApproximateDpEvent(Decimal(f"{amount}e-12"), Decimal(0)))):
        main = ApproximateDpEvent(Decimal(f"{room}e-12"), Decimal(0))
    parts = [] if main is None else [main]
    if chance := _largest(lambda amount: fits(ApproximateDpEvent(Decimal(0), Decimal(f"{amount}e-24"))), 10**24):
        parts.append(ApproximateDpEvent(Decimal(0), Decimal(f"{chance}e-24")))
    return ComposedDpEvent(tuple(parts)) if parts else None


def _largest(fits: Callable[[int], bool], limit: int = 10**18) -> int:
    """Return the largest amount below `limit` that fits, 0 where none does; what is smaller fits too."""
    least, most = 0, 1
    while most < limit and fits(most):
        least, most = most, 2 * most
    most = min(most, limit)
    while most - least > 1:
        middle = (least + most) // 2
        if fits(middle):
            least = middle
        else:
            most = middle
    return least


def _unit_of(ledger: Ledger, dataset: str, unit: str | None) -> str:
    known = ledger.unit(dataset)
    if not (unit or known):
        raise LedgerError(f"the ledger does not say yet whom data set '{dataset}' protects; say it with `unit`")
    return unit or known


def _words(name: str, text: str) -> str:
    if not isinstance(text, str) or not text.isprintable() or not text.strip() or len(text) > _LONGEST_WORDS:
        raise InvalidInput(f"{name} is one line of 1 to {_LONGEST_WORDS} printable characters")
    return text.strip()

"""Spends that have already happened in another tool: they are written down, whether they fit or not.

A declared spend was not refused before the work; its entry is of a kind of its own. Where it does not fit, the promise
of the budget is broken already. It counts at its true size, and nothing more is granted.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from dpsynth.accounting.events import DpEvent
from dpsynth.errors import InvalidInput, LedgerError
from dpsynth.integrations.foreign_events import spend_event
from dpsynth.ledger.ledger import Ledger

_DECLARED = "declared, not enforced before the work"
_LONGEST_WORDS = 120


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

    Privacy: charges the event to every population of the data set. One in which it does not fit grants nothing more.
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
    ledger.declare(
        dataset,
        release_id=release_id,
        purpose=f"{_DECLARED}: {tool}: {purpose}",
        event=event,
        asked=f"a declared spend of {tool}",
        unit=_unit_of(ledger, dataset, unit),
        ticket=ticket,
        legal_basis=legal_basis,
    )
    return DeclaredSpend(release_id, event, overspent=bool(ledger.overspent(dataset)))


def _unit_of(ledger: Ledger, dataset: str, unit: str | None) -> str:
    known = ledger.unit(dataset)
    if not (unit or known):
        raise LedgerError(f"the ledger does not say yet whom data set '{dataset}' protects; say it with `unit`")
    return unit or known


def _words(name: str, text: str) -> str:
    if not isinstance(text, str) or not text.isprintable() or not text.strip() or len(text) > _LONGEST_WORDS:
        raise InvalidInput(f"{name} is one line of 1 to {_LONGEST_WORDS} printable characters")
    return text.strip()

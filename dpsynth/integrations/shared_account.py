"""The account of a data set, as another tool uses it: the charge stands before the tool may touch a row."""

from __future__ import annotations

import math
import uuid
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from dpsynth.accounting.budget import as_written, exact_decimal
from dpsynth.accounting.events import ApproximateDpEvent, DpEvent
from dpsynth.errors import BudgetExceeded, InvalidInput
from dpsynth.integrations.foreign_events import spend_event
from dpsynth.ledger.ledger import Ledger
from dpsynth.ledger.tokens import OpenToken, Reservation

_ROUNDING = Fraction(1) + Fraction(1, 10**9)
_LARGEST_EXPONENT = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedAccount:
    """One data set in one ledger, and what a tool must say about itself before it may spend there.

    Attributes:
        ledger: the ledger.
        dataset: the data set that is charged.
        tool: name of the tool.
        unit: who is protected, in the words of the ledger.
        purpose: why, in words; may be empty.
        rows_public: that the number of rows is public. The tool uses it without protection, so it must be said.
        rows_per_unit: largest number of rows of one protected unit. The tool protects one row.
        ticket: where the work was decided, as your own files name it; may be empty.
        legal_basis: the legal basis of the processing, in words; may be empty.

    Raises:
        InvalidInput: the number of rows was not said to be public, or `rows_per_unit` is no positive whole number.
        BudgetNotSet: the data set has no budget.
    """

    ledger: Ledger
    dataset: str
    tool: str
    unit: str
    purpose: str = ""
    rows_public: bool = False
    rows_per_unit: int = 1
    ticket: str = ""
    legal_basis: str = ""

    def __post_init__(self) -> None:
        """Refuse what cannot be charged rightly, before any work begins."""
        if self.rows_public is not True:
            raise InvalidInput(
                f"{self.tool} treats the number of rows as public; the budgets of this ledger do not. If everybody may "
                "know that number, say so with rows_public=True; if not, do not use it on this data set"
            )
        if isinstance(self.rows_per_unit, bool) or not isinstance(self.rows_per_unit, int) or self.rows_per_unit < 1:
            raise InvalidInput("rows_per_unit is the largest number of rows that one protected unit has, at least 1")
        self.ledger.budget(self.dataset)

    def event_of(self, epsilon: object, delta: object) -> ApproximateDpEvent:
        """Return what one unit is charged for work that is (`epsilon`, `delta`) private for one row.

        Raises:
            InvalidInput: they are no finite amounts of privacy.

        Source:
            Vadhan, "The Complexity of Differential Privacy" (2017), lemma 2.2 (groups of rows).
        """
        event = spend_event(epsilon=epsilon, delta=delta)
        if not isinstance(event, ApproximateDpEvent):
            raise InvalidInput(f"{self.tool} asked for an epsilon or delta without bound; that fits into no budget")
        return event if self.rows_per_unit == 1 else group_event(event, self.rows_per_unit)

    def has_room(self, event: DpEvent) -> bool:
        """Return whether `event` would fit now; charges nothing and promises nothing."""
        try:
            self.ledger.require_room(self.dataset, event, asked=f"work by {self.tool}")
        except BudgetExceeded:
            return False
        return True

    def reserve(self, event: DpEvent, *, what: str, asked: str) -> Reservation:
        """Set the cost of `event` aside; `what` names the work, `asked` its cost in words.

        Raises:
            BudgetExceeded: it does not fit.
            LedgerError: the ledger protects another unit, or could not be written.
        """
        purpose = ": ".join(part for part in (self.tool, what, self.purpose) if part)
        return self.ledger.reserve(
            self.dataset,
            release_id=f"{self.tool}-{uuid.uuid4().hex}",
            purpose=f"{purpose} (number of rows public)",
            event=event,
            asked=f"{asked} by {self.tool}",
            unit=self.unit,
            # The noise of these tools is made of floating-point numbers: no certificate may rest on it.
            certifiable=False,
            ticket=self.ticket,
            legal_basis=self.legal_basis,
        )

    def begin(self, event: DpEvent, *, what: str, asked: str) -> OpenToken:
        """Reserve `event` and open the reservation; when this returns, the tool may touch rows.

        Raises:
            BudgetExceeded: it does not fit; no row may be touched.
            LedgerError: the ledger protects another unit, or could not be written; no row may be touched.

        Privacy: charges `event` in full. Nothing is given back on the way: a fault after the reservation costs budget.
        """
        return self.ledger.open(self.reserve(event, what=what, asked=asked))

    def finish(self, token: OpenToken, event: DpEvent, *, what: str) -> None:
        """Write that the work behind `token` is done and cost `event`, which is at most what was reserved.

        Raises:
            LedgerError: it was settled before, or costs more than was reserved.
        """
        self.ledger.settle(token, [(f"{self.tool}: {what}", event)])


def group_event(event: ApproximateDpEvent, rows: int) -> ApproximateDpEvent:
    """Return what `rows` rows of one unit are charged together, where `event` is for one.

    Raises:
        InvalidInput: nothing would be left of the delta.
    """
    epsilon, exponent = event.epsilon * rows, float(event.epsilon) * (rows - 1)
    if not event.delta:
        return ApproximateDpEvent(epsilon, Decimal(0))
    delta = Fraction(1)
    if exponent < _LARGEST_EXPONENT:
        delta = as_written(math.exp(exponent)) * rows * Fraction(event.delta) * _ROUNDING
    if delta >= 1:
        raise InvalidInput(f"for {rows} rows of one unit this delta would be 1 or more, which protects nobody")
    return ApproximateDpEvent(epsilon, exact_decimal("delta", f"{math.ceil(delta * 10**24)}e-24"))

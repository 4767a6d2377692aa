"""One reservation in the ledger, drawn down question by question.

The whole allowance is reserved and opened before the first row is read. Each question is charged here, exactly, before
its mechanism runs. When the allowance closes, the ledger's charge is lowered to what was really asked; a crash leaves
it at the full reservation, so budget can be lost but privacy cannot.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

from dpsynth.accounting.cost import cost_of
from dpsynth.accounting.events import DpEvent
from dpsynth.errors import BudgetExceeded


class Allowance:
    """A zero-concentrated budget that may be spent adaptively.

    Attributes:
        dataset: the data set that is charged.
        rho: the reserved amount.

    Source: sums of rho chosen adaptively stay valid: Feldman and Zrnic 2021, theorem 4.3; Whitehouse et al. 2023.
    """

    __slots__ = ("_charged", "_closed", "_spent", "dataset", "rho")

    def __init__(self, dataset: str, rho: Fraction) -> None:
        """Start with nothing spent."""
        self.dataset = dataset
        self.rho = rho
        self._spent = Fraction(0)
        self._charged: list[tuple[str, DpEvent]] = []
        self._closed = False

    @property
    def remaining_rho(self) -> Fraction:
        """What is left."""
        return self.rho - self._spent

    @property
    def charged(self) -> tuple[tuple[str, DpEvent], ...]:
        """Everything charged so far, as (purpose, event), oldest first."""
        return tuple(self._charged)

    def charge(self, purpose: str, event: DpEvent) -> None:
        """Book `event`.

        Raises:
            BudgetExceeded: it does not fit, is not zero-concentrated, or the allowance is closed; nothing is booked.
        """
        cost = cost_of(event)
        if self._closed or cost.rho is None or cost.delta != 0 or cost.rho > self.remaining_rho:
            asked = "an unbounded cost" if cost.rho is None else f"rho {float(cost.rho):.6g} for '{purpose}'"
            left = "nothing: this allowance is closed" if self._closed else f"rho {float(self.remaining_rho):.6g}"
            raise BudgetExceeded(
                self.dataset,
                asked=f"{asked} inside one release",
                remaining=left,
                largest_epsilon=Decimal(0),
                delta=Decimal(0),
            )
        self._spent += cost.rho
        self._charged.append((purpose, event))

    def close(self) -> None:
        """End the allowance; later charges are refused."""
        self._closed = True

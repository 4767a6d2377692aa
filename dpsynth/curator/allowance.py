"""One reservation in the ledger, drawn down question by question.

The whole allowance is reserved and opened before the first row is read. Each question is charged here, exactly, before
its mechanism runs. When the allowance closes, the ledger's charge is lowered to what was really asked; a crash leaves
it at the full reservation, so budget can be lost but privacy cannot.
"""

from __future__ import annotations

import os
import threading
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

    __slots__ = ("_charged", "_closed", "_lock", "_process", "_spent", "dataset", "rho")

    def __init__(self, dataset: str, rho: Fraction) -> None:
        """Start with nothing spent."""
        self.dataset = dataset
        self.rho = rho
        self._spent = Fraction(0)
        self._charged: list[tuple[str, DpEvent]] = []
        self._closed = False
        self._lock = threading.Lock()
        # A forked copy would draw the same allowance down a second time, unseen by the ledger.
        self._process = os.getpid()

    @property
    def remaining_rho(self) -> Fraction:
        """What is left."""
        return self.rho - self._spent

    @property
    def charged(self) -> tuple[tuple[str, DpEvent], ...]:
        """Everything charged so far, as (purpose, event), oldest first."""
        return tuple(self._charged)

    def charge(self, purpose: str, event: DpEvent) -> None:
        """Book `event`; safe across threads.

        Raises:
            BudgetExceeded: it does not fit, is not zero-concentrated, or the allowance is closed or was reserved by
                another process; nothing is booked.
        """
        cost = cost_of(event)
        with self._lock:
            if not self._is_usable() or cost.rho is None or cost.delta != 0 or cost.rho > self.remaining_rho:
                raise self._refusal(purpose, cost.rho)
            self._spent += cost.rho
            self._charged.append((purpose, event))

    def close(self) -> None:
        """End the allowance; later charges are refused."""
        with self._lock:
            self._closed = True

    def _is_usable(self) -> bool:
        return not self._closed and os.getpid() == self._process

    def _refusal(self, purpose: str, rho: Fraction | None) -> BudgetExceeded:
        if self._is_usable():
            left = f"rho {float(self.remaining_rho):.6g}"
        else:
            left = "nothing: this allowance is closed, or belongs to another process"
        asked = "an unbounded cost" if rho is None else f"rho {float(rho):.6g} for '{purpose}'"
        return BudgetExceeded(
            self.dataset,
            asked=f"{asked} inside one release",
            remaining=left,
            largest_epsilon=Decimal(0),
            delta=Decimal(0),
        )

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
    """A Gaussian-DP budget that may be spent adaptively.

    Attributes:
        dataset: the data set that is charged.
        mu_squared: the reserved amount.
        delta: reserved for events that may fail outright.

    Source: sums of squared mu chosen adaptively stay valid: Smith and Thakurta 2022; docs/design/gaussian_filter.md.
    """

    __slots__ = ("_charged", "_closed", "_lock", "_process", "_spent", "_spent_delta", "dataset", "delta", "mu_squared")

    def __init__(self, dataset: str, mu_squared: Fraction, delta: Fraction = Fraction(0)) -> None:
        """Start with nothing spent."""
        self.dataset = dataset
        self.mu_squared = mu_squared
        self.delta = delta
        self._spent_delta = Fraction(0)
        self._spent = Fraction(0)
        self._charged: list[tuple[str, DpEvent]] = []
        self._closed = False
        self._lock = threading.Lock()
        # A forked copy would draw the same allowance down a second time, unseen by the ledger.
        self._process = os.getpid()

    @property
    def remaining_mu_squared(self) -> Fraction:
        """What is left."""
        return self.mu_squared - self._spent

    @property
    def charged(self) -> tuple[tuple[str, DpEvent], ...]:
        """Everything charged so far, as (purpose, event), oldest first."""
        return tuple(self._charged)

    def charge(self, purpose: str, event: DpEvent) -> None:
        """Book `event`; safe across threads.

        Raises:
            BudgetExceeded: it does not fit, has no finite mu or may fail too often, or the allowance is closed or was
                reserved by another process; nothing is booked.
        """
        cost = cost_of(event)
        with self._lock:
            asked = cost.mu_squared
            fails_too_often = self._spent_delta + cost.delta > self.delta
            if not self._is_usable() or asked is None or fails_too_often or asked > self.remaining_mu_squared:
                raise self._refusal(purpose, asked)
            self._spent += asked
            self._spent_delta += cost.delta
            self._charged.append((purpose, event))

    def close(self) -> None:
        """End the allowance; later charges are refused."""
        with self._lock:
            self._closed = True

    def _is_usable(self) -> bool:
        return not self._closed and os.getpid() == self._process

    def _refusal(self, purpose: str, mu_squared: Fraction | None) -> BudgetExceeded:
        if self._is_usable():
            left = f"squared mu {float(self.remaining_mu_squared):.6g}"
        else:
            left = "nothing: this allowance is closed, or belongs to another process"
        asked = "an unbounded cost"
        if mu_squared is not None:
            asked = f"squared mu {float(mu_squared):.6g} for '{purpose}'"
        return BudgetExceeded(
            self.dataset,
            asked=f"{asked} inside one release",
            remaining=left,
            largest_epsilon=Decimal(0),
            delta=Decimal(0),
        )

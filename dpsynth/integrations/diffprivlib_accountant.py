"""A budget accountant for diffprivlib whose budget is the ledger's.

Every function and model of diffprivlib calls `check` before it works on the data and `spend` when it is done. Here
`check` writes the charge, so that a data set that is spent refuses before a row is touched, and a run that dies
in between stays charged.
"""

from __future__ import annotations

import inspect
import os
import threading
from dataclasses import dataclass
from decimal import Decimal
from types import CodeType, FrameType
from typing import Any

from dpsynth.accounting.events import ApproximateDpEvent, SelfComposedDpEvent
from dpsynth.errors import InvalidInput, MissingExtra
from dpsynth.integrations.shared_account import SharedAccount
from dpsynth.ledger.ledger import Ledger
from dpsynth.ledger.tokens import OpenToken

try:
    from diffprivlib import BudgetAccountant
    from diffprivlib.utils import Budget
except ImportError as missing:
    raise MissingExtra("diffprivlib", "diffprivlib") from missing

_STEPS_PER_EPSILON = 10_000


@dataclass(frozen=True, slots=True)
class _Work:
    """Work that was checked and not spent yet; only the same function in the same process can settle it."""

    function: CodeType
    event: ApproximateDpEvent
    token: OpenToken
    process: int


class LedgerBudgetAccountant(BudgetAccountant):  # type: ignore[misc]
    """A `diffprivlib.BudgetAccountant` that spends from a data set of a ledger.

    Give it to functions and models as `accountant=`, or make it the default of the process with `set_default()`. It has
    no budget of its own, no slack and no advanced composition: what fits is decided by the ledger alone.

    Neighbors are tables of the same length in which one row holds something or nothing, so the number of rows is
    public. The means of diffprivlib are for rows that are replaced, its histograms for rows that are added; both hold
    for a row that is blanked out. See docs/how-to/one-ledger-for-the-shop.md.
    """

    def __init__(
        self,
        ledger: Ledger,
        dataset: str,
        *,
        unit: str,
        rows_public: bool,
        rows_per_unit: int = 1,
        purpose: str = "",
        ticket: str = "",
        legal_basis: str = "",
    ) -> None:
        """Charge `dataset` in `ledger`.

        Args:
            ledger: stays open as long as the accountant is used.
            dataset: the data set.
            unit: who is protected, in the words of the ledger.
            rows_public: must be True: diffprivlib uses the number of rows without protection.
            rows_per_unit: largest number of rows of one unit; every charge is multiplied by it.
            purpose: why, for the ledger.
            ticket: where it was decided, for the ledger.
            legal_basis: the legal basis of the processing, for the ledger.

        Raises:
            InvalidInput: the number of rows is not public, or `rows_per_unit` is no positive whole number.
            BudgetNotSet: the data set has no budget.
        """
        self._account = SharedAccount(
            ledger=ledger,
            dataset=dataset,
            tool="diffprivlib",
            unit=unit,
            purpose=purpose,
            rows_public=rows_public,
            rows_per_unit=rows_per_unit,
            ticket=ticket,
            legal_basis=legal_basis,
        )
        self._of_thread = threading.local()
        self._spends: list[tuple[float, float]] = []
        super().__init__()

    def __repr__(self, n_budget_max: int = 5) -> str:
        return f"LedgerBudgetAccountant(dataset={self._account.dataset!r})"

    def __copy__(self) -> LedgerBudgetAccountant:
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> LedgerBudgetAccountant:
        # scikit-learn copies the parameters of a model for every fold; a copy of a budget would be a second budget.
        return self

    def __reduce__(self) -> str:
        raise InvalidInput(
            "an accountant of a ledger belongs to one process and cannot be pickled; use n_jobs=1 or threads, or make "
            "one in each process"
        )

    @property
    def epsilon(self) -> float:
        """Epsilon of the data set's whole budget."""
        return float(self._account.ledger.budget(self._account.dataset).epsilon)

    @property
    def delta(self) -> float:
        """Delta of the data set's whole budget."""
        return float(self._account.ledger.budget(self._account.dataset).delta)

    @property
    def slack(self) -> float:
        """Always 0: the ledger composes by its own rule."""
        return 0.0

    @slack.setter
    def slack(self, slack: float) -> None:
        if slack != 0:
            raise InvalidInput("an accountant of a ledger has no slack: the ledger decides what fits by its own rule")

    @property
    def spent_budget(self) -> list[tuple[float, float]]:
        """The (epsilon, delta) per row that were spent through this object; the ledger knows what else was."""
        return list(self._spends)

    def check(self, epsilon: float, delta: float) -> bool:
        """Charge (`epsilon`, `delta`) to the ledger, or refuse; work on the data may begin when this returns True.

        Raises:
            BudgetExceeded: it does not fit.
            InvalidInput: it is no amount of privacy.
            LedgerError: the ledger protects another unit, or could not be written.

        Privacy: charges in full, once per call. A check that no `spend` follows stays charged, because the data may
        have been touched. To ask without a charge, use `fits`.
        """
        function = _code_of_caller(inspect.currentframe())
        self._waiting().append(self._begin(epsilon, delta, function))
        return True

    def spend(self, epsilon: float, delta: float) -> LedgerBudgetAccountant:
        """Write that the work is done that the last `check` of the same amount in the same function began.

        Raises:
            BudgetExceeded: there was no such check, and it does not fit.
            InvalidInput: it is no amount of privacy.
            LedgerError: it could not be written; the charge stands in full.

        Privacy: charges (`epsilon`, `delta`) where there was no such check.
        """
        function = _code_of_caller(inspect.currentframe())
        event = self._account.event_of(epsilon, delta)
        work = self._checked(function, event) or self._begin(epsilon, delta, function)
        self._account.finish(work.token, event, what=function.co_qualname)
        self._spends.append((float(epsilon), float(delta)))
        return self

    def fits(self, epsilon: float, delta: float = 0) -> bool:
        """Return whether `check` would pass now; charges nothing and promises nothing."""
        return self._account.has_room(self._account.event_of(epsilon, delta))

    def remaining(self, k: int = 1) -> Any:
        """Return the largest epsilon, rounded down at the fourth decimal, of which `k` spends without delta would fit.

        Raises:
            InvalidInput: `k` is no positive whole number.
        """
        if isinstance(k, bool) or not isinstance(k, int) or k < 1:
            raise InvalidInput("k is the number of spends, at least 1")
        fits, too_much = 0, int(self.epsilon * _STEPS_PER_EPSILON) + 2
        while too_much - fits > 1:
            middle = (fits + too_much) // 2
            epsilon = Decimal(middle) / _STEPS_PER_EPSILON
            if self._account.has_room(SelfComposedDpEvent(self._account.event_of(epsilon, 0), k)):
                fits = middle
            else:
                too_much = middle
        return Budget(fits / _STEPS_PER_EPSILON, 0)

    def _begin(self, epsilon: float, delta: float, function: CodeType) -> _Work:
        event = self._account.event_of(epsilon, delta)
        asked = f"epsilon {event.epsilon.normalize():f}" + (f" at delta {float(event.delta):g}" if event.delta else "")
        token = self._account.begin(event, what=function.co_qualname, asked=asked)
        return _Work(function, event, token, os.getpid())

    def _checked(self, function: CodeType, event: ApproximateDpEvent) -> _Work | None:
        """Take the youngest fitting work of this thread.

        The function must be the same, so that work which died is not settled by other work. So must the process: after
        a fork two processes hold the token, and both may publish.
        """
        waiting = self._waiting()
        for place in reversed(range(len(waiting))):
            work = waiting[place]
            if (work.function, work.event, work.process) == (function, event, os.getpid()):
                return waiting.pop(place)
        return None

    def _waiting(self) -> list[_Work]:
        if not hasattr(self._of_thread, "waiting"):
            self._of_thread.waiting = []
        waiting: list[_Work] = self._of_thread.waiting
        return waiting


def _code_of_caller(frame: FrameType | None) -> CodeType:
    if frame is None or frame.f_back is None:
        raise InvalidInput("an accountant of a ledger needs an interpreter that knows who calls")
    return frame.f_back.f_code

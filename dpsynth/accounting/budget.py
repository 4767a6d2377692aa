"""Exact privacy budgets: decimals in, decimals kept, so that three charges of 0.1 fit into 0.3."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from dpsynth.errors import InvalidBudget

_NUMBER_HINT = "a number such as 1, 0.5 or '1e-6'"

SMALLEST = Decimal("1e-12")
"""Resolution of the ledger: smaller amounts cannot be told from zero."""

LARGEST_EPSILON = Decimal(100)
"""Above this a budget protects nobody; it is refused as a mistake."""


def exact_decimal(name: str, value: float | int | str | Decimal) -> Decimal:
    """Return `value` as the decimal that a person would write for it.

    Raises:
        InvalidBudget: for booleans, text that is no number, NaN and infinities.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float, str, Decimal)):
        raise InvalidBudget(f"{name} must be {_NUMBER_HINT}, not a {type(value).__name__}")
    try:
        number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    except InvalidOperation:
        raise InvalidBudget(f"{name} must be {_NUMBER_HINT}") from None
    if not number.is_finite():
        raise InvalidBudget(f"{name} must be finite; an unlimited {name} would switch privacy off")
    return number


@dataclass(frozen=True, slots=True, init=False)
class PrivacyBudget:
    """An (epsilon, delta) guarantee, held exactly.

    Attributes:
        epsilon: between 1e-12 and 100.
        delta: 0, or between 1e-12 and below 1.

    Raises:
        InvalidBudget: for anything else, NaN, infinities, negative and subnormal numbers included.
    """

    epsilon: Decimal
    delta: Decimal

    def __init__(self, epsilon: float | int | str | Decimal, delta: float | int | str | Decimal) -> None:
        """Check and keep both numbers exactly."""
        exact_epsilon = exact_decimal("epsilon", epsilon)
        exact_delta = exact_decimal("delta", delta)
        if exact_epsilon < SMALLEST:
            raise InvalidBudget(f"epsilon must be at least {SMALLEST}; asked for {exact_epsilon:.3g}")
        if exact_epsilon > LARGEST_EPSILON:
            raise InvalidBudget(f"epsilon must be at most {LARGEST_EPSILON}; asked for {exact_epsilon:.6g}")
        if exact_delta < 0 or exact_delta >= 1 or (exact_delta != 0 and exact_delta < SMALLEST):
            raise InvalidBudget(
                f"delta must be 0, or at least {SMALLEST} and below 1 (and far below one over the number of people); "
                f"asked for {exact_delta:.3g}"
            )
        object.__setattr__(self, "epsilon", exact_epsilon)
        object.__setattr__(self, "delta", exact_delta)

    def __str__(self) -> str:
        """Return the budget as people write it."""
        return f"epsilon {self.epsilon.normalize():f}, delta {float(self.delta):g}"


def epsilon_rounded_up(epsilon: float) -> Decimal:
    """Return `epsilon` rounded up at the fourth decimal: the one place where a reported epsilon is rounded."""
    if not math.isfinite(epsilon):
        raise InvalidBudget("an infinite epsilon cannot be reported")
    scaled = Decimal(epsilon).scaleb(4)
    return Decimal(math.ceil(scaled)).scaleb(-4)

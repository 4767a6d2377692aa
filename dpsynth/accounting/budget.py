"""Exact privacy budgets: decimals in, decimals kept, so that three charges of 0.1 fit into 0.3."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from dpsynth.errors import InvalidBudget

_NUMBER_HINT = "a number such as 1, 0.5 or '1e-6'"

SMALLEST = Decimal("1e-12")
"""Resolution of the ledger: smaller amounts cannot be told from zero."""

LARGEST_EPSILON = Decimal(100)
"""Above this a budget protects nobody; it is refused as a mistake."""

_WRITTEN_NUMBER = re.compile(r"\+?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,4})?", re.ASCII)
_LONGEST_NUMBER = 64


def exact_decimal(name: str, value: float | int | str | Decimal) -> Decimal:
    """Return `value` as the decimal that a person would write for it.

    Raises:
        InvalidBudget: for booleans, text that is no plain number, negative numbers (-0.0 included), NaN and infinities.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float, str, Decimal)):
        raise InvalidBudget(f"{name} must be {_NUMBER_HINT}, not a {type(value).__name__}")
    written = float.__repr__(value) if isinstance(value, float) else str(value).strip()
    if re.fullmatch(r"[+-]?(nan|snan|inf|infinity)", written, re.IGNORECASE):
        raise InvalidBudget(f"{name} must be finite; an unlimited {name} would switch privacy off")
    if written.startswith("-"):
        raise InvalidBudget(f"{name} must not be negative, and not minus zero either")
    if len(written) > _LONGEST_NUMBER or not _WRITTEN_NUMBER.fullmatch(written):
        raise InvalidBudget(f"{name} must be {_NUMBER_HINT}")
    return Decimal(written)


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
        if exact_delta >= 1 or (exact_delta != 0 and exact_delta < SMALLEST):
            raise InvalidBudget(
                f"delta must be 0, or at least {SMALLEST} and below 1 (and far below one over the number of people); "
                f"asked for {exact_delta:.3g}"
            )
        object.__setattr__(self, "epsilon", exact_epsilon)
        object.__setattr__(self, "delta", exact_delta)

    def __str__(self) -> str:
        """Return the budget as people write it."""
        return f"epsilon {self.epsilon.normalize():f}, delta {float(self.delta):g}"


def as_written(number: float | Decimal | Fraction) -> Fraction:
    """Return `number` exactly; a float stands for the decimal that a person would write for it."""
    return Fraction(float.__repr__(number)) if isinstance(number, float) else Fraction(number)


def epsilon_rounded_up(epsilon: float | Decimal | Fraction) -> Decimal:
    """Return `epsilon` rounded up at the fourth decimal: the one place where a reported epsilon is rounded.

    A float stands for the decimal that a person would write for it, as in `exact_decimal`; every engine has rounded its
    own result up by more than that before it comes here.

    Raises:
        InvalidBudget: for a negative, infinite or undefined epsilon.
    """
    if not math.isfinite(epsilon) or epsilon < 0:
        raise InvalidBudget("an infinite or negative epsilon cannot be reported")
    return Decimal(f"{math.ceil(as_written(epsilon) * 10_000)}e-4")

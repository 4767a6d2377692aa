"""A sum of fractions that is exact and cheap to change: whole numbers over one denominator.

A ledger adds and takes away hundreds of thousands of costs at every opening. Costs are rounded to few denominators, so
one common denominator serves them all, and no step has to reduce a fraction.
"""

from __future__ import annotations

import math
from fractions import Fraction


class RunningTotal:
    """An exact sum, and the largest value that it ever had."""

    __slots__ = ("_denominator", "_largest", "_numerator")

    def __init__(self) -> None:
        """Start at zero."""
        self._numerator, self._largest, self._denominator = 0, 0, 1

    @property
    def value(self) -> Fraction:
        """The sum now."""
        return Fraction(self._numerator, self._denominator)

    @property
    def largest(self) -> Fraction:
        """The largest sum that `mark` ever saw; 0 at first."""
        return Fraction(self._largest, self._denominator)

    def add(self, amount: Fraction) -> None:
        """Count `amount` once more."""
        self._scale_to(amount.denominator)
        self._numerator += amount.numerator * (self._denominator // amount.denominator)

    def take(self, amount: Fraction) -> None:
        """Count `amount` once less."""
        self._scale_to(amount.denominator)
        self._numerator -= amount.numerator * (self._denominator // amount.denominator)

    def exchange(self, before: Fraction, after: Fraction) -> None:
        """Take `before`, add `after` and `mark`, in one step."""
        if before is not after:
            less, of_less = before.as_integer_ratio()
            more, of_more = after.as_integer_ratio()
            if self._denominator % of_less or self._denominator % of_more:
                self._scale_to(math.lcm(of_less, of_more))
            self._numerator += more * (self._denominator // of_more) - less * (self._denominator // of_less)
        if self._numerator > self._largest:
            self._largest = self._numerator

    def __bool__(self) -> bool:
        """Whether the sum is not zero."""
        return self._numerator != 0

    def __float__(self) -> float:
        """Return the sum now, rounded to the nearest float."""
        return self._numerator / self._denominator

    def mark(self) -> None:
        """Remember the sum as it is now for `largest`."""
        self._largest = max(self._largest, self._numerator)

    def _scale_to(self, denominator: int) -> None:
        if self._denominator % denominator:
            finer = math.lcm(self._denominator, denominator) // self._denominator
            self._numerator *= finer
            self._largest *= finer
            self._denominator *= finer

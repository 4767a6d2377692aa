"""The cut of a number line into codes: bins of equal width or between given edges, and spikes that stay exact.

Every code is one closed interval of numbers, so that a number drawn from a code's interval always belongs to that code
again. Cuts come from the schema alone.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from dpsynth.errors import InvalidInput

LARGEST_WHOLE = 2.0**53 - 1.0
"""Whole numbers up to here are told apart by 64-bit floats, and so is the next one."""

LARGEST_NUMBER = 1e300

MOST_BINS = 10_000


@dataclass(frozen=True, slots=True)
class Bins:
    """Disjoint closed intervals in increasing order, one per code.

    Attributes:
        lows: smallest number of each interval.
        highs: largest number of each interval.
        minimum: lower end of the declared range; only spikes may lie below.
        maximum: upper end of the declared range; only spikes may lie above.
        whole: whether only whole numbers occur; others are rounded down before they are placed.
        spikes: numbers that are intervals of their own because the schema says so, in order.
    """

    lows: tuple[float, ...]
    highs: tuple[float, ...]
    minimum: float
    maximum: float
    whole: bool
    spikes: tuple[float, ...] = ()

    @property
    def size(self) -> int:
        """The number of codes."""
        return len(self.lows)

    def place(self, number: float, *, clip: bool) -> int | None:
        """Return the code of `number`, which is not NaN.

        Outside the declared range that is the code of the nearer end if `clip`, else None.
        """
        if self.whole and math.isfinite(number):
            number = math.floor(number)
        code = bisect_right(self.lows, number) - 1
        if code >= 0 and number <= self.highs[code]:
            return code
        if not clip:
            return None
        return bisect_right(self.lows, self.minimum if number < self.minimum else self.maximum) - 1

    def place_all(self, numbers: NDArray[np.float64], *, clip: bool) -> NDArray[np.int32]:
        """Return `place` for every number, shape kept; -1 stands for None."""
        lows, highs = np.asarray(self.lows), np.asarray(self.highs)
        if self.whole:
            numbers = np.floor(numbers)
        codes = np.searchsorted(lows, numbers, side="right") - 1
        inside = (codes >= 0) & (numbers <= highs[np.maximum(codes, 0)])
        ends = np.where(numbers < self.minimum, self.minimum, self.maximum)
        elsewhere = np.searchsorted(lows, ends, side="right") - 1 if clip else np.full(codes.shape, -1)
        placed: NDArray[np.int32] = np.where(inside, codes, elsewhere).astype(np.int32)
        return placed

    def spread(self, codes: NDArray[np.int32], uniform: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return one number per code, uniform over the code's interval.

        Args:
            codes: places in this cut.
            uniform: numbers in [0, 1), same shape.
        """
        lows, highs = np.asarray(self.lows)[codes], np.asarray(self.highs)[codes]
        if self.whole:
            whole: NDArray[np.float64] = np.minimum(lows + np.floor(uniform * (highs - lows + 1.0)), highs)
            return whole
        # weighted ends instead of low + u * width: the width of a wide interval overflows
        spread: NDArray[np.float64] = np.clip((1.0 - uniform) * lows + uniform * highs, lows, highs)
        return spread

    def edges(self) -> tuple[tuple[float, float], ...]:
        """Return the ends of every interval."""
        return tuple(zip(self.lows, self.highs, strict=True))


def equal_bins(minimum: float, maximum: float, count: int, spikes: Iterable[float], *, whole: bool) -> Bins:
    """Return `count` bins of equal width (fewer where there are fewer whole numbers), cut open at the spikes.

    Raises:
        InvalidInput: the range is empty, too wide or too fine for that many bins.
    """
    _check_range(minimum, maximum, whole=whole)
    if not 1 <= count <= MOST_BINS:
        raise InvalidInput(f"the number of bins must lie between 1 and {MOST_BINS}")
    if whole:
        numbers = int(maximum) - int(minimum) + 1
        count = min(count, numbers)
        starts = [float(int(minimum) + numbers * bin_ // count) for bin_ in range(count)]
    elif minimum == maximum:
        starts = [minimum]
    else:
        starts = [minimum + (maximum - minimum) * (bin_ / count) for bin_ in range(count)]
    return _cut(starts, minimum, maximum, spikes, whole=whole)


def edged_bins(edges: Sequence[float], spikes: Iterable[float], *, whole: bool) -> Bins:
    """Return the bins between `edges`: each holds its lower edge, the last one also its upper edge.

    Raises:
        InvalidInput: fewer than two edges, edges that do not increase, or edges that are not whole where they must be.
    """
    if not 2 <= len(edges) <= MOST_BINS + 1:
        raise InvalidInput(f"a list of bin edges needs at least 2 and at most {MOST_BINS + 1} numbers")
    if not all(low < high for low, high in pairwise(edges)):
        raise InvalidInput("bin edges must increase, each above the one before")
    _check_range(edges[0], edges[-1], whole=whole)
    if whole and any(edge != math.floor(edge) for edge in edges):
        raise InvalidInput("bin edges of a whole-number column must be whole numbers")
    return _cut(edges[:-1], edges[0], edges[-1], spikes, whole=whole)


def subdivided(bins: Bins, cells: int) -> tuple[Bins, tuple[int, ...]]:
    """Return a finer cut with about `cells` codes, and the code in `bins` that each of its codes lies in.

    Every interval is cut into pieces of equal width, all intervals into equally many; spikes stay as they are.
    """
    pieces = [
        (start, stop, code)
        for code, (low, high) in enumerate(bins.edges())
        for start, stop in _equal_parts(low, high, max(1, cells // bins.size), whole=bins.whole)
    ]
    lows, highs, codes = zip(*pieces, strict=True)
    return replace(bins, lows=lows, highs=highs), codes


def _equal_parts(low: float, high: float, count: int, *, whole: bool) -> list[tuple[float, float]]:
    if whole:
        numbers = int(high) - int(low) + 1
        count = min(count, numbers)
        starts = [float(int(low) + numbers * part // count) for part in range(count)]
    else:
        between = ((1 - part / count) * low + part / count * high for part in range(count))
        starts = sorted({min(max(start, low), high) for start in between})
    return list(zip(starts, [*(_before(start, whole=whole) for start in starts[1:]), high], strict=True))


def _check_range(minimum: float, maximum: float, *, whole: bool) -> None:
    largest = LARGEST_WHOLE if whole else LARGEST_NUMBER
    if not (abs(minimum) <= largest and abs(maximum) <= largest):
        raise InvalidInput(f"bounds must lie between -{largest:g} and {largest:g}")
    if whole and (minimum != math.floor(minimum) or maximum != math.floor(maximum)):
        raise InvalidInput("bounds of a whole-number column must be whole numbers")
    if minimum > maximum:
        raise InvalidInput("the minimum must not lie above the maximum")


def _cut(starts: Sequence[float], minimum: float, maximum: float, spikes: Iterable[float], *, whole: bool) -> Bins:
    if not all(low < high for low, high in pairwise(starts)) or starts[-1] > maximum:
        raise InvalidInput("the range is too narrow for that many bins")
    pieces = [(low, _before(following, whole=whole)) for low, following in pairwise(starts)]
    pieces.append((starts[-1], maximum))
    alone = sorted(set(spikes))
    for spike in alone:
        _check_range(spike, spike, whole=whole)
        pieces = [part for piece in pieces for part in _opened(piece, spike, whole=whole)]
        pieces.append((spike, spike))
    pieces.sort()
    return Bins(
        lows=tuple(float(low) for low, _ in pieces),
        highs=tuple(float(high) for _, high in pieces),
        minimum=float(minimum),
        maximum=float(maximum),
        whole=whole,
        spikes=tuple(map(float, alone)),
    )


def _opened(piece: tuple[float, float], spike: float, *, whole: bool) -> list[tuple[float, float]]:
    low, high = piece
    if not low <= spike <= high:
        return [piece]
    parts = [(low, _before(spike, whole=whole)), (_after(spike, whole=whole), high)]
    return [(start, end) for start, end in parts if start <= end]


def _before(number: float, *, whole: bool) -> float:
    return number - 1.0 if whole else math.nextafter(number, -math.inf)


def _after(number: float, *, whole: bool) -> float:
    return number + 1.0 if whole else math.nextafter(number, math.inf)

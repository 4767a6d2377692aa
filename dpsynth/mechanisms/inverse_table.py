"""Draws integers from a known distribution through its inverse cumulative function, to 128 bits.

A table holds ascending thresholds of 128 bits. A draw is a uniform 128-bit integer; the answer is the number of
thresholds at or below it. The high 64 bits decide almost always; the low 64 bits are drawn only where the high bits hit
a threshold exactly. Bytes are asked for in that order: the high words of a block, then the low words of its ties. The
highest 14 bits tell the answer at once unless a threshold begins with the same; only then is there a search.

Source: inversion, Devroye, "Non-Uniform Random Variate Generation" (1986), section III.2; as a table of cumulative
integers, Peikert (eprint 2010/088), section 4.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from dpsynth.errors import InvalidInput
from dpsynth.randomness import NoiseSource, uniform_words

QUANTILE_BITS = 128
_WHOLE = 1 << QUANTILE_BITS
_BLOCK = 1 << 16  # words per block: half a megabyte, so that drawing and searching stay in the cache
_GUIDE_BITS = 14
_BEYOND_GUIDE = np.uint64(64 - _GUIDE_BITS)


@dataclass(frozen=True, slots=True, eq=False)
class InverseTable:
    """The distribution of `smallest` + (number of thresholds at or below a uniform 128-bit integer).

    Attributes:
        high: high 64 bits of the ascending thresholds, shape (rows,).
        low: low 64 bits of the same, shape (rows,).
        smallest: the value below the first threshold.
    """

    high: NDArray[np.uint64]
    low: NDArray[np.uint64]
    smallest: int
    _guide: NDArray[np.int32] = field(init=False)

    def __post_init__(self) -> None:
        """Count the thresholds below every word that begins with given bits; -1 where one begins with them."""
        below = np.searchsorted(self.high, np.arange(1 << _GUIDE_BITS, dtype=np.uint64) << _BEYOND_GUIDE)
        guide = np.where(below == np.append(below[1:], self.high.size), below, -1).astype(np.int32)
        guide.flags.writeable = False
        object.__setattr__(self, "_guide", guide)

    @classmethod
    def one_sided(cls, weights: Sequence[int]) -> InverseTable:
        """Return the table that draws i = 0, 1, ... with probability proportional to `weights[i]`.

        Raises:
            InvalidInput: when the first weight is not positive or another is negative.
        """
        tails = _tails(weights)
        total = weights[0] + tails[0]
        return cls._from_thresholds([_WHOLE - (tail << QUANTILE_BITS) // total for tail in tails], smallest=0)

    @classmethod
    def symmetric(cls, weights: Sequence[int]) -> InverseTable:
        """Return the table that draws i and -i each with probability proportional to `weights[i]`.

        Exactly symmetric: the thresholds of the positive side mirror those of the negative side.

        Raises:
            InvalidInput: when the first weight is not positive or another is negative.
        """
        tails = _tails(weights)
        total = weights[0] + 2 * tails[0]
        lower = [rounded for tail in reversed(tails) if (rounded := (tail << QUANTILE_BITS) // total)]
        upper = [_WHOLE - threshold for threshold in reversed(lower)]
        return cls._from_thresholds(lower + upper, smallest=-len(lower))

    @classmethod
    def _from_thresholds(cls, thresholds: Sequence[int], *, smallest: int) -> InverseTable:
        # A threshold of 2**128 is never reached: its tail is lighter than 2**-128 and is cut here.
        packed = b"".join(threshold.to_bytes(16, "big") for threshold in thresholds if threshold < _WHOLE)
        words = np.frombuffer(packed, dtype=">u8").astype(np.uint64).reshape(-1, 2)
        high, low = np.ascontiguousarray(words[:, 0]), np.ascontiguousarray(words[:, 1])
        for column in (high, low):
            column.flags.writeable = False  # tables are cached and shared
        return cls(high, low, smallest)

    @property
    def thresholds(self) -> list[int]:
        """The ascending thresholds as integers in units of 2**-128."""
        return [(int(high) << 64) | int(low) for high, low in zip(self.high, self.low, strict=True)]

    @property
    def distance(self) -> Fraction:
        """Upper bound on the total variation distance between one draw and the weights' ideal.

        Each threshold, and the one cut off on either side, is off by at most one unit of rounding and one of
        accumulated fixed-point error.
        """
        return Fraction(self.high.size + 2, 1 << (QUANTILE_BITS - 1))

    def draw(self, noise: NoiseSource, count: int) -> NDArray[np.int64]:
        """Return `count` independent draws, shape (count,)."""
        drawn = np.full(count, self.smallest, dtype=np.int64)
        if self.high.size:
            for start in range(0, count, _BLOCK):
                block = drawn[start : start + _BLOCK]
                block += self._quantiles(noise, block.size)
        return drawn

    def _quantiles(self, noise: NoiseSource, count: int) -> NDArray[np.intp]:
        words = uniform_words(noise, count)
        reached = self._guide[(words >> _BEYOND_GUIDE).astype(np.intp)].astype(np.intp)
        searched = np.flatnonzero(reached < 0)
        found = np.searchsorted(self.high, words[searched], side="right")
        reached[searched] = found
        # Where no threshold was reached, found - 1 wraps to the largest threshold, which then cannot be equal.
        tied = searched[self.high[found - 1] == words[searched]]
        for position, low_word in zip(tied, uniform_words(noise, tied.size), strict=True):
            end = reached[position]
            start = np.searchsorted(self.high, words[position], side="left")
            reached[position] = start + np.searchsorted(self.low[start:end], low_word, side="right")
        return reached


def _tails(weights: Sequence[int]) -> list[int]:
    """Return the sums of the weights beyond 0, beyond 1, ..., and last the empty sum 0."""
    if not weights or weights[0] <= 0 or min(weights) < 0:
        raise InvalidInput("a distribution needs a positive first weight and no negative one")
    return list(accumulate(reversed(weights[1:]), initial=0))[::-1]

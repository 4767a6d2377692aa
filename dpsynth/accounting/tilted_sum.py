"""The masses of a sum of independent losses, by fast Fourier transforms, each rounded up.

Short distributions that occur equally often are convolved with one another first, in transforms of their own length,
so that a hundred kinds of small losses need a few transforms of the whole window and not a hundred.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, next_fast_len, rfft

ROUNDING = 2.0**-50
"""Eight units of rounding: a transform of length n is off by at most this times log2(n) (Higham, theorem 24.2)."""

_MOST_REPEATED = 1000
_SHORT = 16
_JOINED = 4

_Numbers = TypeVar("_Numbers", NDArray[np.float64], NDArray[np.complex128])


@dataclass(frozen=True, slots=True)
class TiltedLoss:
    """One distribution, tilted and normalised.

    Attributes:
        first: index of the first grid point.
        mass: float array, masses on neighboring grid points, no smaller than the truth and with a sum of about 1.
        times: how often it occurs in the sum.
    """

    first: int
    mass: NDArray[np.float64]
    times: int


def masses_of_sum(parts: Sequence[TiltedLoss], lowest: int, least_size: int) -> NDArray[np.float64]:
    """Return the masses of the sum on a window that begins at the index `lowest`, each rounded up.

    What falls outside the window wraps around into it, which only adds mass. A transform of length n is off by at most
    8 log2(n) units of rounding in Euclidean norm (Higham, "Accuracy and Stability of Numerical Algorithms", theorem
    24.2); what that does to a product of powers is bounded frequency by frequency.
    """
    size = int(next_fast_len(least_size, real=True))
    noise = ROUNDING * math.log2(size)
    centre, count = 0, 0
    product: NDArray[np.complex128] = np.ones(size // 2 + 1, dtype=np.complex128)
    bound = np.ones(size // 2 + 1)
    for part in _joined(parts, size):
        total = float(np.sum(part.mass))
        middle = round(float(part.mass @ np.arange(len(part.mass))) / total)
        frequencies = rfft(_around(part.mass, middle, size), size)
        product *= _power(frequencies, part.times)
        bound *= _power(np.abs(frequencies) + noise * total, part.times)
        centre, count = centre + part.times * (part.first + middle), count + part.times
    absolute = np.abs(product)
    excess = 2 * float(np.sum(bound * (1 + ROUNDING * count / 8) - absolute * (1 - ROUNDING * count))) / size
    inverse = noise * math.sqrt(2 * float(np.sum(absolute**2)) / size)
    masses: NDArray[np.float64] = np.roll(irfft(product, size), -((lowest - centre) % size))
    return np.maximum(masses, 0.0) + max(excess, 0.0) + inverse


def _around(mass: NDArray[np.float64], middle: int, size: int) -> NDArray[np.float64]:
    """Return `mass` on a circle of `size` points, with the entry `middle` at the point 0."""
    if len(mass) > size:
        return np.bincount((np.arange(len(mass)) - middle) % size, mass, size).astype(np.float64)
    circle = np.zeros(size)
    circle[: len(mass) - middle] = mass[middle:]
    circle[size - middle :] = mass[:middle]
    return circle


def _joined(parts: Sequence[TiltedLoss], size: int) -> list[TiltedLoss]:
    """Convolve short distributions that occur equally often, the shortest first, up to a fraction of the window."""
    result, short = [], dict[int, list[tuple[int, int, TiltedLoss]]]()
    for place, part in enumerate(parts):
        if part.times <= _MOST_REPEATED and len(part.mass) <= size // _SHORT:
            short.setdefault(part.times, []).append((len(part.mass), place, part))
        else:
            result.append(part)
    place = len(parts)
    for group in short.values():
        heapq.heapify(group)
        while len(group) > 1 and group[0][0] + group[1][0] <= size // _JOINED:
            one, other = heapq.heappop(group)[2], heapq.heappop(group)[2]
            both = _convolved(one, other)
            place += 1
            heapq.heappush(group, (len(both.mass), place, both))
        result += [part for _, _, part in group]
    return result


def _convolved(one: TiltedLoss, other: TiltedLoss) -> TiltedLoss:
    """Return the sum of two losses that occur equally often, each mass rounded up.

    Let S be |a|_2 |b|_1 + |a|_1 |b|_2. Both transforms, each off by a share e of its norm, change the product by at
    most e S in Euclidean norm, up to squares of e; the product and the inverse transform add less than e S again.
    """
    length = len(one.mass) + len(other.mass) - 1
    size = int(next_fast_len(length, real=True))
    masses = irfft(rfft(one.mass, size) * rfft(other.mass, size), size)[:length]
    norms = [(float(np.linalg.norm(part.mass)), float(np.sum(part.mass))) for part in (one, other)]
    wrong = 2 * ROUNDING * max(1.0, math.log2(size)) * (norms[0][0] * norms[1][1] + norms[0][1] * norms[1][0])
    return TiltedLoss(one.first + other.first, np.maximum(masses, 0.0) + wrong, one.times)


def _power(values: _Numbers, times: int) -> _Numbers:
    """Return `values` to the power of `times`, by squaring: off by at most `times` roundings of a product."""
    result = None
    while True:
        if times & 1:
            result = values if result is None else result * values
        times >>= 1
        if not times:
            return np.ones_like(values) if result is None else result
        values = values * values

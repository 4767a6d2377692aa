"""Randomness for privacy noise, apart from randomness for public sampling.

Privacy noise comes from a `NoiseSource`, which only the curator's gate and the ledger-bound coins hold. Public sampling
(records from a fitted model, bootstrap of public scores) takes a `numpy.random.Generator`. The two types share no
method, so they cannot be swapped. This module refuses to keep a buffer: every draw reads the operating system again,
which makes it safe across fork.
"""

from __future__ import annotations

import hashlib
import os
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from dpsynth.errors import InvalidInput


class NoiseSource(Protocol):
    """A source of uniform random bytes for privacy noise."""

    @property
    def certifiable(self) -> bool:
        """Whether a release drawn from this source may be certified."""

    def random_bytes(self, count: int) -> bytes:
        """Return `count` uniform bytes."""


class SystemNoise:
    """The operating system's entropy: the only source that a certified release may use."""

    __slots__ = ()

    @property
    def certifiable(self) -> bool:
        """True: nothing can replay or predict these bytes."""
        return True

    def random_bytes(self, count: int) -> bytes:
        """Return `count` bytes read from the kernel in this very call."""
        return os.urandom(count)


class SeededNoise:
    """A deterministic byte stream for tests; whatever it touched can never be certified."""

    __slots__ = ("_counter", "_seed")

    def __init__(self, seed: int) -> None:
        """Start the stream of `seed`."""
        self._seed = seed
        self._counter = 0

    @property
    def certifiable(self) -> bool:
        """False: a seed makes noise removable."""
        return False

    def random_bytes(self, count: int) -> bytes:
        """Return the next `count` bytes of a SHAKE-256 stream."""
        self._counter += 1
        return hashlib.shake_256(f"dpsynth-test-noise:{self._seed}:{self._counter}".encode()).digest(count)


def uniform_words(noise: NoiseSource, count: int) -> NDArray[np.uint64]:
    """Return `count` independent uniform 64-bit words, shape (count,).

    Raises:
        InvalidInput: when the source returns more or fewer bytes than it was asked for.
    """
    drawn = noise.random_bytes(8 * count)
    if len(drawn) != 8 * count:
        raise InvalidInput(f"a noise source must return exactly the bytes it is asked for: {8 * count}")
    return np.frombuffer(drawn, dtype="<u8").astype(np.uint64, copy=False)


def secret_coins(noise: NoiseSource, count: int, numerator: int, denominator: int) -> NDArray[np.bool_]:
    """Return `count` independent coins, each true with probability exactly numerator / denominator, shape (count,).

    A word that equals the first 64 binary digits of the probability is decided by the following digits, and so on. A
    numerator above the denominator counts as certainty.

    Raises:
        InvalidInput: for a negative numerator or a denominator below 1.
    """
    if numerator < 0 or denominator < 1:
        raise InvalidInput(f"{numerator} / {denominator} is no probability")
    if numerator >= denominator:
        return np.ones(count, dtype=np.bool_)
    threshold, remainder = divmod(numerator << 64, denominator)
    words = uniform_words(noise, count)
    coins: NDArray[np.bool_] = words < np.uint64(threshold)
    undecided = np.flatnonzero(words == np.uint64(threshold))
    if undecided.size and remainder:
        coins[undecided] = secret_coins(noise, undecided.size, remainder, denominator)
    return coins


def uniform_below(noise: NoiseSource, bound: int) -> int:
    """Return one integer, exactly uniform over 0 .. `bound` - 1, of any size.

    Raises:
        InvalidInput: when `bound` is below 1.
    """
    if bound < 1:
        raise InvalidInput(f"a uniform integer needs a bound of at least 1, not {bound}")
    bits = (bound - 1).bit_length()
    while True:
        # Reject rather than reduce modulo the bound, which would favor small integers; fewer than two tries on average.
        drawn = int.from_bytes(noise.random_bytes((bits + 7) // 8), "little") & ((1 << bits) - 1)
        if drawn < bound:
            return drawn

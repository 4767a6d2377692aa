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
    """Return `count` independent uniform 64-bit words, shape (count,)."""
    return np.frombuffer(noise.random_bytes(8 * count), dtype="<u8").astype(np.uint64, copy=False)


def secret_coins(noise: NoiseSource, count: int, numerator: int, denominator: int) -> NDArray[np.bool_]:
    """Return `count` independent coins, each true with probability numerator / denominator to within 2**-64."""
    threshold = (numerator << 64) // denominator
    if threshold >= 1 << 64:
        return np.ones(count, dtype=np.bool_)
    return uniform_words(noise, count) < np.uint64(threshold)

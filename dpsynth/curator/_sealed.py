"""Rows and everything computed from rows without noise; an import contract keeps this module to the curator."""

from __future__ import annotations

from typing import TypeVar

from dpsynth.curator.seal import Sealed, content_of

T = TypeVar("T")


class Private(Sealed[T]):
    """Rows, or anything computed from rows without noise: counts, minima, exact marginals, the number of rows."""

    __slots__ = ()


def unseal(private: Private[T]) -> T:
    """Return the private content; the caller must be inside the curator."""
    return content_of(private)

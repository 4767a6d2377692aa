"""Clipping of the gradients of many units at once, to whole numbers whose norm is tested without rounding.

A gradient comes in parts, one per parameter, and each part as an outer product of two vectors: that of a matrix in a
dense layer is one, and for anything else the second vector is the number one. Norms and sums of outer products need no
gradient written out. `docs/design/dp_sgd.md` proves that no unit moves a sum by more than LATTICE.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LATTICE = 1 << 26
"""Steps in one clipping norm: whole numbers of squared norm LATTICE**2 are a gradient at the clipping norm."""

MOST_AT_ONCE = 1 << 26
"""Units that `total` adds up without rounding: their sums stay below 2**53."""

_ROOM = 1 - 2.0**-40  # so that rounding errors of the norm never push a shortened gradient out of the ball
_RIGHT_STEPS = float(1 << 12)  # in the length of a right factor; the left one has the other 14 bits


@dataclass(frozen=True, slots=True, repr=False)
class OuterProducts:
    """For each of several rows or units an outer product: the gradient by one parameter.

    Attributes:
        left: shape (units, n).
        right: shape (units, m).
    """

    left: NDArray[np.float64]
    right: NDArray[np.float64]

    @classmethod
    def of_vectors(cls, vectors: NDArray[np.float64]) -> OuterProducts:
        """Return `vectors`, shape (units, n), as products with the number one."""
        return cls(vectors, np.ones((len(vectors), 1)))


def whole(parts: Sequence[OuterProducts]) -> NDArray[np.float64]:
    """Return the gradients written out, shape (units, size)."""
    with np.errstate(all="ignore"):
        flat = [(part.left[:, :, None] * part.right[:, None, :]).reshape(len(part.left), -1) for part in parts]
    return np.concatenate(flat, axis=1)


def per_unit(gradients: NDArray[np.float64], owner: NDArray[np.intp], units: int) -> NDArray[np.float64]:
    """Return the sum of the gradients of each unit's rows, shape (units, size); `owner` is sorted."""
    if len(owner) == units:
        return gradients
    with np.errstate(all="ignore"):  # a warning would tell that somebody's gradient is not finite
        return np.add.reduceat(gradients, np.searchsorted(owner, np.arange(units)), axis=0)


def clipped(parts: Sequence[OuterProducts], clipping_norm: float) -> tuple[OuterProducts, ...]:
    """Return every gradient as products of whole numbers, of at most LATTICE in Euclidean norm, exactly.

    A gradient is scaled down to `clipping_norm` where it is longer, divided by clipping_norm / LATTICE, and its factors
    are rounded; left ones make up for what that does to the length of right ones. Where rounding made the gradient too
    long, left factors are shortened and cut toward zero. One whose norm is not finite counts as zero.
    """
    with np.errstate(all="ignore"):
        norms = np.sqrt(_squared_norms(parts))
        usable = np.isfinite(norms)
        scale = LATTICE / np.maximum(np.where(usable, norms, 1.0), clipping_norm)
        made = tuple(_rounded(part, scale) for part in parts)
        shorter = np.minimum(LATTICE * _ROOM / np.sqrt(_squared_norms(made)), 1.0)
        for part in made:
            np.trunc(np.multiply(part.left, shorter[:, None], out=part.left), out=part.left)
        # Whole numbers below 2**53, or the sum is above: this comparison is exact, whatever happened before it.
        fits = usable & (_squared_norms(made) <= float(LATTICE) ** 2)
    for part in made:
        part.left[~fits] = 0.0
        part.right[~fits] = 0.0
    return made


def total(made: Sequence[OuterProducts]) -> NDArray[np.int64]:
    """Return the sum of clipped gradients, shape (size,): exact for `MOST_AT_ONCE` of them, in any order."""
    return np.concatenate([(part.left.T @ part.right).astype(np.int64).ravel() for part in made])


def _rounded(part: OuterProducts, scale: NDArray[np.float64]) -> OuterProducts:
    length = np.sqrt(_squares(part.right))
    steps = _RIGHT_STEPS if part.right.shape[1] > 1 else 1.0
    right = np.rint(part.right * _ratio(steps, length)[:, None])
    left = np.rint(part.left * (scale * _ratio(length, np.sqrt(_squares(right))))[:, None])
    return OuterProducts(left, right)


def _ratio(above: NDArray[np.float64] | float, below: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(above, below, out=np.zeros_like(below), where=below > 0)


def _squared_norms(parts: Sequence[OuterProducts]) -> NDArray[np.float64]:
    return np.asarray(np.sum([_squares(part.left) * _squares(part.right) for part in parts], axis=0))


def _squares(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.einsum("ij,ij->i", vectors, vectors))

"""The rows themselves, as codes; values of this type exist only inside a `Private` envelope."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dpsynth.schema.domain import Clique, Domain


@dataclass(frozen=True, slots=True, repr=False)
class PrivateRows:
    """Training rows by column, and the control rows that no generator ever sees.

    Attributes:
        domain: names and sizes of the columns.
        training: one code array of shape (training rows,) per column, in the order of the domain, smallest dtype.
        control: codes of the control rows, shape (control rows, columns).
        fingerprint: of all rows as they were read; empty where nobody asked for it.
        owners: the unit of every training row, shape (training rows,); None where each row is a unit of its own.
        control_owners: the same of the control rows.
    """

    domain: Domain
    training: tuple[NDArray[np.integer], ...]
    control: NDArray[np.int32]
    fingerprint: bytes = b""
    owners: NDArray[np.intp] | None = None
    control_owners: NDArray[np.intp] | None = None

    def marginal(self, clique: Clique, groups: Sequence[NDArray[np.int64] | None] = ()) -> NDArray[np.int64]:
        """Return the exact counts of the training rows over `clique`, integer array of the clique's shape.

        Args:
            clique: columns.
            groups: for each of them the group of each code, or None to keep its codes; none at all keeps all.
        """
        maps = groups or [None] * len(clique)
        shape = tuple(
            size if group is None else int(group.max()) + 1
            for size, group in zip(self.domain.shape(clique), maps, strict=True)
        )
        if not clique:
            return np.asarray(len(self.training[0]) if self.training else 0, dtype=np.int64)
        flat = np.zeros(len(self.training[0]), dtype=np.int64)
        for name, size, group in zip(clique, shape, maps, strict=True):
            codes = self.training[self.domain.position(name)]
            flat *= size
            flat += codes if group is None else group[codes]
        return np.bincount(flat, minlength=math.prod(shape)).astype(np.int64).reshape(shape)


def compact(codes: NDArray[np.int32], domain: Domain) -> tuple[NDArray[np.integer], ...]:
    """Return the columns of `codes`, shape (rows, columns), each in the smallest integer type that holds its codes."""
    return tuple(
        np.ascontiguousarray(codes[:, place]).astype(np.min_scalar_type(max(size - 1, 0)))
        for place, size in enumerate(domain.sizes)
    )

"""How far apart two tables are, marginal by marginal.

Plain mathematics on code tables; it does not know where they come from. Applied to real rows the answer is an exact
function of them, and therefore confidential.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dpsynth.errors import InvalidInput
from dpsynth.schema.domain import Clique, Domain


def total_variation(first: ArrayLike, second: ArrayLike) -> float:
    """Return the total-variation distance of two non-negative tables of the same shape, each normalised to sum 1.

    Between 0 and 1. A table without mass is at distance 0 from another one without mass and 1 from everything else.

    Raises:
        InvalidInput: for different shapes, or entries that are negative or not finite.
    """
    one, two = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if one.shape != two.shape:
        raise InvalidInput("total variation compares tables of the same shape")
    if any(not np.isfinite(table).all() or (table < 0).any() for table in (one, two)):
        raise InvalidInput("total variation needs finite entries that are not negative")
    mass_one, mass_two = float(one.sum()), float(two.sum())
    if mass_one == 0 or mass_two == 0:
        return 0.0 if mass_one == mass_two else 1.0
    return min(1.0, float(np.abs(one / mass_one - two / mass_two).sum()) / 2)


def marginal_counts(codes: NDArray[np.integer], domain: Domain, clique: Clique) -> NDArray[np.int64]:
    """Return the counts of a code table over `clique`, an array of the clique's shape, in rows.

    Args:
        codes: shape (rows, columns), in the order of the domain.
        domain: names and sizes of the columns.
        clique: some of its names.

    Raises:
        InvalidInput: if the table has other columns than the domain, or a code that its column does not have.
    """
    table = np.asarray(codes)
    if table.ndim != 2 or table.shape[1] != len(domain):
        raise InvalidInput("a code table needs exactly the columns of its domain")
    cells = np.zeros(table.shape[0], dtype=np.int64)
    for name in clique:
        column = table[:, domain.position(name)]
        if column.size and (column.min() < 0 or column.max() >= domain.size(name)):
            raise InvalidInput(f"column '{name}' of the code table holds a code outside its domain")
        cells = cells * domain.size(name) + column
    counts: NDArray[np.int64] = np.bincount(cells, minlength=domain.cells(clique)).reshape(domain.shape(clique))
    return counts


@dataclass(frozen=True, slots=True)
class MarginalDistances:
    """Total-variation distances of two tables, one per marginal.

    Attributes:
        order: number of columns of each marginal.
        distances: distance by clique.
    """

    order: int
    distances: Mapping[Clique, float]

    @property
    def mean(self) -> float:
        """Mean distance; 0 where there are no marginals of this order."""
        return sum(self.distances.values()) / len(self.distances) if self.distances else 0.0

    @property
    def largest(self) -> float:
        """Largest distance; 0 where there are no marginals of this order."""
        return max(self.distances.values(), default=0.0)


def marginal_distances(
    first: NDArray[np.integer], second: NDArray[np.integer], domain: Domain, *, order: int
) -> MarginalDistances:
    """Return the distances of all marginals over `order` columns between two code tables.

    Args:
        first: shape (rows, columns).
        second: shape (other rows, columns).
        domain: names and sizes of the columns of both.
        order: 1 or more columns at a time.

    Raises:
        InvalidInput: if `order` is below 1 or a table does not fit the domain.
    """
    if order < 1:
        raise InvalidInput("a marginal has at least one column")
    return MarginalDistances(
        order,
        {
            clique: total_variation(marginal_counts(first, domain, clique), marginal_counts(second, domain, clique))
            for clique in combinations(domain.names, order)
        },
    )

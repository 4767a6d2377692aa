"""Factor: a table of numbers over named columns, the one building block of every model here.

Axes follow the names of the factor's own domain. Two factors combine by column name, never by axis number, so a
transposed table cannot be added to the wrong axis.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from dpsynth.errors import InvalidInput
from dpsynth.schema.domain import Domain

Floats: TypeAlias = NDArray[np.float64]


def log_sum_exp(values: Floats, axes: tuple[int, ...]) -> Floats:
    """Return log(sum(exp(values))) over `axes`, stable for any range; all -inf gives -inf.

    Args:
        values: float array of any shape, in log units.
        axes: the axes to sum out.
    """
    peak = np.max(values, axis=axes, keepdims=True, initial=-np.inf)
    peak = np.where(np.isfinite(peak), peak, 0.0)
    with np.errstate(divide="ignore"):
        summed = np.log(np.sum(np.exp(values - peak), axis=axes, keepdims=True))
    return np.asarray(np.squeeze(summed + peak, axis=axes), dtype=np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class Factor:
    """A float table over the columns of `domain`.

    Creation: `zeros`. Reshaping: `transpose`, `expand`. Aggregation: `project`, `logsumexp`, `total`.
    Element-wise: `exp`, `log`, `normalize`. Binary, by column name: `+`, `-`, `*`, `/` with a factor or a number.

    Attributes:
        domain: names and sizes of the axes, in axis order.
        values: float64 array of shape `domain.sizes`; rows, probabilities or log units, as the caller says.

    Example:
        >>> table = Factor(Domain(("age", "sex"), (3, 2)), np.arange(6.0).reshape(3, 2))
        >>> table.project(("sex",)).values.tolist()
        [6.0, 9.0]
    """

    domain: Domain
    values: Floats

    def __post_init__(self) -> None:
        """Refuse a table whose shape is not that of its domain."""
        values = np.asarray(self.values, dtype=np.float64)
        if values.shape != self.domain.sizes:
            raise InvalidInput(f"a factor over {self.domain.names} needs shape {self.domain.sizes}, not {values.shape}")
        object.__setattr__(self, "values", values)

    @classmethod
    def zeros(cls, domain: Domain) -> Factor:
        """Return the factor of zeros over `domain`."""
        return cls(domain, np.zeros(domain.sizes))

    @property
    def total(self) -> float:
        """The sum of all cells."""
        return float(self.values.sum())

    def transpose(self, names: Iterable[str]) -> Factor:
        """Return the same factor with its axes in the order of `names`, which must be all of them."""
        names = tuple(names)
        if set(names) != set(self.domain.names) or len(names) != len(self.domain):
            raise InvalidInput(f"{names} are not the columns {self.domain.names} in another order")
        axes = [self.domain.position(name) for name in names]
        return Factor(Domain(names, self.domain.shape(names)), self.values.transpose(axes))

    def project(self, names: Iterable[str]) -> Factor:
        """Return the sum over every column not in `names`; axes come in the order of `names`."""
        return self._aggregate(names, lambda values, axes: np.sum(values, axis=axes))

    def logsumexp(self, names: Iterable[str]) -> Factor:
        """Return log(sum(exp(.))) over every column not in `names`; axes come in the order of `names`."""
        return self._aggregate(names, log_sum_exp)

    def expand(self, domain: Domain) -> Factor:
        """Return the factor repeated over all columns of `domain` (a read-only view), which must hold its own."""
        missing = [name for name in self.domain.names if name not in domain]
        if missing:
            raise InvalidInput(f"cannot expand {self.domain.names} to {domain.names}: no column {missing}")
        ordered = self.transpose(tuple(name for name in domain.names if name in self.domain))
        shape = tuple(size if name in self.domain else 1 for name, size in zip(domain.names, domain.sizes, strict=True))
        return Factor(domain, np.broadcast_to(ordered.values.reshape(shape), domain.sizes))

    def exp(self) -> Factor:
        """Return the factor with every cell exponentiated."""
        return Factor(self.domain, np.exp(self.values))

    def log(self) -> Factor:
        """Return the factor with the logarithm of every cell; log 0 is -inf."""
        with np.errstate(divide="ignore"):
            return Factor(self.domain, np.log(self.values))

    def normalize(self, total: float = 1.0) -> Factor:
        """Return the factor scaled so that its cells sum to `total`; all zero becomes uniform."""
        sum_of_cells = self.total
        if sum_of_cells <= 0:
            return Factor(self.domain, np.full(self.domain.sizes, total / self.domain.cells()))
        return Factor(self.domain, self.values * (total / sum_of_cells))

    def __add__(self, other: Factor | float) -> Factor:
        """Return the sum, by column name."""
        return self._combine(other, np.add)

    def __sub__(self, other: Factor | float) -> Factor:
        """Return the difference, by column name."""
        return self._combine(other, np.subtract)

    def __mul__(self, other: Factor | float) -> Factor:
        """Return the product, by column name."""
        return self._combine(other, np.multiply)

    def __truediv__(self, other: Factor | float) -> Factor:
        """Return the quotient, by column name, with 0 / 0 = 0."""
        if not isinstance(other, Factor):
            return Factor(self.domain, self.values / other)
        return self._combine(
            other, lambda top, bottom: np.divide(top, bottom, out=np.zeros_like(top), where=(top != 0) | (bottom != 0))
        )

    def _aggregate(self, names: Iterable[str], reduce: Callable[[Floats, tuple[int, ...]], Any]) -> Factor:
        names = tuple(names)
        kept = {self.domain.position(name) for name in names}
        reduced = np.asarray(reduce(self.values, tuple(axis for axis in range(len(self.domain)) if axis not in kept)))
        left = tuple(self.domain.names[axis] for axis in sorted(kept))
        return Factor(Domain(left, self.domain.shape(left)), reduced).transpose(names)

    def _combine(self, other: Factor | float, operation: Callable[[Any, Any], Any]) -> Factor:
        if not isinstance(other, Factor):
            return Factor(self.domain, operation(self.values, other))
        added = tuple(name for name in other.domain.names if name not in self.domain)
        names = self.domain.names + added
        merged = Domain(names, self.domain.sizes + other.domain.shape(added))
        return Factor(merged, operation(self.expand(merged).values, other.expand(merged).values))

"""CliqueVector: one table per clique, all in one flat buffer.

The flat buffer is the point: a step of mirror descent over dozens of cliques is one array operation, and belief
propagation reads and writes its tables through views that are made once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dpsynth.errors import InvalidInput
from dpsynth.models.factor import Factor, Floats
from dpsynth.schema.domain import Clique, Domain


@dataclass(frozen=True, slots=True, eq=False)
class CliqueVector(Mapping[Clique, Factor]):
    """A mapping from clique to `Factor`, stored side by side; the verbs of `Factor` work on all tables at once.

    Attributes:
        domain: all columns.
        cliques: canonical cliques, all different, in buffer order.
        buffer: float64 array of shape (cells of all cliques,).
    """

    domain: Domain
    cliques: tuple[Clique, ...]
    buffer: Floats
    _starts: dict[Clique, int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Refuse cliques that are repeated or not canonical, and a buffer of another length."""
        starts: dict[Clique, int] = {}
        end = 0
        for clique in self.cliques:
            if clique in starts or self.domain.canonical(clique) != clique:
                raise InvalidInput(f"{clique} is repeated or not in the order of the domain")
            starts[clique] = end
            end += self.domain.cells(clique)
        if self.buffer.shape != (end,):
            raise InvalidInput(f"these cliques have {end} cells, the buffer has shape {self.buffer.shape}")
        object.__setattr__(self, "_starts", starts)

    @classmethod
    def zeros(cls, domain: Domain, cliques: Iterable[Clique]) -> CliqueVector:
        """Return zeros over `cliques`, made canonical, each once, in the order in which they first appear."""
        kept = tuple(dict.fromkeys(domain.canonical(clique) for clique in cliques))
        return cls(domain, kept, np.zeros(sum(domain.cells(clique) for clique in kept)))

    @classmethod
    def from_factors(cls, domain: Domain, factors: Iterable[Factor]) -> CliqueVector:
        """Return the vector of `factors`; factors over the same columns are added up."""
        factors = tuple(factors)
        vector = cls.zeros(domain, (factor.domain.names for factor in factors))
        for factor in factors:
            clique = domain.canonical(factor.domain.names)
            table = vector[clique].values
            table += factor.transpose(clique).values
        return vector

    def __getitem__(self, clique: Clique) -> Factor:
        """Return the table of `clique`: a view, writing to it writes to the buffer."""
        start = self._starts[clique]
        shape = self.domain.shape(clique)
        table = self.buffer[start : start + self.domain.cells(clique)].reshape(shape)
        return Factor(Domain(clique, shape), table)

    def __iter__(self) -> Iterator[Clique]:
        """Iterate over the cliques in buffer order."""
        return iter(self.cliques)

    def __len__(self) -> int:
        """Return the number of cliques."""
        return len(self.cliques)

    def covering(self, clique: Clique) -> Clique | None:
        """Return the clique with fewest cells that holds all of `clique`, or None."""
        wanted = set(clique)
        holders = [own for own in self.cliques if wanted <= set(own)]
        return min(holders, key=self.domain.cells) if holders else None

    def project(self, clique: Clique) -> Factor:
        """Return the sum of the smallest table that covers `clique` over its other columns."""
        holder = self.covering(clique)
        if holder is None:
            raise InvalidInput(f"no clique of this vector covers {clique}")
        return self[holder].project(clique)

    def moved_to(self, cliques: Iterable[Clique]) -> CliqueVector:
        """Return the tables added onto the smallest of `cliques` that covers each; a table that none covers is dropped.

        For potentials in log space this keeps the product of all tables, and so the model, unless one is dropped.
        """
        moved = CliqueVector.zeros(self.domain, cliques)
        for clique, factor in self.items():
            holder = clique if clique in moved else moved.covering(clique)
            if holder is not None:
                table = moved[holder].values
                table += factor.expand(moved[holder].domain).values
        return moved

    def exp(self) -> CliqueVector:
        """Return the vector with every cell exponentiated."""
        return self._with(np.exp(self.buffer))

    def log(self) -> CliqueVector:
        """Return the vector with the logarithm of every cell; log 0 is -inf."""
        with np.errstate(divide="ignore"):
            return self._with(np.log(self.buffer))

    def normalize(self, total: float = 1.0) -> CliqueVector:
        """Return the vector with every table scaled to sum to `total`."""
        return CliqueVector.from_factors(self.domain, (factor.normalize(total) for factor in self.values()))

    def dot(self, other: CliqueVector) -> float:
        """Return the sum over all cells of the product with `other`, which must have the same cliques."""
        self._check_layout(other)
        return float(self.buffer @ other.buffer)

    def __add__(self, other: CliqueVector | float) -> CliqueVector:
        """Return the sum, cell by cell."""
        return self._combine(other, np.add)

    def __sub__(self, other: CliqueVector | float) -> CliqueVector:
        """Return the difference, cell by cell."""
        return self._combine(other, np.subtract)

    def __mul__(self, other: CliqueVector | float) -> CliqueVector:
        """Return the product, cell by cell."""
        return self._combine(other, np.multiply)

    def _with(self, buffer: Floats) -> CliqueVector:
        return CliqueVector(self.domain, self.cliques, buffer)

    def _check_layout(self, other: CliqueVector) -> None:
        if self.domain != other.domain or self.cliques != other.cliques:
            raise InvalidInput(f"the vectors have different cliques: {self.cliques} and {other.cliques}")

    def _combine(self, other: CliqueVector | float, operation: Callable[[Any, Any], Any]) -> CliqueVector:
        if not isinstance(other, CliqueVector):
            return self._with(operation(self.buffer, other))
        self._check_layout(other)
        return self._with(operation(self.buffer, other.buffer))

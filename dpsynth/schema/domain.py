"""Names and sizes of columns after discretisation: the public shape that marginals, models and generators share."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from dpsynth.errors import InvalidInput

Clique: TypeAlias = tuple[str, ...]
"""Column names, in the order of the domain, without repetition."""


@dataclass(frozen=True, slots=True)
class Domain:
    """Column names with their numbers of codes.

    Attributes:
        names: column names, all different.
        sizes: number of codes of each column, same order, each at least 1.
    """

    names: tuple[str, ...]
    sizes: tuple[int, ...]
    _places: Mapping[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse domains that contradict themselves."""
        object.__setattr__(self, "_places", {name: place for place, name in enumerate(self.names)})
        if len(self.names) != len(self.sizes) or len(set(self.names)) != len(self.names):
            raise InvalidInput("a domain needs one size per column and different column names")
        if any(size < 1 for size in self.sizes):
            raise InvalidInput("every column of a domain needs at least one code")

    def __len__(self) -> int:
        """Return the number of columns."""
        return len(self.names)

    def __contains__(self, name: object) -> bool:
        """Return whether `name` is a column."""
        return name in self._places

    def size(self, name: str) -> int:
        """Return the number of codes of one column."""
        return self.sizes[self.position(name)]

    def position(self, name: str) -> int:
        """Return the place of one column."""
        try:
            return self._places[name]
        except KeyError:
            raise InvalidInput(f"'{name}' is not a column of this domain") from None

    def canonical(self, names: Iterable[str]) -> Clique:
        """Return `names` once each, in the order of the domain."""
        return tuple(self.names[place] for place in sorted({self.position(name) for name in names}))

    def shape(self, clique: Iterable[str]) -> tuple[int, ...]:
        """Return the array shape of a marginal over `clique`."""
        return tuple(self.size(name) for name in clique)

    def cells(self, clique: Iterable[str] | None = None) -> int:
        """Return the number of cells of a marginal over `clique` (all columns if None), exactly."""
        return math.prod(self.sizes if clique is None else self.shape(clique))

    def project(self, names: Iterable[str]) -> Domain:
        """Return the domain of `names`, in their canonical order."""
        kept = self.canonical(names)
        return Domain(kept, self.shape(kept))

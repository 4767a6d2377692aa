"""CliqueGraph: which columns are measured together, and the chordal cliques that exact inference on them needs.

Columns are bits of a Python integer, so that asking "how large would the model be with this clique too?" for every
candidate of a round costs well under a millisecond each.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from dpsynth.schema.domain import Clique, Domain

Cost: TypeAlias = Callable[[int, int], tuple[int, int]]


def _bits(mask: int) -> Iterator[int]:
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low


@dataclass(frozen=True, slots=True)
class CliqueGraph:
    """The undirected graph in which two columns are joined when some clique holds both.

    Attributes:
        domain: all columns; a column without neighbours is a node too.
        neighbours: for each column the bit mask of its neighbours, itself excluded.
    """

    domain: Domain
    neighbours: tuple[int, ...]

    @classmethod
    def of(cls, domain: Domain, cliques: Iterable[Clique]) -> CliqueGraph:
        """Return the graph of `cliques`, in any order, duplicate, nested or empty."""
        neighbours = [0] * len(domain)
        for clique in cliques:
            positions = [domain.position(name) for name in clique]
            mask = sum(1 << position for position in set(positions))
            for position in positions:
                neighbours[position] |= mask & ~(1 << position)
        return cls(domain, tuple(neighbours))

    def with_clique(self, clique: Clique) -> CliqueGraph:
        """Return the graph that joins the columns of `clique` too."""
        added = CliqueGraph.of(self.domain, [clique]).neighbours
        return CliqueGraph(self.domain, tuple(own | new for own, new in zip(self.neighbours, added, strict=True)))

    def mask(self, clique: Clique) -> int:
        """Return the bit mask of `clique`."""
        return sum(1 << self.domain.position(name) for name in set(clique))

    def cells(self, mask: int) -> int:
        """Return the number of cells of a table over the columns in `mask`."""
        return math.prod(self.domain.sizes[position] for position in _bits(mask))

    def joins(self, mask: int) -> bool:
        """Return whether every two columns in `mask` are neighbours already."""
        return all(mask & ~(1 << position) & ~self.neighbours[position] == 0 for position in _bits(mask))

    def reachable(self, mask: int) -> int:
        """Return the mask of every column in the connected components that `mask` touches."""
        found = mask
        frontier = mask
        while frontier:
            grown = found
            for position in _bits(frontier):
                grown |= self.neighbours[position]
            frontier = grown & ~found
            found = grown
        return found

    def triangulated(self, columns: int | None = None) -> tuple[int, ...]:
        """Return masks of the maximal cliques of a chordal graph that contains this one, component by component.

        Two greedy elimination orders are tried, fewest fill edges first and smallest table first, and the one with
        fewer cells in all is kept. The result depends on the graph alone.

        Args:
            columns: mask of whole components to work on; all if None.

        Source: Kjaerulff (1990), "Triangulation of graphs - algorithms giving small total state space".
        """
        left = (1 << len(self.domain)) - 1 if columns is None else columns
        cliques: list[int] = []
        while left:
            component = self.reachable(left & -left)
            left &= ~component
            cliques.extend(self._triangulated_component(component))
        return tuple(cliques)

    def _triangulated_component(self, component: int) -> list[int]:
        if component & (component - 1) == 0:
            return [component]
        orders = (self._eliminated(component, smallest_first=False), self._eliminated(component, smallest_first=True))
        return min(orders, key=lambda cliques: sum(map(self.cells, cliques)))

    def _eliminated(self, component: int, *, smallest_first: bool) -> list[int]:
        """Eliminate the columns of one component greedily; return the maximal cliques that arise."""
        sizes = self.domain.sizes
        adjacent = {position: self.neighbours[position] for position in _bits(component)}
        costs: dict[int, tuple[int, int, int]] = {}

        def price(position: int) -> tuple[int, int, int]:
            around = adjacent[position]
            behind = self.cells(around)  # what is left joined behind the column: breaks ties towards small chords
            if smallest_first:
                return behind * sizes[position], behind, position
            fill = sum((around & ~adjacent[other] & ~(1 << other)).bit_count() for other in _bits(around))
            return fill, behind, position

        for position in adjacent:
            costs[position] = price(position)
        cliques: list[int] = []
        while costs:
            chosen = min(costs, key=costs.__getitem__)
            around = adjacent.pop(chosen)
            del costs[chosen]
            clique = around | 1 << chosen
            if not any(clique & ~earlier == 0 for earlier in cliques):
                cliques.append(clique)
            touched = around
            for other in _bits(around):
                adjacent[other] = (adjacent[other] | around) & ~(1 << other) & ~(1 << chosen)
                touched |= adjacent[other]
            for other in _bits(touched):
                costs[other] = price(other)
        return cliques

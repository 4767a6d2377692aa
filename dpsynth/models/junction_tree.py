"""JunctionTree: maximal cliques of a triangulated graph, joined so that a column's cliques are connected.

Everything exact in this package follows the tree and not the cliques that were measured: inference, marginals and the
record sampler all condition on the tree's separators.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations

from dpsynth.models.triangulation import CliqueGraph
from dpsynth.schema.domain import Clique, Domain


@dataclass(frozen=True, slots=True)
class TreeNode:
    """One maximal clique of the tree.

    Attributes:
        columns: the separator, then the residual; this is the axis order of every table of the node.
        separator: columns shared with the parent, in the parent's axis order; empty at the root and between
            independent groups of columns.
        residual: columns that no node nearer to the root holds; never empty. Each column is residual in one node.
        parent: index of the parent, smaller than the node's own; -1 at the root.
    """

    columns: Clique
    separator: Clique
    residual: Clique
    parent: int


@dataclass(frozen=True, slots=True)
class JunctionTree:
    """A rooted tree of cliques with the running-intersection property, covering every column.

    Attributes:
        graph: the measured graph, before fill edges.
        nodes: parents before children; node 0 is the root.
    """

    graph: CliqueGraph
    nodes: tuple[TreeNode, ...]

    @classmethod
    def of(cls, domain: Domain, cliques: Iterable[Clique]) -> JunctionTree:
        """Return the junction tree of `cliques`: duplicate, nested, cyclic, disconnected or none at all.

        Source: Koller and Friedman (2009), section 10.4: a maximum-weight spanning tree over separator sizes.
        """
        graph = CliqueGraph.of(domain, cliques)
        masks = sorted(graph.triangulated(), key=graph.cells, reverse=True)
        nodes: list[TreeNode] = []
        if not masks:
            return cls(graph, ())
        # Prim's algorithm: for each clique not yet in the tree, the best node to hang it from.
        placed: list[int] = []
        best = dict.fromkeys(range(len(masks)), (-1, -1))
        chosen = 0
        while True:
            parent = best.pop(chosen)[1]
            nodes.append(_node(domain, masks[chosen], nodes, parent))
            placed.append(masks[chosen])
            if not best:
                return cls(graph, tuple(nodes))
            for index, (shared, _) in best.items():
                common = (masks[index] & masks[chosen]).bit_count()
                if common > shared:
                    best[index] = (common, len(placed) - 1)
            chosen = max(best, key=lambda index: (best[index][0], -index))

    @property
    def domain(self) -> Domain:
        """All columns."""
        return self.graph.domain

    @property
    def cells(self) -> int:
        """Total cells of the tables of all nodes: the size of the model."""
        return sum(self.domain.cells(node.columns) for node in self.nodes)

    def cells_with(self, clique: Clique) -> int:
        """Return what `cells` would be if `clique` were measured too, by re-triangulating only what it touches."""
        mask = self.graph.mask(clique)
        if self.graph.joins(mask):
            return self.cells
        grown = self.graph.with_clique(clique)
        touched = grown.reachable(mask)
        untouched = sum(
            self.domain.cells(node.columns) for node in self.nodes if not self.graph.mask(node.columns) & touched
        )
        return untouched + sum(map(grown.cells, grown.triangulated(touched)))

    def covering(self, clique: Clique) -> int | None:
        """Return the index of the node with fewest cells that holds all of `clique`, or None."""
        wanted = set(clique)
        holders = [index for index, node in enumerate(self.nodes) if wanted.issubset(node.columns)]
        if not holders:
            return None
        return min(holders, key=lambda index: self.domain.cells(self.nodes[index].columns))

    def pairs(self) -> dict[frozenset[str], int]:
        """Return `covering` of every pair of columns that some node holds."""
        sizes = [self.domain.cells(node.columns) for node in self.nodes]
        largest_first = sorted(range(len(self.nodes)), key=lambda index: (-sizes[index], -index))
        return {
            frozenset(pair): index for index in largest_first for pair in combinations(self.nodes[index].columns, 2)
        }


def _node(domain: Domain, mask: int, nodes: list[TreeNode], parent: int) -> TreeNode:
    above = nodes[parent].columns if parent >= 0 else ()
    separator = tuple(name for name in above if mask >> domain.position(name) & 1)
    residual = [name for place, name in enumerate(domain.names) if mask >> place & 1 and name not in separator]
    # The largest column goes last: tables over the leading axes, which are built on the way, then stay small.
    residual.sort(key=domain.size)
    return TreeNode(separator + tuple(residual), separator, tuple(residual), parent)

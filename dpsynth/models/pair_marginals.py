"""Exact marginals of many pairs of columns in one pass up the tree.

Each node hands its parent one matrix: for every column below, the probability of its codes given the separator. Where
two branches meet, a product of two such matrices with the table between their separators gives the joint of every
column in one branch with every column in the other: a few matrix products in place of one elimination per pair.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from dpsynth.models.factor import Factor, Floats
from dpsynth.models.junction_tree import JunctionTree
from dpsynth.schema.domain import Clique, Domain


@dataclass(slots=True)
class _Branch:
    """Columns that depend on the rest of a node through one separator only.

    Attributes:
        separator: the columns that carry the dependence.
        columns: the columns in the branch, with the child each comes from and its first row.
        rows: p(code | separator), float array of shape (codes of all columns, separator cells).
    """

    separator: Clique
    columns: dict[str, tuple[int, slice]] = field(default_factory=dict)
    blocks: list[Floats] = field(default_factory=list)
    height: int = 0

    def add(self, child: int, name: str, block: Floats) -> None:
        self.columns[name] = (child, slice(self.height, self.height + len(block)))
        self.blocks.append(block)
        self.height += len(block)

    def stack(self) -> Floats:
        if len(self.blocks) > 1:
            self.blocks = [np.concatenate(self.blocks)]
        return self.blocks[0]


def pair_marginals(
    tree: JunctionTree, conditionals: Sequence[Floats], beliefs: Sequence[Floats], pairs: Iterable[Clique]
) -> dict[Clique, Floats]:
    """Return the exact marginal probabilities of `pairs` of different columns, axes in the order of each pair.

    Args:
        tree: the junction tree.
        conditionals: per node p(residual | separator), with the node's axes.
        beliefs: per node the marginal of its columns, with the node's axes.
        pairs: cliques of two columns each; pairs inside one node are welcome too.
    """
    pairs = tuple(pairs)
    partners: dict[str, set[str]] = {}
    for first, second in pairs:
        partners.setdefault(first, set()).add(second)
        partners.setdefault(second, set()).add(first)
    joint: dict[Clique, Floats] = {}
    handed_up: list[list[tuple[int, Clique, str, Floats]]] = [[] for _ in tree.nodes]
    for index in range(len(tree.nodes) - 1, -1, -1):
        node = tree.nodes[index]
        branches: dict[Clique, _Branch] = {}
        for child, separator, name, block in handed_up[index]:
            branches.setdefault(separator, _Branch(separator)).add(child, name, block)
        for name in node.residual:
            if partners.get(name):
                identity = np.eye(tree.domain.size(name))
                branches.setdefault((name,), _Branch((name,))).add(index, name, identity)
        _meet(tree, beliefs[index], node.columns, tuple(branches.values()), partners, joint)
        if node.parent >= 0:
            for branch in branches.values():
                carried = [name for name in branch.columns if partners[name]]
                if carried:
                    table = _table(tree, conditionals[index], node.columns)
                    rows = _transferred(branch.stack(), branch.separator, node.separator, table)
                    for name in carried:
                        block = rows[branch.columns[name][1]]
                        handed_up[node.parent].append((index, node.separator, name, block))
    return {pair: joint[pair] if pair in joint else joint[pair[::-1]].T for pair in pairs}


def _meet(
    tree: JunctionTree,
    belief: Floats,
    columns: Clique,
    branches: tuple[_Branch, ...],
    partners: dict[str, set[str]],
    joint: dict[Clique, Floats],
) -> None:
    """Read off every wanted pair whose two columns come together for the first time in this node."""
    table = _table(tree, belief, columns)
    for place, left in enumerate(branches):
        for right in branches[place:]:
            met = [
                (first, second)
                for first, (child, _) in left.columns.items()
                for second in sorted(partners[first] & right.columns.keys())
                if child != right.columns[second][0] or first in columns or second in columns
            ]
            if not met:
                continue
            product = _transferred(left.stack(), left.separator, right.separator, table) @ right.stack().T
            for first, second in met:
                joint[first, second] = product[left.columns[first][1], right.columns[second][1]]
                partners[first].discard(second)
                partners[second].discard(first)


def _table(tree: JunctionTree, values: Floats, columns: Clique) -> Factor:
    return Factor(Domain(columns, tree.domain.shape(columns)), values)


def _transferred(rows: Floats, source: Clique, target: Clique, table: Factor) -> Floats:
    """Return sum over `source` minus `target` of rows[., source] * table[source and target], as (rows, target cells).

    Columns in both are batched over, so no matrix is filled with the zeros of an identity.
    """
    shared = tuple(name for name in source if name in target)
    summed = tuple(name for name in source if name not in target)
    added = tuple(name for name in target if name not in source)
    size = table.domain
    weights = table.project(shared + summed + added).values
    weights = weights.reshape(size.cells(shared), size.cells(summed), size.cells(added))
    axes = [1 + source.index(name) for name in shared]
    left = rows.reshape(len(rows), *size.shape(source))
    left = left.transpose(*axes, 0, *(1 + source.index(name) for name in summed))
    left = left.reshape(len(weights), len(rows), -1)
    product = (left @ weights).reshape(*size.shape(shared), len(rows), *size.shape(added))
    order = [len(shared)]
    order += [shared.index(name) if name in shared else len(shared) + 1 + added.index(name) for name in target]
    return np.ascontiguousarray(product.transpose(order)).reshape(len(rows), -1)

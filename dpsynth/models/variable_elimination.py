"""Exact marginals of cliques that no tree node holds: eliminate the other columns along the part of the tree needed."""

from __future__ import annotations

from collections.abc import Sequence
from string import ascii_letters

import numpy as np

from dpsynth.models.factor import Floats
from dpsynth.models.junction_tree import JunctionTree
from dpsynth.schema.domain import Clique


def needed_subtree(tree: JunctionTree, clique: Clique) -> tuple[int, ...]:
    """Return the nodes whose tables a marginal over `clique` needs, parents first; the first is their common ancestor.

    Nodes above the common ancestor are summed out by its belief, nodes below that lead to no column of `clique`
    contribute conditionals that sum to one.
    """
    pending = {index for index, node in enumerate(tree.nodes) if set(node.residual) & set(clique)}
    needed: set[int] = set()
    while pending:
        deepest = max(pending)
        pending.discard(deepest)
        needed.add(deepest)
        if pending:
            # A parent comes before its children, so the deepest one is never an ancestor of the others.
            pending.add(tree.nodes[deepest].parent)
    return tuple(sorted(needed))


def eliminated(tree: JunctionTree, conditionals: Sequence[Floats], beliefs: Sequence[Floats], clique: Clique) -> Floats:
    """Return the exact marginal probabilities of any `clique`, axes in the order given.

    Args:
        tree: the junction tree.
        conditionals: per node p(residual | separator), with the node's axes.
        beliefs: per node the marginal of its columns, with the node's axes.
        clique: different columns, in any order; none gives the scalar 1.
    """
    needed = needed_subtree(tree, clique)
    if not needed:
        return np.ones(())
    messages: dict[int, list[tuple[Floats, Clique]]] = {index: [] for index in needed}
    for index in reversed(needed[1:]):
        node = tree.nodes[index]
        operands = [(conditionals[index], node.columns), *messages[index]]
        carried = {name for _, names in operands for name in names} & set(clique)
        output = node.separator + tuple(sorted(carried - set(node.separator)))
        messages[node.parent].append((_sum_product(operands, output), output))
    top = needed[0]
    return _sum_product([(beliefs[top], tree.nodes[top].columns), *messages[top]], clique)


def _sum_product(operands: list[tuple[Floats, Clique]], output: Clique) -> Floats:
    """Multiply the operands and sum out every column that is not in `output`."""
    columns = dict.fromkeys(name for _, names in operands for name in names)
    letters = dict(zip(columns, ascii_letters, strict=False))
    inputs = ",".join("".join(letters[name] for name in names) for _, names in operands)
    result = "".join(letters[name] for name in output)
    tables = [table for table, _ in operands]
    return np.ascontiguousarray(np.einsum(f"{inputs}->{result}", *tables, optimize="greedy"))

"""Evidence: a calibrated tree given codes of some columns, exactly, without drawing and rejecting records.

Each column is residual in one node, so what is known of it is applied there, once. Going up, a node's conditional,
times what is known, times its children's messages is summed over the residual: the chance of all evidence in the branch
below, given the separator. Dividing by that sum gives the conditional under the evidence. A branch without evidence
would send ones, so nothing is computed there and its conditionals are shared.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from dpsynth.errors import InvalidInput
from dpsynth.models.calibrated_tree import CalibratedTree
from dpsynth.models.factor import Floats
from dpsynth.models.junction_tree import TreeNode
from dpsynth.schema.domain import Clique, Domain

Evidence: TypeAlias = NDArray[np.bool_] | NDArray[np.float64]
"""Codes that remain, or the chance of what was seen given each code."""

_ROUNDING = 1e-9


def conditioned(calibrated: CalibratedTree, evidence: Mapping[str, Evidence]) -> CalibratedTree:
    """Return the distribution of records given evidence on some of their columns.

    Args:
        calibrated: the distribution.
        evidence: per column True for the codes that remain, shape (codes,): a single True fixes the column, several
            keep their chances relative to one another. Or the chance of what was seen given each code, from 0 to 1,
            for a column that was seen indirectly.

    Returns:
        a calibrated tree over the same columns, ready for records and marginals.

    Raises:
        InvalidInput: a column is unknown, its evidence has another shape, or no record of the model meets it.

    Privacy: post-processing; nothing is charged.

    Source: Koller and Friedman (2009), section 10.3.3: evidence in a clique tree, one pass up and one down.
    """
    domain, nodes = calibrated.tree.domain, calibrated.tree.nodes
    seen = {name: _checked(domain, name, found) for name, found in evidence.items()}
    if not seen:
        return calibrated
    conditionals, messages = list(calibrated.conditionals), list[list[tuple[Clique, Floats]]]([] for _ in nodes)
    for index in reversed(range(len(nodes))):
        node = nodes[index]
        own = [((name,), seen[name]) for name in node.residual if name in seen]
        if not own and not messages[index]:
            continue
        conditionals[index], message = _restricted(node, conditionals[index], [*own, *messages[index]])
        if not message.any():
            raise InvalidInput("no record of the model has the given values: their chance together is zero")
        if node.parent >= 0:
            messages[node.parent].append((node.separator, message))
    return CalibratedTree(calibrated.tree, tuple(conditionals), _beliefs(nodes, conditionals))


def _restricted(node: TreeNode, conditional: Floats, factors: list[tuple[Clique, Floats]]) -> tuple[Floats, Floats]:
    """Return p(residual | separator, evidence below), and the chance of that evidence up to a factor."""
    weights = conditional
    for names, table in factors:
        # Axes of a separator are in the order of the parent, which is this node.
        shape = [table.shape[names.index(name)] if name in names else 1 for name in node.columns]
        weights = weights * table.reshape(shape)
        weights /= weights.max(initial=0.0) or 1.0  # thousands of small messages do not underflow
    rows = weights.reshape(*weights.shape[: len(node.separator)], -1)
    message = rows.sum(axis=-1)
    divided = np.divide(rows, message[..., None], out=np.zeros_like(rows), where=message[..., None] > 0)
    return divided.reshape(weights.shape), message / (message.max(initial=0.0) or 1.0)


def _beliefs(nodes: tuple[TreeNode, ...], conditionals: list[Floats]) -> tuple[Floats, ...]:
    """Return the marginal of every node: its conditional times the separator's marginal in the parent."""
    beliefs: list[Floats] = []
    for node, conditional in zip(nodes, conditionals, strict=True):
        if not node.separator:
            beliefs.append(conditional)
            continue
        above = nodes[node.parent].columns
        others = tuple(axis for axis, name in enumerate(above) if name not in node.separator)
        summed = beliefs[node.parent].sum(axis=others)
        beliefs.append(conditional * summed.reshape(summed.shape + (1,) * len(node.residual)))
    return tuple(beliefs)


def _checked(domain: Domain, name: str, evidence: Evidence) -> Floats:
    found = np.asarray(evidence)
    if found.shape != (domain.size(name),) or found.dtype not in {np.dtype(np.bool_), np.dtype(np.float64)}:
        raise InvalidInput(
            f"evidence on '{name}' is one truth value or chance for each of its {domain.size(name)} codes"
        )
    chances = found.astype(np.float64)
    if not ((chances >= 0) & (chances <= 1 + _ROUNDING)).all():
        raise InvalidInput(f"the chances on '{name}' must lie between 0 and 1")
    return chances

"""Evidence: a calibrated tree restricted to some codes of some columns, exactly, without drawing and rejecting records.

Each column is residual in one node, so its restriction is applied there, once. Going up, a node's conditional times its
restriction times its children's messages is summed over the residual: the chance of all evidence in the branch below,
given the separator. Dividing by that sum gives the conditional under the evidence. A branch without evidence sends
ones, so nothing is computed there and its conditionals are shared.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from dpsynth.errors import InvalidInput
from dpsynth.models.calibrated_tree import CalibratedTree
from dpsynth.models.factor import Floats
from dpsynth.models.junction_tree import TreeNode
from dpsynth.schema.domain import Clique, Domain


def conditioned(calibrated: CalibratedTree, allowed: Mapping[str, NDArray[np.bool_]]) -> CalibratedTree:
    """Return the distribution of records given that each column of `allowed` has one of its allowed codes.

    Args:
        calibrated: the distribution.
        allowed: per column True for the codes that remain, shape (codes,). A single True fixes the column; several
            keep their chances relative to one another.

    Returns:
        a calibrated tree over the same columns, ready for records and marginals.

    Raises:
        InvalidInput: a column is unknown, a mask has another shape, or no record of the model meets the evidence.

    Privacy: post-processing; nothing is charged.

    Source: Koller and Friedman (2009), section 10.3.3: evidence in a clique tree, one pass up and one down.
    """
    domain, nodes = calibrated.tree.domain, calibrated.tree.nodes
    masks = {name: _checked(domain, name, mask) for name, mask in allowed.items()}
    if not masks:
        return calibrated
    conditionals, messages = list(calibrated.conditionals), list[list[tuple[Clique, Floats]]]([] for _ in nodes)
    for index in reversed(range(len(nodes))):
        node = nodes[index]
        evidence = [((name,), masks[name].astype(np.float64)) for name in node.residual if name in masks]
        if not evidence and not messages[index]:
            continue
        conditionals[index], message = _restricted(node, conditionals[index], [*evidence, *messages[index]])
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


def _checked(domain: Domain, name: str, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    mask = np.asarray(mask)
    if mask.dtype != np.bool_ or mask.shape != (domain.size(name),):
        raise InvalidInput(f"evidence on '{name}' is one truth value for each of its {domain.size(name)} codes")
    return mask

"""Finds the outer products in a recorded gradient, so that the gradients of many rows need not be written out.

The gradient of one row by the matrix of a dense layer ends in the product of a column and a line. The recording is cut
off before that product and returns the column and the line instead. This changes what is written out, not what is
computed: whatever is not recognised is returned as it was.
"""

from __future__ import annotations

import math
from typing import Any

import torch

_ATEN: Any = torch.ops.aten
_COPIES = (_ATEN.detach.default, _ATEN.alias.default, _ATEN.clone.default, _ATEN.view.default)


def factored(recording: torch.fx.GraphModule) -> tuple[torch.fx.GraphModule, tuple[bool, ...]]:
    """Return a recording of flat arguments and results, and for each gradient whether it is now two factors.

    The results are those of `recording` in order. One that is an outer product, of shape (n, m), has its left factor
    in its place, n numbers, and its right factor behind it, m numbers.
    """
    graph = torch.fx.Graph()
    results: Any = graph.graph_copy(recording.graph, {})
    found = [(result, _factors(result)) for result in results]
    graph.output(tuple(part for result, pair in found for part in (pair or (result,))))
    graph.eliminate_dead_code()
    return torch.fx.GraphModule(recording, graph), tuple(pair is not None for _, pair in found)


def _factors(result: Any) -> tuple[Any, Any] | None:
    shape = _shape(result)
    if len(shape) != 2 or math.prod(shape) <= sum(shape):
        return None
    node, is_swapped = result, False
    while (swaps := _swaps(node)) is not None:
        is_swapped ^= swaps
        node = node.args[0]
    pair = _of_product(node)
    return pair[::-1] if pair is not None and is_swapped else pair


def _swaps(node: Any) -> bool | None:
    """Return whether this is a transposition of a matrix; None if it is neither that nor a mere copy."""
    if node.target is _ATEN.t.default:
        return True
    if node.target is _ATEN.permute.default and len(node.args[1]) == 2:
        return [place % 2 for place in node.args[1]] == [1, 0]
    if node.target is _ATEN.transpose.int and len(_shape(node)) == 2:
        return bool((node.args[1] - node.args[2]) % 2)
    return False if node.target in _COPIES and _shape(node.args[0]) == _shape(node) else None


def _of_product(node: Any) -> tuple[Any, Any] | None:
    if node.target not in {_ATEN.mm.default, _ATEN.mul.Tensor}:
        return None
    one, other = node.args
    if not (isinstance(one, torch.fx.Node) and isinstance(other, torch.fx.Node)):
        return None
    n, m = _shape(node)
    if node.target is _ATEN.mm.default:
        return (one, other) if _shape(one) == (n, 1) else None
    for column, line in ((one, other), (other, one)):  # a column times a line, each repeated to fit the other
        if _shape(column) == (n, 1) and _shape(line) in {(m,), (1, m)}:
            return column, line
    return None


def _shape(node: Any) -> tuple[int, ...]:
    return tuple(node.meta["val"].shape)

"""A recorded loss as text, so that another process can have it: operations by name, and no code and no pickle.

Whoever reads it takes operations from the list of those that a loss may use, and from nowhere else.
"""

from __future__ import annotations

import json
import operator
from typing import Any

import torch

from dpsynth.curator.recorded_loss import RecordedLoss, is_listed
from dpsynth.errors import InvalidInput

_KINDS = {
    "dtype": torch.dtype,
    "layout": torch.layout,
    "memory_format": torch.memory_format,
    "device": torch.device,
}


def written(loss: RecordedLoss) -> str:
    """Return `loss` as JSON.

    Raises:
        InvalidInput: it holds something that has no text.
    """
    places = {node: place for place, node in enumerate(loss.graph.graph.nodes)}
    nodes = [[node.op, _name(node), _text(node.args, places), _text(node.kwargs, places)] for node in places]
    constants = {
        name: [str(value.dtype).removeprefix("torch."), list(value.shape), value.flatten().tolist()]
        for name, value in loss.graph.named_buffers()
    }
    return json.dumps(
        {
            "nodes": nodes,
            "constants": constants,
            "factored": loss.factored,
            "shapes": loss.shapes,
            "auxiliary_shapes": loss.auxiliary_shapes,
        }
    )


def read(text: str) -> RecordedLoss:
    """Return the loss that `written` wrote.

    Raises:
        InvalidInput: an operation is none that a loss may use.
    """
    told = json.loads(text)
    root = torch.nn.Module()
    for name, (dtype, shape, values) in told["constants"].items():
        root.register_buffer(name, torch.tensor(values, dtype=getattr(torch, dtype)).reshape(shape))
    graph = torch.fx.Graph()
    nodes: list[torch.fx.Node] = []
    for place, (kind, name, args, kwargs) in enumerate(told["nodes"]):
        given, named = _value(args, nodes), _value(kwargs, nodes)
        if kind == "call_function":
            nodes.append(graph.call_function(_operation(name), tuple(given), named))
        elif kind == "placeholder":
            nodes.append(graph.placeholder(f"given_{place}"))
        elif kind == "get_attr":
            nodes.append(graph.get_attr(name))
        else:
            nodes.append(graph.output(tuple(given[0])))
    shapes, auxiliary_shapes = (tuple(map(tuple, told[key])) for key in ("shapes", "auxiliary_shapes"))
    return RecordedLoss(torch.fx.GraphModule(root, graph), tuple(told["factored"]), shapes, auxiliary_shapes)


def _name(node: torch.fx.Node) -> str:
    return "getitem" if node.target is operator.getitem else str(node.target)


def _operation(name: str) -> Any:
    if name == "getitem":
        return operator.getitem
    namespace, stem, overload = name.split(".")
    found = getattr(getattr(torch.ops.aten, stem, None), overload, None) if namespace == "aten" else None
    if not isinstance(found, torch._ops.OpOverload) or not is_listed(found):  # noqa: SLF001
        raise InvalidInput(f"a loss may not use {name}")
    return found


def _text(value: Any, places: dict[torch.fx.Node, int]) -> Any:
    if isinstance(value, torch.fx.Node):
        return {"node": places[value]}
    if isinstance(value, list | tuple):
        return [_text(entry, places) for entry in value]
    if isinstance(value, dict):
        return {"entries": {key: _text(entry, places) for key, entry in value.items()}}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    for kind, type_ in _KINDS.items():
        if isinstance(value, type_):
            return {kind: str(value).removeprefix("torch.")}
    raise InvalidInput(f"a loss that holds a {type(value).__name__} cannot be sent to another process")


def _value(text: Any, nodes: list[torch.fx.Node]) -> Any:
    if isinstance(text, list):
        return [_value(entry, nodes) for entry in text]
    if not isinstance(text, dict):
        return text
    ((kind, told),) = text.items()
    if kind == "node":
        return nodes[told]
    if kind == "entries":
        return {key: _value(entry, nodes) for key, entry in told.items()}
    return torch.device("cpu") if kind == "device" else getattr(torch, told)

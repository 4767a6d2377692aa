"""A loss as recorded arithmetic: what crosses the door in place of a function.

A function that a generator writes could keep the rows it is called with. So it is called once, on a row of zeros, with
no data anywhere near; PyTorch writes down the operations of its gradient. Only this recording is run on rows, and only
if every operation in it is one of a list: arithmetic on one row that cannot fail, draw random numbers, write to memory
that somebody else holds, or depend on another row. This is the only module here that needs PyTorch; it is imported
where a training begins.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dpsynth.curator.clipping import OuterProducts, whole
from dpsynth.curator.gradient_queries import Loss, flat_size
from dpsynth.errors import DpsynthError, InvalidInput, MissingExtra

try:
    import torch
    from torch.func import functionalize, grad, vmap
    from torch.fx.experimental.proxy_tensor import make_fx

    from dpsynth.curator.factored_recording import factored
except ImportError as missing:
    raise MissingExtra("torch", "neural") from missing

_SHAPES = """alias cat clone constant_pad_nd detach expand flatten lift_fresh_copy permute reshape select
select_backward slice slice_backward split split_with_sizes squeeze stack t transpose unbind unsqueeze view
_unsafe_view _reshape_alias unsafe_split"""
_CONSTANTS = (
    "arange empty empty_like full full_like new_full new_ones new_zeros ones ones_like scalar_tensor zeros zeros_like"
)
_ARITHMETIC = """abs add addmm addmv atan baddbmm bmm clamp clamp_max clamp_min copy cos cosh cumsum div dot
eq erf exp expm1 fill ge gt le log log1p logsumexp lt masked_fill maximum mean minimum mm mul mv ne neg pow
reciprocal rsqrt rsub sigmoid sign sin sinh sqrt std sub sum tan tanh var where addcmul addcdiv
bitwise_and bitwise_not bitwise_or logical_and logical_not logical_or linalg_vector_norm log_sigmoid_forward
isfinite isnan _to_copy"""
_LAYERS = """celu elu gelu hardswish hardtanh huber_loss leaky_relu mish mse_loss relu silu smooth_l1_loss softplus
native_layer_norm native_group_norm _softmax _log_softmax binary_cross_entropy_with_logits threshold"""
_BACKWARD = """elu gelu hardswish hardtanh huber_loss leaky_relu log_sigmoid mish mse_loss native_group_norm
native_layer_norm sigmoid silu smooth_l1_loss softplus tanh threshold"""
ALLOWED = frozenset(
    [*_SHAPES.split(), *_CONSTANTS.split(), *_ARITHMETIC.split(), *_LAYERS.split()]
    + [f"{name}_backward" for name in _BACKWARD.split()]
    + ["_softmax_backward_data", "_log_softmax_backward_data"]
)
"""Operations of ATen that a recording may hold; anything else is refused by name."""

_REHEARSED = 64
_TOLERANCE = 1e-9

_CROSS_EXAMPLE = (torch.nn.modules.batchnorm._NormBase,)  # noqa: SLF001 - the base of every batch and instance norm


class RecordedLoss:
    """The gradient of a loss, for rows that come one at a time and know nothing of each other.

    Attributes:
        shapes: of the parameters.
        factored: for each parameter whether its gradient is returned as an outer product.
        graph: the recording, of parameters, one row and auxiliary arrays.
        auxiliary_shapes: of the auxiliary arrays.
        device: where gradients are computed; rows are sent there, and gradients come back.
    """

    __slots__ = ("_of_rows", "auxiliary_shapes", "device", "factored", "graph", "shapes")

    def __init__(
        self,
        graph: torch.fx.GraphModule,
        is_factored: tuple[bool, ...],
        shapes: tuple[tuple[int, ...], ...],
        auxiliary_shapes: tuple[tuple[int, ...], ...],
        device: str = "cpu",
    ) -> None:
        """Use `record_loss`, which checks."""
        self.graph = graph
        self.device = device
        self.factored = is_factored
        self.shapes = shapes
        self.auxiliary_shapes = auxiliary_shapes
        self._of_rows = vmap(graph, in_dims=(*[None] * len(shapes), 0, *[None] * len(auxiliary_shapes)))

    def on(self, device: str) -> RecordedLoss:
        """Return the same recording for another device of PyTorch: its constants, and what it makes, are there."""
        graph = torch.fx.Graph()
        graph.output(graph.graph_copy(self.graph.graph, {}))
        for node in graph.nodes:
            if "device" in node.kwargs:
                node.kwargs = {**node.kwargs, "device": torch.device(device)}
        moved = torch.fx.GraphModule(self.graph, graph).to(device)
        return RecordedLoss(moved, self.factored, self.shapes, self.auxiliary_shapes, device)

    @property
    def size(self) -> int:
        """The number of entries of the whole gradient."""
        return flat_size(self.shapes)

    @property
    def width(self) -> int:
        """How many numbers say the gradient of one row."""
        pairs = zip(self.shapes, self.factored, strict=True)
        return sum(sum(shape) if is_factored else flat_size([shape]) for shape, is_factored in pairs)

    def check(self, parameters: Sequence[NDArray[np.floating]], auxiliary: Sequence[NDArray[np.floating]]) -> None:
        """Refuse arrays of other shapes than those that were recorded.

        Raises:
            InvalidInput: when they are.
        """
        if _shapes(parameters) != self.shapes or _shapes(auxiliary) != self.auxiliary_shapes:
            raise InvalidInput("parameters and auxiliary arrays must keep the shapes that the loss was recorded with")

    def of_rows(
        self,
        parameters: Sequence[NDArray[np.floating]],
        rows: NDArray[np.float64],
        auxiliary: Sequence[NDArray[np.floating]],
    ) -> tuple[OuterProducts, ...]:
        """Return the gradient for each of `rows`, one part per parameter, in double precision."""
        try:
            with torch.no_grad():
                given = (*_tensors(parameters), torch.from_numpy(rows), *_tensors(auxiliary))
                results = self._of_rows(*[tensor.to(self.device) for tensor in given])
                flat = iter([result.reshape(len(rows), -1).cpu().numpy() for result in results])
            return tuple(
                OuterProducts(next(flat), next(flat)) if is_factored else OuterProducts.of_vectors(next(flat))
                for is_factored in self.factored
            )
        except Exception as fault:  # noqa: BLE001 - its text might speak of a row
            raise DpsynthError(f"the loss could not be evaluated ({type(fault).__name__})") from None


def record_loss(
    loss: Loss,
    parameters: Sequence[NDArray[np.floating]],
    auxiliary: Sequence[NDArray[np.floating]],
    width: int,
) -> RecordedLoss:
    """Return the gradient of `loss` by its parameters, recorded on a row of `width` zeros.

    Raises:
        InvalidInput: it fails on zeros, branches on numbers, or holds an operation that is not allowed.
    """
    if not parameters or not all(np.issubdtype(np.asarray(part).dtype, np.floating) for part in parameters):
        raise InvalidInput("a loss needs at least one parameter, and parameters are arrays of floating-point numbers")

    def plain(*given: Any) -> Any:  # the recorder wants to see a function's arguments, and a method has one more
        return loss(*given)

    arguments = (_tensors(parameters), torch.zeros(width, dtype=torch.float64), _tensors(auxiliary))
    try:
        graph = make_fx(functionalize(grad(plain), remove="mutations"))(*arguments)
    except Exception as fault:
        raise InvalidInput(
            f"the loss cannot be recorded on a row of zeros ({type(fault).__name__}: {str(fault)[:300]}). It must "
            "return one number and may not branch on values, change tensors of its own or read a row in any other way"
        ) from fault
    refused = sorted({_name(node) for node in graph.graph.nodes if not _is_allowed(node)})
    if refused:
        raise InvalidInput(
            f"a loss may not use {', '.join(refused)}: a row's gradient must not depend on other rows, on random "
            "numbers (dropout) or on statistics of a batch (BatchNorm), it must not fail on some rows only, and "
            "numbers stay floating"
        )
    for name, constant in list(graph.named_buffers()):
        # Whoever wrote the loss may still hold this tensor.
        setattr(graph, name, constant.detach().clone())
    recorded = RecordedLoss(*factored(graph), _shapes(parameters), _shapes(auxiliary))
    return accelerated(recorded, parameters, auxiliary, width) if torch.cuda.is_available() else recorded


def accelerated(
    loss: RecordedLoss,
    parameters: Sequence[NDArray[np.floating]],
    auxiliary: Sequence[NDArray[np.floating]],
    width: int,
    device: str = "cuda",
) -> RecordedLoss:
    """Return `loss` for `device` if its gradients of made-up rows are the same there, and `loss` itself if not.

    It is found out before anything is charged: a device that fails in the middle would cost a training.
    """
    rows = np.eye(width)[:_REHEARSED]
    try:
        there = loss.on(device)
        found, wanted = (whole(each.of_rows(parameters, rows, auxiliary)) for each in (there, loss))
    except (DpsynthError, RuntimeError):
        return loss
    return there if np.allclose(found, wanted, rtol=_TOLERANCE, atol=_TOLERANCE, equal_nan=True) else loss


def refuse_cross_example(module: torch.nn.Module) -> None:
    """Refuse a network that holds a layer in which rows meet: batch norm, and instance norm with running statistics.

    `record_loss` refuses these operations anyway; this says it at once, by the name of the layer.

    Raises:
        InvalidInput: naming the layers.
    """
    found = [
        f"{name or 'the network'} ({type(part).__name__})"
        for name, part in module.named_modules()
        if isinstance(part, _CROSS_EXAMPLE) or "BatchNorm" in type(part).__name__
    ]
    if found:
        raise InvalidInput(f"layers in which rows meet have no gradient of one row: {', '.join(found)}; use LayerNorm")


def is_listed(operation: torch._ops.OpOverload) -> bool:
    """Return whether `operation` is one of `ALLOWED`, whatever it is used on."""
    name = operation._schema.name  # noqa: SLF001
    return name.startswith("aten::") and name.removeprefix("aten::").removesuffix("_copy") in _STEMS


def _is_allowed(node: torch.fx.Node) -> bool:
    if node.op != "call_function":
        return node.op in {"placeholder", "get_attr", "output"}
    target: Any = node.target
    if not isinstance(target, torch._ops.OpOverload):  # noqa: SLF001 - the public type of a recorded operation
        return getattr(target, "__name__", "") == "getitem"
    if target._schema.is_mutable or torch.Tag.nondeterministic_seeded in target.tags:  # noqa: SLF001
        return False
    made = node.meta.get("val")
    is_whole = isinstance(made, torch.Tensor) and not (made.is_floating_point() or made.dtype is torch.bool)
    return is_listed(target) and not is_whole


def _name(node: torch.fx.Node) -> str:
    return str(node.target).removesuffix(".default")


def _tensors(arrays: Sequence[NDArray[np.floating]]) -> tuple[torch.Tensor, ...]:
    return tuple(torch.from_numpy(np.array(array, dtype=np.float64)) for array in arrays)


def _shapes(arrays: Sequence[NDArray[np.floating]]) -> tuple[tuple[int, ...], ...]:
    return tuple(np.shape(array) for array in arrays)


_STEMS = frozenset(name.removesuffix("_copy") for name in ALLOWED)

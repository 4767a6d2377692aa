"""Trainings on several processes: workers compute clipped gradients of their share of each batch, and nothing else.

The first process has the curator, the ledger and the noise, and draws every batch. It sends each worker the rows of
some units of the batch, and is sent back the sum of their clipped gradients in whole numbers. Whole numbers add up to
the same sum however they are shared out, so that the mechanism and its accounting are those of one process. Rows and
sums are private: processes talk over the loopback or an encrypted network, and workers run where rows may be.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dpsynth.curator._sealed import Private, unseal
from dpsynth.curator.gradients import Gradients, UnitBatches, clipped_sum
from dpsynth.curator.rows import PrivateRows, compact
from dpsynth.errors import DpsynthError, InvalidInput, MissingExtra
from dpsynth.schema.domain import Domain

try:
    import torch
    import torch.distributed

    from dpsynth.curator.recorded_loss import RecordedLoss, accelerated
    from dpsynth.curator.recording_text import read, written
except ImportError as missing:
    raise MissingExtra("torch", "neural") from missing

if TYPE_CHECKING:
    from typing import Self

PATIENCE = timedelta(minutes=30)
"""How long a process waits for another one before it gives up."""


class GradientWorkers:
    """The other processes, as the first one sees them; give it to `Curator.open` and leave the context in the end."""

    __slots__ = ("_channel", "_is_broken", "_loss", "_text")

    def __init__(self, patience: timedelta = PATIENCE) -> None:
        """Meet the workers, all of which call `work_on_gradients`.

        Raises:
            InvalidInput: there is no process group, or this is not its first process.
        """
        self._channel = _Channel(patience)
        if self._channel.rank != 0:
            raise InvalidInput("the first process trains; all others call work_on_gradients()")
        self._is_broken = False
        self._loss: Gradients | None = None
        self._text = np.empty(0, np.uint8)

    def __enter__(self) -> Self:
        """Return the workers."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let the workers go."""
        if not self._is_broken:
            for worker in self._channel.workers:
                self._channel.send(np.empty(0, np.uint8), worker)
        self._is_broken = True
        self._channel.close()

    def __call__(
        self,
        batches: UnitBatches,
        gradients: Gradients,
        parameters: Sequence[NDArray[np.floating]],
        auxiliary: Sequence[NDArray[np.floating]],
        *,
        units: NDArray[np.intp],
        clipping_norm: float,
        units_at_once: int,
        one_row_each: bool,
    ) -> Private[NDArray[np.int64]]:
        """Return the sum of the clipped gradients of `units`, sealed: the same as `clipped_sum`.

        Raises:
            DpsynthError: a worker failed, ended or kept silent too long; what was charged stays charged.
        """
        if self._is_broken:
            raise DpsynthError("the workers are gone: an earlier step failed, or their context was left")
        self._is_broken = True  # until everybody has answered
        mine, *others = np.array_split(units, len(self._channel.workers) + 1)
        for worker, share in zip(self._channel.workers, others, strict=True):
            codes, owner = batches.codes_of(share)
            request = {
                "loss": self._written(gradients),
                "sizes": batches.sizes,
                "codes": codes,
                "owner": owner,
                "clipping_norm": np.array(clipping_norm),
                "limits": np.array([len(share), units_at_once, one_row_each]),
                **{f"parameter {place}": part for place, part in enumerate(parameters)},
                **{f"auxiliary {place}": part for place, part in enumerate(auxiliary)},
            }
            packed = io.BytesIO()
            np.savez(packed, allow_pickle=False, **{name: np.asarray(part) for name, part in request.items()})
            self._channel.send(np.frombuffer(packed.getvalue(), np.uint8), worker)
        total = unseal(
            clipped_sum(
                batches,
                gradients,
                parameters,
                auxiliary,
                units=mine,
                clipping_norm=clipping_norm,
                units_at_once=units_at_once,
                one_row_each=one_row_each,
            )
        )
        for worker in self._channel.workers:
            answer = self._channel.receive(worker, np.int64)
            if answer.shape != total.shape:
                raise DpsynthError(f"process {worker} could not evaluate the loss")
            total += answer
        self._is_broken = False
        return Private(total)

    def _written(self, gradients: Gradients) -> NDArray[np.uint8]:
        if self._loss is not gradients:
            if not isinstance(gradients, RecordedLoss):
                raise InvalidInput("workers need a recorded loss")
            self._loss, self._text = gradients, np.frombuffer(written(gradients).encode(), np.uint8)
        return self._text


def work_on_gradients(patience: timedelta = PATIENCE) -> None:
    """Work for the trainings of the first process until it says that it is done.

    Raises:
        InvalidInput: there is no process group, or this is its first process.
        DpsynthError: the first process failed, ended or kept silent too long, or this one could not do its part.

    Privacy: only sums for the trusted base of the first process leave, to it alone; it has charged for them.
    """
    channel = _Channel(patience)
    if channel.rank == 0:
        raise InvalidInput("the first process does not work for others: it trains, with GradientWorkers()")
    known: tuple[bytes, Any] = (b"", None)
    try:
        while len(packed := channel.receive(0, np.uint8)):
            fault, answer = None, np.empty(0, np.int64)
            try:
                with np.load(io.BytesIO(packed.tobytes()), allow_pickle=False) as request:
                    text = request["loss"].tobytes()
                    if known[0] != text:
                        known = text, _fastest(read(text.decode()), request)
                    answer = unseal(_answer(known[1], request))
            except Exception as raised:  # noqa: BLE001 - whatever it is, the first process waits for an answer
                fault = type(raised).__name__  # its text might speak of a row
            channel.send(answer, 0)
            if fault is not None:
                raise DpsynthError(f"this process could not do its part ({fault})")
    finally:
        channel.close()


def _fastest(loss: RecordedLoss, request: Any) -> RecordedLoss:
    given = _arrays(request, "parameter", loss.shapes), _arrays(request, "auxiliary", loss.auxiliary_shapes)
    return accelerated(loss, *given, int(request["sizes"].sum())) if torch.cuda.is_available() else loss


def _arrays(request: Any, name: str, shapes: Sequence[tuple[int, ...]]) -> list[NDArray[np.float64]]:
    return [request[f"{name} {place}"] for place in range(len(shapes))]


def _answer(loss: RecordedLoss, request: Any) -> Private[NDArray[np.int64]]:
    sizes = tuple(request["sizes"].tolist())
    domain = Domain(tuple(str(place) for place in range(len(sizes))), sizes)
    codes, (units, units_at_once, one_row_each) = request["codes"].astype(np.int32), request["limits"].tolist()
    rows = PrivateRows(domain, compact(codes, domain), codes[:0], owners=request["owner"])
    return clipped_sum(
        UnitBatches(rows, domain),
        loss,
        _arrays(request, "parameter", loss.shapes),
        _arrays(request, "auxiliary", loss.auxiliary_shapes),
        units=np.arange(units),
        clipping_norm=float(request["clipping_norm"]),
        units_at_once=units_at_once,
        one_row_each=bool(one_row_each),
    )


class _Channel:
    """Arrays from process to process, by gloo, each behind a word that says how long it is."""

    __slots__ = ("_group", "_patience", "rank", "size")

    def __init__(self, patience: timedelta) -> None:
        if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
            raise InvalidInput("there is no process group: call torch.distributed.init_process_group first")
        self.rank = torch.distributed.get_rank()
        self.size = torch.distributed.get_world_size()
        self._patience = patience
        self._group = torch.distributed.new_group(backend="gloo", timeout=patience)

    @property
    def workers(self) -> range:
        return range(1, self.size)

    def send(self, array: NDArray[Any], to: int) -> None:
        self._waits(torch.distributed.send, torch.tensor([array.nbytes]), to)
        if array.nbytes:
            self._waits(torch.distributed.send, torch.from_numpy(np.array(array).view(np.uint8)), to)

    def receive(self, source: int, kind: type[np.generic]) -> NDArray[Any]:
        length = torch.zeros(1, dtype=torch.int64)
        self._waits(torch.distributed.recv, length, source)
        found = torch.zeros(int(length), dtype=torch.uint8)
        if len(found):
            self._waits(torch.distributed.recv, found, source)
        return found.numpy().view(kind)

    def close(self) -> None:
        torch.distributed.destroy_process_group(self._group)

    def _waits(self, move: Any, tensor: torch.Tensor, other: int) -> None:
        try:
            move(tensor, other, group=self._group)
        except RuntimeError:
            raise DpsynthError(
                f"process {other} failed, ended or did not answer within {self._patience}; what was charged is spent"
            ) from None

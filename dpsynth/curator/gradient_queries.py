"""The narrow protocol through which a generator trains on rows that it never holds: noisy gradients, step by step.

The loss is a function that the generator writes. It never runs on a row: it is recorded on a made-up one, and only the
recorded arithmetic crosses the door; `dpsynth.curator.recorded_loss` says how.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from dpsynth.accounting.budget import exact_decimal
from dpsynth.accounting.events import GaussianCoverDpEvent, GaussianDpEvent, PoissonSampledDpEvent, SelfComposedDpEvent
from dpsynth.accounting.gaussian_cover import covered, covers
from dpsynth.errors import InvalidInput
from dpsynth.schema.domain import Domain
from dpsynth.schema.schema import Schema

Loss: TypeAlias = Callable[[tuple[Any, ...], Any, tuple[Any, ...]], Any]
"""Of (parameters, one encoded row, public auxiliary), all float64 tensors; returns a tensor with a single number.

A row comes as one-hot groups, shape (sum of the domain's sizes,), in the order of the domain.
"""

_LEAST_NOISE = 1e-3
_FIRST_STEP, _LAST_STEP = 1.5, 1.005
_MARGIN = Fraction(1, 100_000)  # above what `covered` rounds up


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """Everything about a training that its cost depends on, fixed before the first row is read; all of it is public.

    Attributes:
        noise_multiplier: standard deviation of the noise on the sum of gradients, over the clipping norm.
        sampling_probability: with which every unit is in a batch, each time anew.
        steps: how many gradients may be asked for.
        clipping_norm: largest Euclidean norm of the whole gradient of one unit.
        public_units: number of units as it is publicly known; never counted.
        delta: probability of failing outright that the cover of the event is charged with; the budget must have set it
            aside.
        rows_at_once: most rows whose gradients are in memory at the same time; no batch is ever cut short for it.

    Raises:
        InvalidInput: a number means nothing.

    Source: Abadi et al., "Deep Learning with Differential Privacy" (2016), algorithm 1, with Poisson batches.
    """

    noise_multiplier: float
    sampling_probability: float
    steps: int
    clipping_norm: float
    public_units: int
    delta: Decimal
    rows_at_once: int = 128

    def __post_init__(self) -> None:
        """Refuse numbers that mean nothing."""
        object.__setattr__(self, "delta", exact_decimal("delta", self.delta))
        for name in ("steps", "public_units", "rows_at_once"):
            if isinstance(getattr(self, name), bool) or not isinstance(getattr(self, name), int):
                raise InvalidInput(f"{name} must be a whole number")
            if getattr(self, name) < 1:
                raise InvalidInput(f"{name} must be at least 1")
        if not 0 < self.sampling_probability <= 1:
            raise InvalidInput("sampling_probability must be above 0 and at most 1")
        if not (_LEAST_NOISE <= self.noise_multiplier <= 1e3 and 1e-9 <= self.clipping_norm <= 1e9):
            raise InvalidInput("noise_multiplier must be from 0.001 to 1000, and clipping_norm from 1e-9 to 1e9")

    @property
    def event(self) -> SelfComposedDpEvent:
        """All steps."""
        return SelfComposedDpEvent(
            PoissonSampledDpEvent(self.sampling_probability, GaussianDpEvent(self.noise_multiplier)), self.steps
        )

    @property
    def expected_batch_size(self) -> float:
        """What sums of gradients are divided by, in units; the size of a batch that was drawn is private."""
        return self.sampling_probability * self.public_units

    @property
    def stddev(self) -> float:
        """Standard deviation of the noise on every entry of an answer."""
        return self.noise_multiplier * self.clipping_norm / self.expected_batch_size

    def cover(self) -> GaussianCoverDpEvent:
        """Return the event as it is charged; takes a few seconds at most.

        Raises:
            InvalidInput: delta is too small for it, or so little noise protects nobody.
        """
        return covered(self.event, self.delta)

    def within(self, mu_squared: Fraction) -> TrainingPlan:
        """Return this plan with the least noise, to half a percent, whose cover costs at most `mu_squared`.

        Takes some ten times as long as `cover`. The noise multiplier that the plan has is only where the search begins.

        Raises:
            InvalidInput: no multiplier from 0.001 to 1000 is enough.

        Privacy: public arithmetic; nothing is charged.
        """
        most = mu_squared * (1 - _MARGIN)

        def is_enough(multiplier: float) -> bool:
            return covers(replace(self, noise_multiplier=multiplier).event, self.delta, most)

        step = _FIRST_STEP
        enough = self.noise_multiplier
        while not is_enough(enough):
            enough = replace(self, noise_multiplier=enough * step).noise_multiplier
        while step > _LAST_STEP:
            less = enough / step
            if less >= _LEAST_NOISE and is_enough(less):
                enough = less
            else:
                step = math.sqrt(step)
        return replace(self, noise_multiplier=enough)

    def __str__(self) -> str:
        """Return the plan in words, for the ledger."""
        return (
            f"training, {self.steps} steps of noise multiplier {self.noise_multiplier:g} at sampling probability "
            f"{self.sampling_probability:.6g}, delta {float(self.delta):g}"
        )


@dataclass(frozen=True, slots=True)
class NoisyGradient:
    """An average of clipped gradients with Gaussian noise on every entry: public.

    Attributes:
        parts: one float64 array per parameter, of its shape; the noisy sum divided by the expected batch size.
        stddev: standard deviation of the noise per entry.
        step: which step it was, from 1.
    """

    parts: tuple[NDArray[np.float64], ...]
    stddev: float
    step: int


class GradientSession(Protocol):
    """Noisy gradients of one loss, inside one training that is paid for already."""

    @property
    def plan(self) -> TrainingPlan:
        """What was reserved."""

    @property
    def steps_left(self) -> int:
        """How many gradients may still be asked for."""

    @property
    def is_between_blocks(self) -> bool:
        """Whether the next step begins another block, or all are taken: the time to write a checkpoint.

        True before the first step too; never where the training is not asked for in blocks.
        """

    def noisy_gradient(
        self, parameters: Sequence[NDArray[np.floating]], auxiliary: Sequence[NDArray[np.floating]] = ()
    ) -> NoisyGradient:
        """Return the noisy gradient of the loss over a fresh Poisson batch, empty ones included.

        A gradient of a unit is the sum over its rows, clipped as one vector. One that is not finite counts as zero.

        Args:
            parameters: where the gradient is taken, shapes as at the beginning of the session.
            auxiliary: public arrays for the loss, shapes as at the beginning of the session.

        Raises:
            BudgetExceeded: all steps are taken; no row was touched.
            InvalidInput: arrays of other shapes; no step was taken.
            LedgerError: another process resumed this training, or the ledger cannot be written; no step was taken.

        Privacy: one step of the event that was reserved; adding or removing a unit moves the sum by at most the
            clipping norm.
        """


class GradientQueries(Protocol):
    """Access to noisy gradients, and to nothing else."""

    @property
    def schema(self) -> Schema:
        """What is publicly known."""

    @property
    def domain(self) -> Domain:
        """Names and sizes of the columns after discretisation."""

    @property
    def event_delta(self) -> Decimal:
        """The part of the budget's delta for events that may fail outright; public. At 0 there is no training."""

    def training(
        self,
        plan: TrainingPlan,
        loss: Loss,
        parameters: Sequence[NDArray[np.floating]],
        *,
        auxiliary: Sequence[NDArray[np.floating]] = (),
        purpose: str,
        block: int = 0,
    ) -> AbstractContextManager[GradientSession]:
        """Record `loss`, reserve all steps of `plan`, open the data, and answer until the context ends.

        Asked in blocks, an interrupted training is resumed by asking for the same one again: then nothing is charged,
        and what was left of the last block is lost.

        Args:
            plan: what is charged.
            loss: recorded on a made-up row, before anything is charged; it never sees a real one.
            parameters: arrays of the shapes that the parameters will have.
            auxiliary: arrays of the shapes that the auxiliary arrays will have.
            purpose: why, for the ledger.
            block: how many steps at a time are written down as used; at 0 the training cannot be resumed.

        Raises:
            InvalidInput: the loss cannot be recorded, or does what no loss of one row may do; nothing was charged.
            MissingExtra: PyTorch is not installed.
            BudgetNotSet: the data set has no budget.
            LedgerError: the budget sets no delta aside for events that may fail outright.
            BudgetExceeded: the training does not fit; no row was touched.

        Privacy: all steps are charged before the first row is read, as a Gaussian cover, and stay charged: the cover of
            fewer steps would be chosen by what was seen.
        """


def encoded_rows(codes: NDArray[np.integer], domain: Domain) -> NDArray[np.float64]:
    """Return `codes`, shape (rows, columns), as one-hot groups, shape (rows, sum of sizes)."""
    sizes = np.asarray(domain.sizes)
    encoded = np.zeros((len(codes), int(sizes.sum())))
    starts = np.cumsum(sizes) - sizes
    np.put_along_axis(encoded, codes.astype(np.intp) + starts, 1.0, axis=1)
    return encoded


def flat_size(shapes: Sequence[tuple[int, ...]]) -> int:
    """Return how many numbers arrays of these shapes hold together."""
    return sum(math.prod(shape) for shape in shapes)

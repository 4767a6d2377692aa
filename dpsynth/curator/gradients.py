"""Noisy gradients: batches are drawn, gradients clipped and summed here, and leave only through the gate.

The clipped gradient of a unit is a vector of whole numbers, in steps of clipping norm / 2**26, so that its norm is
checked and sums are made without rounding; the noise is Gaussian noise on whole numbers.
`docs/design/dp_sgd.md` proves the sensitivity and says what remains of floating point.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from fractions import Fraction
from math import isqrt
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from dpsynth.accounting.cost import cost_of
from dpsynth.accounting.events import DpEvent, GaussianCoverDpEvent, GaussianDpEvent
from dpsynth.curator._sealed import Private, unseal
from dpsynth.curator.clipping import LATTICE, MOST_AT_ONCE, OuterProducts, clipped, per_unit, total, whole
from dpsynth.curator.gate import BoundedQuery, Gate
from dpsynth.curator.gradient_queries import NoisyGradient, TrainingPlan, encoded_rows
from dpsynth.curator.rows import PrivateRows
from dpsynth.errors import BudgetExceeded
from dpsynth.ledger.curve import curve_of
from dpsynth.mechanisms.base import Sensitivity
from dpsynth.mechanisms.rounded_gaussian import RoundedGaussianMechanism
from dpsynth.mechanisms.rounding import rounded_up
from dpsynth.randomness import NoiseSource, secret_coins
from dpsynth.schema.domain import Domain


class Gradients(Protocol):
    """What is asked of a recorded loss."""

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shapes of the parameters."""

    @property
    def size(self) -> int:
        """The number of entries of the whole gradient."""

    @property
    def width(self) -> int:
        """How many numbers say the gradient of one row; fewer than `size` where parts are outer products."""

    def check(self, parameters: Sequence[NDArray[np.floating]], auxiliary: Sequence[NDArray[np.floating]]) -> None:
        """Refuse arrays of other shapes."""

    def of_rows(
        self,
        parameters: Sequence[NDArray[np.floating]],
        rows: NDArray[np.float64],
        auxiliary: Sequence[NDArray[np.floating]],
    ) -> tuple[OuterProducts, ...]:
        """Return the gradient for each of `rows`, one part per parameter."""


class ClippedSum(Protocol):
    """What adds up clipped gradients: `clipped_sum`, or several processes that give the same sum."""

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
        """Return the sum of the clipped gradients of `units`, sealed."""


class StepAllowance:
    """The steps of one training, charged as a whole; each is counted where its noise is added.

    With a `block`, so many steps at a time are claimed in the ledger before the first of them is counted.
    """

    __slots__ = (
        "_claim",
        "_claimed",
        "_closed",
        "_cover",
        "_dataset",
        "_lock",
        "_process",
        "_purpose",
        "_taken",
        "block",
        "plan",
    )

    def __init__(
        self, dataset: str, plan: TrainingPlan, cover: GaussianCoverDpEvent, purpose: str, block: int = 0
    ) -> None:
        """Start with no step taken."""
        self._dataset = dataset
        self.plan = plan
        self._cover = cover
        self._purpose = purpose
        self.block = block
        self._taken = 0
        self._claimed = 0 if block else plan.steps
        self._claim: Callable[[int], None] = self._refuse_claim
        self._closed = False
        self._lock = threading.Lock()
        self._process = os.getpid()

    @property
    def taken(self) -> int:
        """How many steps were taken."""
        return self._taken

    @property
    def steps_left(self) -> int:
        """How many may still be taken."""
        return self.plan.steps - self._taken if not self._closed and os.getpid() == self._process else 0

    @property
    def story(self) -> str:
        """What a person who waits is told: what is done, and what it has cost before the first step."""
        paid = [
            f", epsilon {epsilon} at delta {delta} paid" for delta, epsilon in curve_of(cost_of(self._cover)).items()
        ]
        return "".join(["train on noisy gradients", *paid[:1]])

    @property
    def is_between_blocks(self) -> bool:
        """Whether the next step would claim another block, or there is none."""
        return bool(self.block) and self._taken == self._claimed

    def claim_ahead(self, used: int, claim: Callable[[int], None]) -> None:
        """Go on after the first `used` steps; `claim` writes up to which steps are used, or raises."""
        with self._lock:
            self._taken = self._claimed = used
            self._claim = claim

    @property
    def charged(self) -> tuple[tuple[str, DpEvent], ...]:
        """The whole training, however many steps were taken: a cover must not be chosen by what was seen."""
        return ((self._purpose, self._cover),)

    def charge(self, purpose: str, event: DpEvent) -> None:
        """Count a step; safe across threads.

        Raises:
            BudgetExceeded: all steps are taken, the event is not Gaussian noise of at least the plan's multiplier, or
                the allowance is closed or was reserved by another process; nothing is counted.
            LedgerError: the next block could not be claimed; nothing is counted.
        """
        with self._lock:
            is_step = isinstance(event, GaussianDpEvent) and event.noise_multiplier >= self.plan.noise_multiplier
            if not is_step or self.steps_left < 1:
                raise self.refusal(purpose)
            if self._taken == self._claimed:
                claimed = min(self._taken + self.block, self.plan.steps)
                self._claim(claimed)
                self._claimed = claimed
            self._taken += 1

    def close(self) -> None:
        """End the allowance; later steps are refused."""
        with self._lock:
            self._closed = True

    def refusal(self, purpose: str) -> BudgetExceeded:
        """Return the error that refuses a step."""
        return BudgetExceeded(
            self._dataset,
            asked=f"'{purpose}' inside one training",
            remaining=f"{self.steps_left} of {self.plan.steps} steps",
            largest_epsilon=Decimal(0),
            delta=Decimal(0),
        )

    def _refuse_claim(self, steps: int) -> None:
        raise self.refusal(f"steps up to {steps}")


class UnitBatches:
    """Rows grouped by the unit that they belong to, and batches of units; exists behind the door only."""

    __slots__ = ("_domain", "_order", "_rows", "_starts")

    def __init__(self, rows: PrivateRows, domain: Domain) -> None:
        """Group the training rows."""
        self._rows = rows
        self._domain = domain
        count = len(rows.training[0]) if rows.training else 0
        owners = np.arange(count) if rows.owners is None else rows.owners
        self._order = np.argsort(owners, kind="stable")
        self._starts = np.flatnonzero(np.r_[True, np.diff(owners[self._order]) != 0]) if count else np.empty(0, np.intp)

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many codes each column has."""
        return self._domain.sizes

    def drawn(self, noise: NoiseSource, probability: float) -> NDArray[np.intp]:
        """Return the numbers of the units of one batch: each is in it with exactly this probability, on its own."""
        numerator, denominator = Fraction(probability).as_integer_ratio()
        return np.flatnonzero(secret_coins(noise, len(self._starts), numerator, denominator))

    def rows_of(self, units: NDArray[np.intp]) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
        """Return the encoded rows of `units`, and for every row the place of its unit among `units`."""
        codes, owner = self.codes_of(units)
        return encoded_rows(codes, self._domain), owner

    def codes_of(self, units: NDArray[np.intp]) -> tuple[NDArray[np.integer], NDArray[np.intp]]:
        """Return the rows of `units` as codes, and for every row the place of its unit among `units`."""
        ends = np.r_[self._starts[1:], len(self._order)]
        counts = (ends - self._starts)[units]
        owner = np.repeat(np.arange(len(units)), counts)
        within = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
        places = self._order[self._starts[units][owner] + within]
        return np.stack([column[places] for column in self._rows.training], axis=1), owner


def gradient_sensitivity(size: int) -> Sensitivity:
    """Return how far one unit moves a sum of clipped gradients of `size` entries, in whole numbers."""
    return Sensitivity(l1=LATTICE * (isqrt(size) + 1), squared_l2=LATTICE**2, linf=LATTICE)


def gaussian_for(noise_multiplier: float) -> RoundedGaussianMechanism:
    """Return the mechanism whose noise is at least `noise_multiplier` clipping norms wide, at most 0.03 % more."""
    return RoundedGaussianMechanism(rounded_up(Fraction(noise_multiplier) ** 2 * LATTICE**2))


def clipped_sum(
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
    """Return the sum of the clipped gradients of `units`, sealed, in whole numbers; zero for nobody.

    Sums of whole numbers do not depend on order or on how a batch is cut into pieces. `one_row_each` is what the schema
    promises; the rows of the batch must not decide it, because gradients written out are rounded otherwise.
    """
    result = np.zeros(gradients.size, dtype=np.int64)
    for some in pieces(units, units_at_once):
        rows, owner = batches.rows_of(some)
        parts = gradients.of_rows(parameters, rows, auxiliary)
        if not one_row_each:  # a sum of outer products is not one
            parts = (OuterProducts.of_vectors(per_unit(whole(parts), owner, len(some))),)
        result += total(clipped(parts, clipping_norm))
    return Private(result)


def pieces(units: NDArray[np.intp], at_once: int) -> Iterator[NDArray[np.intp]]:
    """Cut `units` into pieces of at most `at_once`; nobody is left out."""
    return (units[start : start + at_once] for start in range(0, len(units), at_once))


def units_at_once(rows_at_once: int, rows_per_unit: int, gradients: Gradients) -> int:
    """Return how many units fit where the gradients of `rows_at_once` rows do, written out.

    Of units of a single row nothing is written out but the factors, and on the way to them about three times as much.
    """
    if rows_per_unit == 1:
        rows_at_once = max(rows_at_once, rows_at_once * gradients.size // (4 * gradients.width))
    return max(1, min(rows_at_once, MOST_AT_ONCE) // rows_per_unit)


class Training:
    """Answers to questions about gradients, drawn from one paid training."""

    __slots__ = (
        "_advance",
        "_allowance",
        "_batches",
        "_gate",
        "_gradients",
        "_mechanism",
        "_noise",
        "_one_row_each",
        "_sum",
        "_units_at_once",
    )

    def __init__(
        self,
        rows: Private[PrivateRows],
        domain: Domain,
        gradients: Gradients,
        allowance: StepAllowance,
        *,
        noise: NoiseSource,
        rows_per_unit: int,
        advance: Callable[[int], None],
        make_sum: ClippedSum = clipped_sum,
    ) -> None:
        """Answer from `allowance` with batches and noise from `noise`; sums are made by `make_sum`."""
        self._batches = Private(UnitBatches(unseal(rows), domain))
        self._gradients = gradients
        self._allowance = allowance
        self._noise = noise
        self._gate = Gate(allowance, noise)
        self._mechanism = gaussian_for(allowance.plan.noise_multiplier)
        self._one_row_each = rows_per_unit == 1
        self._units_at_once = units_at_once(allowance.plan.rows_at_once, rows_per_unit, gradients)
        self._advance = advance
        self._sum = make_sum

    @property
    def plan(self) -> TrainingPlan:
        """What was reserved."""
        return self._allowance.plan

    @property
    def steps_left(self) -> int:
        """How many gradients may still be asked for."""
        return self._allowance.steps_left

    @property
    def is_between_blocks(self) -> bool:
        """Whether this is the time for a checkpoint; see `GradientSession`."""
        return self._allowance.is_between_blocks

    def noisy_gradient(
        self, parameters: Sequence[NDArray[np.floating]], auxiliary: Sequence[NDArray[np.floating]] = ()
    ) -> NoisyGradient:
        """Return the noisy gradient over a fresh Poisson batch; see `GradientSession`.

        Raises:
            BudgetExceeded: all steps are taken; no row was touched.
            InvalidInput: arrays of other shapes; no step was taken.
            LedgerError: the next block of steps could not be claimed.

        Privacy: one step of the event that was reserved.
        """
        self._gradients.check(parameters, auxiliary)
        if not self.steps_left:
            raise self._allowance.refusal("noisy gradient")
        plan, batches = self.plan, unseal(self._batches)
        exact = self._sum(
            batches,
            self._gradients,
            parameters,
            auxiliary,
            units=batches.drawn(self._noise, plan.sampling_probability),
            clipping_norm=plan.clipping_norm,
            units_at_once=self._units_at_once,
            one_row_each=self._one_row_each,
        )
        query = BoundedQuery(exact, gradient_sensitivity(self._gradients.size))
        noisy = self._gate.release(self._mechanism, query, purpose="noisy gradient")
        self._advance(1)
        return NoisyGradient(self._parts(noisy), self.plan.stddev, self._allowance.taken)

    def _parts(self, noisy: NDArray[np.int64]) -> tuple[NDArray[np.float64], ...]:
        average = noisy * (self.plan.clipping_norm / LATTICE / self.plan.expected_batch_size)
        shapes = self._gradients.shapes
        cuts = np.cumsum([int(np.prod(shape, dtype=np.int64)) for shape in shapes])[:-1]
        return tuple(part.reshape(shape) for part, shape in zip(np.split(average, cuts), shapes, strict=True))

"""Which mechanisms enter a privacy-loss distribution by their worst pair of neighbors, and which by their moments."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import Enum, auto
from fractions import Fraction

from dpsynth.accounting.cost import cost_of
from dpsynth.accounting.dominating_pairs import (
    MOST_STEPS,
    DiscreteGaussianPair,
    DiscreteLaplacePair,
    DominatingPair,
    ExponentialPair,
    GaussianPair,
    LaplacePair,
    ResponsePair,
    SampledGaussianPair,
)
from dpsynth.accounting.events import (
    ApproximateDpEvent,
    DiscreteGaussianDpEvent,
    DiscreteLaplaceDpEvent,
    DpEvent,
    ExponentialDpEvent,
    GaussianDpEvent,
    GdpEvent,
    LaplaceDpEvent,
    PoissonSampledDpEvent,
)
from dpsynth.accounting.moment_profile import MomentPart

MOST_PAIRS = 300
"""Most different pairs in one composition; beyond it the cheapest mechanisms enter by their rho, to save time."""

_BITS = 200
_HOPELESS_VARIANCE = 1e8
_HOPELESS_COUNT = 10**9
_SMOOTHING = 2
_SMOOTHING_LOSS = 1e-16
_MOST_COORDINATES = 10**6
_LATTICE_SENSITIVITY = 3
_LEAST_VARIANCE_ON_LATTICE = 10_000
_LEAST_VARIANCE_OF_VECTORS = 1_000


class RangeTreatment(Enum):
    """How draws of bounded range enter: three bounds, of which each is the best for some lists."""

    BY_MOMENTS = auto()
    AS_PAIRS = auto()
    AS_GAUSSIANS = auto()


@dataclass(slots=True)
class WorstPairs:
    """A list of events, sorted into pairs and moments.

    Attributes:
        pairs: each different pair with the number of times it occurs.
        rho: sum of what is only known to be zero-concentrated.
        ranges: number of bounded-range draws of each epsilon.
        rho_of_pair: zero-concentrated cost of each pair that has one.
    """

    pairs: dict[DominatingPair, int] = field(default_factory=dict)
    rho: Fraction = Fraction(0)
    ranges: dict[float, int] = field(default_factory=dict)
    rho_of_pair: dict[DominatingPair, Fraction] = field(default_factory=dict)
    _shift_units: int = 0
    _coordinates: int = 0

    @classmethod
    def of(cls, events: list[tuple[DpEvent, int]], ranges: RangeTreatment) -> WorstPairs:
        """Sort `events`; draws of bounded range enter as `ranges` says."""
        result = cls()
        for event, count in events:
            result._add(event, count, ranges)
        result._finish()
        return result

    @property
    def rest(self) -> MomentPart | None:
        """What has no pair; None where there is nothing of the kind."""
        if not self.rho and not self.ranges:
            return None
        return MomentPart(float(self.rho), tuple(self.ranges.items()))

    @property
    def hopeless(self) -> bool:
        """Whether losses are so large, or so many, that floats blur their sum; the moments then have to do."""
        variance = sum(count * pair.variance() for pair, count in self.pairs.items())
        return variance > _HOPELESS_VARIANCE or sum(self.pairs.values()) > _HOPELESS_COUNT

    def without_pairs(self) -> MomentPart:
        """Return a bound on everything by its moments; infinite where some pair has no zero-concentrated cost."""
        if not self.pairs.keys() <= self.rho_of_pair.keys():
            return MomentPart(math.inf, ())
        rho = self.rho + sum(self.rho_of_pair[pair] * count for pair, count in self.pairs.items())
        return MomentPart(float(rho), tuple(self.ranges.items()))

    @property
    def has_directions(self) -> bool:
        """Whether adding and removing a unit have to be composed apart."""
        return any(isinstance(pair, SampledGaussianPair) for pair in self.pairs)

    def _add(self, event: DpEvent, count: int, ranges: RangeTreatment) -> None:
        match event:
            case GaussianDpEvent(noise_multiplier):
                over, under = noise_multiplier.as_integer_ratio()
                self._shift(count * under**2, over**2)
            case GdpEvent(mu_squared):
                self._shift(count * mu_squared.numerator, mu_squared.denominator)
            case DiscreteGaussianDpEvent():
                self._add_discrete_gaussian(event, count)
            case ExponentialDpEvent() if ranges is RangeTreatment.AS_GAUSSIANS and (mu := cost_of(event).mu_squared):
                self._shift(count * mu.numerator, mu.denominator)
            case ExponentialDpEvent(epsilon) if epsilon and ranges is not RangeTreatment.AS_PAIRS:
                self.ranges[float(epsilon)] = self.ranges.get(float(epsilon), 0) + count
            case PoissonSampledDpEvent(probability, GaussianDpEvent(noise_multiplier)):
                self._pair(SampledGaussianPair(probability, noise_multiplier), count, None)
            case _:
                cost = cost_of(event)
                pair = _pure_pair(event)
                if pair is not None:
                    self._pair(pair, count, None if cost.delta else cost.rho)
                elif cost.rho is not None:
                    self.rho += count * cost.rho

    def _add_discrete_gaussian(self, event: DiscreteGaussianDpEvent, count: int) -> None:
        """Add integer noise on integer vectors; which of three rules is proven and tight depends on the variance."""
        squared, variance = event.squared_sensitivity, event.variance
        few = squared <= _LATTICE_SENSITIVITY
        if squared == 0:
            return
        smooth = variance >= (_LEAST_VARIANCE_ON_LATTICE if few else _LEAST_VARIANCE_OF_VECTORS)
        if smooth and squared <= _MOST_COORDINATES:
            exact = count * squared / (variance - _SMOOTHING)
            self._shift(exact.numerator, exact.denominator)
            self._coordinates += count * squared
        elif few:
            pair = DiscreteGaussianPair(float(variance))
            self._pair(pair, count * squared, Fraction(1) / (2 * variance))
        else:
            self.rho += count * squared / (2 * variance)

    def _shift(self, over: int, under: int) -> None:
        """Add a squared shift, rounded up; exact sums of odd fractions grow without bound and take seconds."""
        self._shift_units += _units(over, under)

    def _pair(self, pair: DominatingPair, count: int, rho: Fraction | None) -> None:
        self.pairs[pair] = self.pairs.get(pair, 0) + count
        if rho is not None:
            self.rho_of_pair[pair] = rho

    def _finish(self) -> None:
        units, too_many = 0, len(self.pairs) - MOST_PAIRS
        if too_many > 0:
            cheapest = sorted(self.rho_of_pair, key=lambda pair: float(self.rho_of_pair[pair]) * self.pairs[pair])
            for pair in cheapest[:too_many]:
                rho = self.rho_of_pair[pair]
                units += _units(self.pairs.pop(pair) * rho.numerator, rho.denominator)
        narrowest = sorted(self.ranges, key=lambda epsilon: self.ranges[epsilon] * epsilon * epsilon)
        for epsilon in narrowest[: max(0, len(narrowest) - MOST_PAIRS)]:
            over, under = epsilon.as_integer_ratio()
            units += _units(self.ranges.pop(epsilon) * over**2, 8 * under**2)
        self.rho += Fraction(units, 1 << _BITS)
        if self._shift_units:
            # Independent normals add up to one: a single pair stands for all of them.
            squared = Fraction(self._shift_units, 1 << _BITS)
            self._pair(GaussianPair(float(squared) ** 0.5, _SMOOTHING_LOSS * self._coordinates), 1, squared / 2)


def _units(over: int, under: int) -> int:
    """Return over / under in units of 2**-200, rounded up."""
    return -(-(over << _BITS) // under)


def _pure_pair(event: DpEvent) -> DominatingPair | None:
    match event:
        case LaplaceDpEvent(noise_multiplier):
            return LaplacePair(1 / noise_multiplier)
        case DiscreteLaplaceDpEvent(scale, sensitivity) if 0 < sensitivity <= MOST_STEPS:
            return DiscreteLaplacePair(float(scale), sensitivity)
        case DiscreteLaplaceDpEvent(scale, sensitivity) if sensitivity:
            return ResponsePair(float(sensitivity / scale), 0.0)
        case ExponentialDpEvent(epsilon) if epsilon:
            return ExponentialPair(float(epsilon))
        case ApproximateDpEvent(epsilon, delta) if epsilon or delta:
            return ResponsePair(float(epsilon), float(delta))
        case _:
            return None

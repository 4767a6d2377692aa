"""What every accountant can do, and the one way in which a tree of events becomes a list of simple ones."""

from __future__ import annotations

import math
from collections import Counter
from decimal import Decimal
from fractions import Fraction
from typing import Protocol, Self

from dpsynth.accounting.cost import ZERO_COST, PrivacyCost, cost_of
from dpsynth.accounting.events import (
    ApproximateDpEvent,
    ComposedDpEvent,
    DpEvent,
    GaussianCoverDpEvent,
    GaussianDpEvent,
    NonPrivateDpEvent,
    NoOpDpEvent,
    PoissonSampledDpEvent,
    SelfComposedDpEvent,
)
from dpsynth.errors import InvalidBudget, InvalidInput

MOST_SAMPLED = 16
"""Most different sampled Gaussians that are composed one by one."""


class PrivacyAccountant(Protocol):
    """Adds up events whose parameters were fixed before the first of them was answered.

    A total of an accountant says what a list of events cost. Whether one more event may be *asked for* after earlier
    answers were seen is a different question, which only `AdaptiveFilter` answers.
    """

    def supports(self, event: DpEvent) -> bool:
        """Return whether `compose` would accept `event`."""

    def compose(self, event: DpEvent, count: int = 1) -> Self:
        """Add `event`, `count` times, and return the accountant; an event that is refused leaves it as it was.

        Raises:
            InvalidInput: some part of `event` is not supported, or `count` is negative.
        """

    def get_epsilon(self, delta: Decimal | Fraction | float) -> float:
        """Return the epsilon of everything composed so far at `delta`, rounded up; infinity where there is none.

        Raises:
            InvalidBudget: `delta` is not at least 0 and below 1.
        """

    def get_delta(self, epsilon: Decimal | Fraction | float) -> float:
        """Return the delta of everything composed so far at `epsilon`, rounded up.

        Raises:
            InvalidBudget: `epsilon` is negative or undefined.
        """


class EventTally:
    """How often each simple event happened, and what all of them cost exactly.

    Simple events are those that hold no other event, and a Poisson-sampled Gaussian. Every other sampled event is
    replaced by its amplified pure guarantee.

    Attributes:
        counts: number of occurrences of each simple event.
        cost: their sum.
    """

    __slots__ = ("_items", "cost", "counts")

    def __init__(self) -> None:
        """Start with nothing."""
        self._items: list[tuple[DpEvent, int]] | None = None
        self.counts: Counter[DpEvent] = Counter()
        self.cost: PrivacyCost = ZERO_COST

    @property
    def unbounded(self) -> bool:
        """Whether something was read without protection."""
        return NonPrivateDpEvent() in self.counts

    def add(self, event: DpEvent, count: int) -> None:
        """Add `event`, `count` times: first everything is looked at, then everything is added.

        Raises:
            InvalidInput: some part of `event` is not supported; nothing was added.
        """
        found = simple_events(SelfComposedDpEvent(event, count))
        cost = cost_of(SelfComposedDpEvent(event, count))
        self.counts.update(found)
        self.cost += cost
        self._items = None

    def items(self) -> list[tuple[DpEvent, int]]:
        """Return the simple events with their counts, in an order that does not depend on the order of composition.

        Where very many different Gaussians were sampled, neighbors among them are counted as their worst, to save time.
        """
        if self._items is None:
            sampled = [event for event in self.counts if isinstance(event, PoissonSampledDpEvent)]
            counts = _merged(self.counts, sampled) if len(sampled) > MOST_SAMPLED else self.counts
            self._items = sorted(counts.items(), key=lambda item: repr(item[0]))
        return self._items


def simple_events(event: DpEvent) -> Counter[DpEvent]:
    """Return the simple events inside `event` with the number of times that each happens.

    Raises:
        InvalidInput: a sampled event is neither Gaussian nor pure inside.
    """
    found: Counter[DpEvent] = Counter()
    waiting: list[tuple[DpEvent, int]] = [(event, 1)]
    while waiting:
        current, count = waiting.pop()
        match current:
            case NoOpDpEvent() | SelfComposedDpEvent(_, 0) | PoissonSampledDpEvent(0.0, _):
                pass
            case SelfComposedDpEvent(inner, times):
                waiting.append((inner, count * times))
            case ComposedDpEvent(parts):
                waiting.extend((part, count) for part in parts)
            case PoissonSampledDpEvent(1.0, inner) | GaussianCoverDpEvent(inner):
                waiting.append((inner, count))
            case PoissonSampledDpEvent(_, inner) if not isinstance(inner, GaussianDpEvent):
                found[_amplified(current)] += count
            case _:
                found[current] += count
    return found


def checked_delta(delta: Decimal | Fraction | float) -> float:
    """Return `delta` as a float.

    Raises:
        InvalidBudget: it is not at least 0 and below 1.
    """
    if not 0 <= delta < 1:
        raise InvalidBudget("delta must be at least 0 and below 1")
    return float(delta)


def checked_epsilon(epsilon: Decimal | Fraction | float) -> float:
    """Return `epsilon` as a float.

    Raises:
        InvalidBudget: it is negative or undefined.
    """
    if not epsilon >= 0:
        raise InvalidBudget("epsilon must be at least 0")
    return float(epsilon)


def _merged(counts: Counter[DpEvent], sampled: list[PoissonSampledDpEvent]) -> Counter[DpEvent]:
    """Count groups of sampled Gaussians as one with the largest probability and the least noise in the group.

    Less noise is worse, because noise can be added; a larger probability is worse, because a draw of the mixture can be
    replaced by one without the unit, with some probability.
    """
    merged: Counter[DpEvent] = Counter(
        {event: count for event, count in counts.items() if not isinstance(event, PoissonSampledDpEvent)}
    )
    ordered = sorted((event.sampling_probability, _noise(event), counts[event]) for event in sampled)
    size = math.ceil(len(ordered) / MOST_SAMPLED)
    for start in range(0, len(ordered), size):
        probabilities, noises, times = zip(*ordered[start : start + size], strict=True)
        merged[PoissonSampledDpEvent(max(probabilities), GaussianDpEvent(min(noises)))] += sum(times)
    return merged


def _noise(event: PoissonSampledDpEvent) -> float:
    return event.event.noise_multiplier if isinstance(event.event, GaussianDpEvent) else 0.0


def _amplified(event: PoissonSampledDpEvent) -> ApproximateDpEvent:
    cost = cost_of(event)
    if cost.epsilon is None:
        raise InvalidInput(
            f"no accountant knows a Poisson-sampled {type(event.event).__name__}; only a Gaussian, or what is purely "
            "differentially private, may be sampled"
        )
    return ApproximateDpEvent(Decimal(f"{int(cost.epsilon * 10**12)}e-12"), Decimal(f"{int(cost.delta * 10**30)}e-30"))

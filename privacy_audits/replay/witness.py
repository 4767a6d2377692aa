"""Stands at the gate: notes what goes in and comes out, or hands out the answers of another run in place of noise.

Nothing is unsealed here: what the gate hands to a mechanism is seen because a stand-in is put before the mechanism.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import numpy as np

from dpsynth.accounting.events import (
    DpEvent,
    GaussianCoverDpEvent,
    GaussianDpEvent,
    PoissonSampledDpEvent,
    SelfComposedDpEvent,
)
from dpsynth.curator.gate import BoundedQuery, Gate
from dpsynth.mechanisms.base import Sensitivity
from dpsynth.mechanisms.discrete_laplace import DiscreteLaplaceMechanism
from dpsynth.mechanisms.exponential import ExponentialMechanism
from dpsynth.mechanisms.partition_selection import PartitionSelection
from dpsynth.mechanisms.rounded_gaussian import RoundedGaussianMechanism
from dpsynth.randomness import NoiseSource, SystemNoise

_MECHANISMS = (DiscreteLaplaceMechanism, ExponentialMechanism, PartitionSelection, RoundedGaussianMechanism)


class Diverged(Exception):
    """A run asked something else than the run whose answers it is given."""


@dataclass(frozen=True, eq=False)
class Release:
    """One answer of the gate.

    Attributes:
        purpose: as it is booked.
        mechanism: with its parameters.
        sensitivity: as it is declared.
        event: what the mechanism says that this costs.
        value: the exact value, as a mapping from places to whole numbers; places of zero left out.
        form: type and shape of the value; nothing but the type of a mapping, whose keys are private.
        answer: what left.
    """

    purpose: str
    mechanism: Any
    sensitivity: Sensitivity
    event: DpEvent
    value: dict[Any, int]
    form: tuple[Any, ...]
    answer: Any

    @property
    def request(self) -> tuple[Any, ...]:
        """Everything about it that must not depend on rows."""
        return (self.purpose, self.mechanism, self.sensitivity, self.event, self.form)

    @property
    def story(self) -> str:
        """The request in words."""
        return f"'{self.purpose}' of {self.form} by {self.mechanism}"


@dataclass(frozen=True)
class Moved:
    """How far a query moved between neighbors, over what was declared; above 1 in any norm is a fault.

    Attributes:
        l1: in L1 norm.
        squared_l2: in squared L2 norm.
        linf: in the largest entry.
    """

    l1: float
    squared_l2: float
    linf: float

    @classmethod
    def between(cls, one: Release, other: Release) -> Moved:
        """Return the ratios, in whole numbers until the division."""
        steps = [
            abs(one.value.get(place, 0) - other.value.get(place, 0)) for place in one.value.keys() | other.value.keys()
        ]
        declared = one.sensitivity
        return cls(
            sum(steps) / declared.l1,
            sum(step * step for step in steps) / declared.squared_l2,
            max(steps, default=0) / declared.linf,
        )

    @property
    def largest(self) -> float:
        """The largest of the three."""
        return max(self.l1, self.squared_l2, self.linf)


class Witness:
    """Watches one run.

    Attributes:
        releases: what passed the gate, in order.
        beside: mechanisms that drew noise beside the gate.
    """

    def __init__(self, frozen: Sequence[Release] | None = None) -> None:
        """Watch a run; hand it the answers of `frozen` where they are given."""
        self.releases: list[Release] = []
        self.beside: list[str] = []
        self._frozen = frozen
        self._inside = False

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch whatever gate there is, a twin's included, until the context ends."""
        gate = Gate.release

        def release(own: Gate, mechanism: Any, query: BoundedQuery[Any], *, purpose: str) -> Any:
            return gate(own, _StandIn(self, mechanism, purpose), query, purpose=purpose)

        with ExitStack() as stack:
            stack.enter_context(patch.object(Gate, "release", release))
            for kind in _MECHANISMS:
                stack.enter_context(patch.object(kind, "__call__", self._noted(kind.__call__)))
            yield

    def _noted(self, draw: Callable[..., Any]) -> Callable[..., Any]:
        def noted(mechanism: Any, value: Any, **given: Any) -> Any:
            if not self._inside:
                self.beside.append(type(mechanism).__name__)
            return draw(mechanism, value, **given)

        return noted

    def answered(self, purpose: str, mechanism: Any, value: Any, sensitivity: Sensitivity) -> Any:
        """Return the answer to a value that has reached a mechanism through the gate."""
        place = len(self.releases)
        numbers, form = _numbers_of(value)
        event = mechanism.event(sensitivity)
        asked = Release(purpose, mechanism, sensitivity, event, numbers, form, None)
        if self._frozen is None:
            self._inside = True
            try:
                answer = mechanism(value, sensitivity=sensitivity, noise=SystemNoise())
            finally:
                self._inside = False
        else:
            if place >= len(self._frozen):
                raise Diverged(f"it asks for more than {place} answers")
            before = self._frozen[place]
            if before.request != asked.request:
                raise Diverged(f"request {place} was {before.story} and is {asked.story}")
            answer = before.answer
        self.releases.append(Release(*asked.request[:4], numbers, form, _copied(answer)))
        return _copied(answer)


class _StandIn:
    """Looks to the gate like the mechanism, and has the witness answer."""

    def __init__(self, witness: Witness, mechanism: Any, purpose: str) -> None:
        self._witness = witness
        self._mechanism = mechanism
        self._purpose = purpose

    def event(self, sensitivity: Sensitivity) -> DpEvent:
        event: DpEvent = self._mechanism.event(sensitivity)
        return event

    def __call__(self, value: Any, *, sensitivity: Sensitivity, noise: NoiseSource) -> Any:  # noqa: ARG002
        return self._witness.answered(self._purpose, self._mechanism, value, sensitivity)


def unpaid(releases: Sequence[Release], charged: Sequence[tuple[str, DpEvent]]) -> tuple[str, ...]:
    """Return what left the gate and is in no charge, in sentences; also charges for what never left."""
    covers = [event for _, event in charged if isinstance(event, GaussianCoverDpEvent)]
    steps, least = 0, float("inf")
    for cover in covers:
        inner = cover.event
        if isinstance(inner, SelfComposedDpEvent) and isinstance(inner.event, PoissonSampledDpEvent):
            gaussian = inner.event.event
            steps += inner.count
            least = min(least, gaussian.noise_multiplier if isinstance(gaussian, GaussianDpEvent) else float("inf"))
    gradients = [release for release in releases if release.purpose == "noisy gradient"]
    others = Counter((release.purpose, release.event) for release in releases if release.purpose != "noisy gradient")
    booked = Counter((purpose, event) for purpose, event in charged if not isinstance(event, GaussianCoverDpEvent))
    faults = [f"{times} x '{purpose}' left and was not charged" for (purpose, _), times in (others - booked).items()]
    faults += [f"{times} x '{purpose}' was charged and never left" for (purpose, _), times in (booked - others).items()]
    if len(gradients) > steps:
        faults.append(f"{len(gradients)} noisy gradients left and {steps} were charged")
    if any(getattr(release.event, "noise_multiplier", 0.0) < least for release in gradients):
        faults.append("a gradient left with less noise than was charged")
    return tuple(faults)


def _numbers_of(value: Any) -> tuple[dict[Any, int], tuple[Any, ...]]:
    if isinstance(value, np.ndarray):
        flat = value.reshape(-1)
        places = np.flatnonzero(flat)
        return dict(zip(places.tolist(), flat[places].tolist(), strict=True)), (value.dtype.str, value.shape)
    return {name: int(count) for name, count in value.items()}, (type(value).__name__,)


def _copied(answer: Any) -> Any:
    return answer.copy() if isinstance(answer, np.ndarray) else answer

"""dp-accounting behind one door: our events in its words, with what it gets wrong rewritten before it sees it.

Two rewrites. Its privacy-loss accountant drops the count of a randomised response that is composed with itself, so the
copies are written out. Its Renyi accountant takes a Gaussian under substitution for one under removal, so the noise is
halved; its privacy-loss accountant does that itself, and is left alone.
"""

from __future__ import annotations

import math
import warnings
from decimal import Decimal
from fractions import Fraction
from typing import Any

from dpsynth.accounting.accountant import simple_events
from dpsynth.accounting.events import (
    ApproximateDpEvent,
    DiscreteGaussianDpEvent,
    DiscreteLaplaceDpEvent,
    DpEvent,
    ExponentialDpEvent,
    GaussianDpEvent,
    GdpEvent,
    LaplaceDpEvent,
    NonPrivateDpEvent,
    PoissonSampledDpEvent,
    ZCDpEvent,
)

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import dp_accounting
    from dp_accounting.pld import common, pld_privacy_accountant
    from dp_accounting.pld import privacy_loss_distribution as distributions
    from dp_accounting.rdp import rdp_privacy_accountant

REMOVED = dp_accounting.NeighboringRelation.ADD_OR_REMOVE_ONE
REPLACED = dp_accounting.NeighboringRelation.REPLACE_ONE
_LATTICE = 3
_MOST_SENSITIVE = 10_000


class NotRepresented(Exception):
    """dp-accounting has no words for an event."""


def losses_accountant(event: Any, relation: Any = REMOVED) -> Any:
    """Return its privacy-loss accountant after an event of its own."""
    return pld_privacy_accountant.PLDAccountant(relation).compose(_counted(event))


def moments_accountant(event: Any, relation: Any = REMOVED) -> Any:
    """Return its Renyi accountant after an event of its own."""
    counted = _counted(event)
    return rdp_privacy_accountant.RdpAccountant(neighboring_relation=relation).compose(
        _halved(counted) if relation is REPLACED else counted
    )


def losses_epsilon(event: DpEvent, delta: float, grid: float) -> float:
    """Return the epsilon of an event of ours by its privacy-loss distributions.

    Raises:
        NotRepresented: it has no distribution for some part.
    """
    parts = [(part, count) for part, count in simple_events(event).items() if not _is_nothing(part)]
    found = [_distribution(part, count, grid) for part, count in parts]
    if not found:
        return 0.0
    whole = found[0]
    for distribution in found[1:]:
        whole = whole.compose(distribution)
    return float(whole.get_epsilon_for_delta(delta))


def moments_epsilon(event: DpEvent, delta: float) -> float:
    """Return the epsilon of an event of ours by its Renyi accountant.

    Raises:
        NotRepresented: it has no such event.
    """
    parts = [
        dp_accounting.SelfComposedDpEvent(_in_its_words(part), count)
        for part, count in simple_events(event).items()
        if not _is_nothing(part)
    ]
    return float(moments_accountant(dp_accounting.ComposedDpEvent(parts)).get_epsilon(delta))


def _distribution(event: DpEvent, count: int, grid: float) -> Any:
    place: dict[str, Any] = {"value_discretization_interval": grid}
    match event:
        case GaussianDpEvent(noise):
            return distributions.from_gaussian_mechanism(noise / math.sqrt(count), **place)
        case GdpEvent(mu_squared):
            return distributions.from_gaussian_mechanism(1 / math.sqrt(mu_squared * count), **place)
        case LaplaceDpEvent(noise):
            return distributions.from_laplace_mechanism(noise, **place).self_compose(count)
        case DiscreteLaplaceDpEvent(scale, sensitivity) if sensitivity <= _MOST_SENSITIVE:
            law = distributions.from_discrete_laplace_mechanism(float(1 / scale), sensitivity, **place)
            return law.self_compose(count)
        case DiscreteGaussianDpEvent(variance, squared) if squared <= _LATTICE:
            law = distributions.from_discrete_gaussian_mechanism(math.sqrt(variance), 1, **place)
            return law.self_compose(count * squared)
        case ApproximateDpEvent(epsilon, delta):
            both = common.DifferentialPrivacyParameters(float(epsilon), float(delta))
            return distributions.from_privacy_parameters(both, **place).self_compose(count)
        case PoissonSampledDpEvent(probability, GaussianDpEvent(noise)):
            law = distributions.from_gaussian_mechanism(noise, sampling_prob=probability, **place)
            return law.self_compose(count)
        case _:
            raise NotRepresented(type(event).__name__)


def _in_its_words(event: DpEvent) -> Any:
    match event:
        case GaussianDpEvent(noise):
            return dp_accounting.GaussianDpEvent(noise)
        case GdpEvent(mu_squared):
            return dp_accounting.GaussianDpEvent(1 / math.sqrt(mu_squared))
        case LaplaceDpEvent(noise):
            return dp_accounting.LaplaceDpEvent(noise)
        case ZCDpEvent(rho):
            return dp_accounting.ZCDpEvent(float(rho))
        case DiscreteGaussianDpEvent(variance, squared):
            return dp_accounting.ZCDpEvent(float(squared / (2 * variance)))
        case ExponentialDpEvent(epsilon):
            return dp_accounting.ZCDpEvent(float(epsilon**2 / 8))
        case PoissonSampledDpEvent(probability, GaussianDpEvent(noise)):
            return dp_accounting.PoissonSampledDpEvent(probability, dp_accounting.GaussianDpEvent(noise))
        case NonPrivateDpEvent():
            return dp_accounting.NonPrivateDpEvent()
        case _:
            raise NotRepresented(type(event).__name__)


def _is_nothing(event: DpEvent) -> bool:
    match event:
        case ApproximateDpEvent(epsilon, delta):
            return epsilon == delta == Decimal(0)
        case DiscreteGaussianDpEvent(_, 0) | DiscreteLaplaceDpEvent(_, 0) | ZCDpEvent(Fraction(numerator=0)):
            return True
        case _:
            return False


def _counted(event: Any, count: int = 1) -> Any:
    """Return an event of its own in which every randomised response stands as often as it happened."""
    match event:
        case dp_accounting.SelfComposedDpEvent():
            return _counted(event.event, count * event.count)
        case dp_accounting.ComposedDpEvent():
            return dp_accounting.ComposedDpEvent([_counted(part, count) for part in event.events])
        case dp_accounting.RandomizedResponseDpEvent():
            return dp_accounting.ComposedDpEvent([event] * count)
        case _:
            return dp_accounting.SelfComposedDpEvent(event, count)


def _halved(event: Any) -> Any:
    """Return an event of its own with Gaussian noise that holds under substitution, where a mean moves twice as far."""
    match event:
        case dp_accounting.SelfComposedDpEvent():
            return dp_accounting.SelfComposedDpEvent(_halved(event.event), event.count)
        case dp_accounting.ComposedDpEvent():
            return dp_accounting.ComposedDpEvent([_halved(part) for part in event.events])
        case dp_accounting.GaussianDpEvent():
            return dp_accounting.GaussianDpEvent(event.noise_multiplier / 2)
        case _:
            return event

"""What was done to the data, as frozen records: the language that the ledger stores for ever.

Compatibility contract: an event is never removed, never renamed and never changes its meaning; unknown events are
refused; an old composed event stays readable. Names and parameters follow dp_accounting's vocabulary where it has one.
Events hold costs, never data.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import TypeAlias, assert_never

from dpsynth.errors import LedgerCorrupted

JsonValue: TypeAlias = None | bool | int | float | str | list["JsonValue"] | dict[str, "JsonValue"]


@dataclass(frozen=True, slots=True)
class GaussianDpEvent:
    """Continuous Gaussian noise; `noise_multiplier` is the standard deviation over the L2 sensitivity."""

    noise_multiplier: float


@dataclass(frozen=True, slots=True)
class LaplaceDpEvent:
    """Continuous Laplace noise; `noise_multiplier` is the scale over the L1 sensitivity."""

    noise_multiplier: float


@dataclass(frozen=True, slots=True)
class DiscreteGaussianDpEvent:
    """Integer Gaussian noise of parameter `variance` per cell on integer vectors.

    The vectors of neighbors differ by at most sqrt(`squared_sensitivity`) in L2 norm.
    """

    variance: Fraction
    squared_sensitivity: int


@dataclass(frozen=True, slots=True)
class DiscreteLaplaceDpEvent:
    """Integer Laplace noise with P(x) proportional to exp(-|x| / `scale`) per cell; `sensitivity` is the L1 distance."""

    scale: Fraction
    sensitivity: int


@dataclass(frozen=True, slots=True)
class ExponentialDpEvent:
    """One draw of the exponential mechanism with weights exp(epsilon * score / (2 * sensitivity)).

    It is `epsilon`-bounded-range, therefore epsilon**2 / 8 zCDP.
    """

    epsilon: Fraction


@dataclass(frozen=True, slots=True)
class ZCDpEvent:
    """Anything that is `rho` zero-concentrated differentially private, adaptive schedules included."""

    rho: Fraction


@dataclass(frozen=True, slots=True)
class ApproximateDpEvent:
    """Anything that is (`epsilon`, `delta`) differentially private and says no more about itself."""

    epsilon: Decimal
    delta: Decimal


@dataclass(frozen=True, slots=True)
class PoissonSampledDpEvent:
    """`event` on a random part of the units, each taken independently with `sampling_probability`."""

    sampling_probability: float
    event: DpEvent


@dataclass(frozen=True, slots=True)
class SelfComposedDpEvent:
    """`event`, `count` times over."""

    event: DpEvent
    count: int


@dataclass(frozen=True, slots=True)
class ComposedDpEvent:
    """All `events`, one after the other."""

    events: tuple[DpEvent, ...]


@dataclass(frozen=True, slots=True)
class NoOpDpEvent:
    """Nothing was read; costs nothing."""


@dataclass(frozen=True, slots=True)
class NonPrivateDpEvent:
    """Something was read without protection; costs infinity."""


DpEvent: TypeAlias = (
    GaussianDpEvent
    | LaplaceDpEvent
    | DiscreteGaussianDpEvent
    | DiscreteLaplaceDpEvent
    | ExponentialDpEvent
    | ZCDpEvent
    | ApproximateDpEvent
    | PoissonSampledDpEvent
    | SelfComposedDpEvent
    | ComposedDpEvent
    | NoOpDpEvent
    | NonPrivateDpEvent
)
"""The closed union of everything that can be charged."""


def event_to_json(event: DpEvent) -> dict[str, JsonValue]:
    """Return `event` as a JSON object; exact numbers are written as text."""
    match event:
        case GaussianDpEvent(noise_multiplier) | LaplaceDpEvent(noise_multiplier):
            return {"event": _name(event), "noise_multiplier": repr(noise_multiplier)}
        case DiscreteGaussianDpEvent(variance, squared_sensitivity):
            return {
                "event": "DiscreteGaussian",
                "variance": str(variance),
                "squared_sensitivity": squared_sensitivity,
            }
        case DiscreteLaplaceDpEvent(scale, sensitivity):
            return {"event": "DiscreteLaplace", "scale": str(scale), "sensitivity": sensitivity}
        case ExponentialDpEvent(epsilon):
            return {"event": "Exponential", "epsilon": str(epsilon)}
        case ZCDpEvent(rho):
            return {"event": "ZCDp", "rho": str(rho)}
        case ApproximateDpEvent(epsilon, delta):
            return {"event": "ApproximateDp", "epsilon": str(epsilon), "delta": str(delta)}
        case PoissonSampledDpEvent(sampling_probability, inner):
            return {
                "event": "PoissonSampled",
                "sampling_probability": repr(sampling_probability),
                "of": event_to_json(inner),
            }
        case SelfComposedDpEvent(inner, count):
            return {"event": "SelfComposed", "count": count, "of": event_to_json(inner)}
        case ComposedDpEvent(events):
            return {"event": "Composed", "of": [event_to_json(inner) for inner in events]}
        case NoOpDpEvent():
            return {"event": "NoOp"}
        case NonPrivateDpEvent():
            return {"event": "NonPrivate"}
        case _:
            assert_never(event)


def event_from_json(data: object) -> DpEvent:
    """Return the event that `event_to_json` wrote.

    Raises:
        LedgerCorrupted: for an unknown event or parameters of another form.
    """
    if not isinstance(data, Mapping):
        raise LedgerCorrupted("an event must be a JSON object")
    name = data.get("event")
    try:
        return _read(str(name), data)
    except (KeyError, ValueError, TypeError, ArithmeticError) as fault:
        raise LedgerCorrupted(f"event '{name}' is unknown or has parameters of another form") from fault


def _read(name: str, data: Mapping[str, object]) -> DpEvent:
    match name:
        case "Gaussian":
            return GaussianDpEvent(float(str(data["noise_multiplier"])))
        case "Laplace":
            return LaplaceDpEvent(float(str(data["noise_multiplier"])))
        case "DiscreteGaussian":
            return DiscreteGaussianDpEvent(Fraction(str(data["variance"])), int(str(data["squared_sensitivity"])))
        case "DiscreteLaplace":
            return DiscreteLaplaceDpEvent(Fraction(str(data["scale"])), int(str(data["sensitivity"])))
        case "Exponential":
            return ExponentialDpEvent(Fraction(str(data["epsilon"])))
        case "ZCDp":
            return ZCDpEvent(Fraction(str(data["rho"])))
        case "ApproximateDp":
            return ApproximateDpEvent(Decimal(str(data["epsilon"])), Decimal(str(data["delta"])))
        case "PoissonSampled":
            return PoissonSampledDpEvent(float(str(data["sampling_probability"])), event_from_json(data["of"]))
        case "SelfComposed":
            return SelfComposedDpEvent(event_from_json(data["of"]), int(str(data["count"])))
        case "Composed":
            parts = data["of"]
            if not isinstance(parts, list):
                raise TypeError("a composed event needs a list")
            return ComposedDpEvent(tuple(event_from_json(part) for part in parts))
        case "NoOp":
            return NoOpDpEvent()
        case "NonPrivate":
            return NonPrivateDpEvent()
        case _:
            raise KeyError(name)


def _name(event: GaussianDpEvent | LaplaceDpEvent) -> str:
    return "Gaussian" if isinstance(event, GaussianDpEvent) else "Laplace"

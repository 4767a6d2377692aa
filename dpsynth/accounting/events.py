"""What was done to the data, as frozen records: the language that the ledger stores for ever.

Compatibility contract: an event is never removed, never renamed and never changes its meaning; unknown events are
refused; an old composed event stays readable. Names and parameters follow dp_accounting's vocabulary where it has one.
Events hold costs, never data. Parameters that mean nothing (NaN, infinities, negative amounts, truth values instead of
numbers) are refused with InvalidInput when an event is made, and with LedgerCorrupted when it is read back.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import TypeAlias, assert_never

from dpsynth.accounting.budget import exact_decimal
from dpsynth.errors import InvalidInput, LedgerCorrupted

JsonValue: TypeAlias = bool | int | float | str | list["JsonValue"] | dict[str, "JsonValue"] | None

_DEEPEST = 50
_MOST = 10**30
_LARGEST_COUNT = 10**18
_WRITTEN_FRACTION = re.compile(r"\d{1,400}(/[1-9]\d{0,399})?", re.ASCII)


def _keep_float(event: object, name: str, least: float, most: float) -> None:
    value = getattr(event, name)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InvalidInput(f"{name} must be a number, not a {type(value).__name__}")
    if not least <= value <= most:
        raise InvalidInput(f"{name} must lie between {least:g} and {most:g}")
    object.__setattr__(event, name, float(value))


def _keep_fraction(event: object, name: str, *, zero_allowed: bool = False) -> None:
    value = getattr(event, name)
    if isinstance(value, bool) or not isinstance(value, (int, Fraction)):
        raise InvalidInput(f"{name} must be a fraction, not a {type(value).__name__}")
    over, under = value.numerator, value.denominator
    if not (under <= over * _MOST and over <= under * _MOST) and not (zero_allowed and over == 0):
        raise InvalidInput(f"{name} must lie between 1e-30 and 1e30{', or be 0' if zero_allowed else ''}")
    if type(value) is not Fraction:
        object.__setattr__(event, name, Fraction(value))


def _require_count(event: object, name: str) -> None:
    value = getattr(event, name)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _LARGEST_COUNT:
        raise InvalidInput(f"{name} must be a whole number from 0 to {_LARGEST_COUNT:g}")


@dataclass(frozen=True, slots=True)
class GaussianDpEvent:
    """Continuous Gaussian noise; `noise_multiplier` is the standard deviation over the L2 sensitivity."""

    noise_multiplier: float

    def __post_init__(self) -> None:
        """Refuse parameters that mean nothing."""
        _keep_float(self, "noise_multiplier", 1e-9, 1e12)


@dataclass(frozen=True, slots=True)
class LaplaceDpEvent:
    """Continuous Laplace noise; `noise_multiplier` is the scale over the L1 sensitivity."""

    noise_multiplier: float

    def __post_init__(self) -> None:
        """Refuse parameters that mean nothing."""
        _keep_float(self, "noise_multiplier", 1e-9, 1e12)


@dataclass(frozen=True, slots=True)
class DiscreteGaussianDpEvent:
    """Integer Gaussian noise of parameter `variance` per cell on integer vectors.

    The vectors of neighbors differ by at most sqrt(`squared_sensitivity`) in L2 norm.
    """

    variance: Fraction
    squared_sensitivity: int

    def __post_init__(self) -> None:
        """Refuse parameters that mean nothing."""
        _keep_fraction(self, "variance")
        _require_count(self, "squared_sensitivity")


@dataclass(frozen=True, slots=True)
class DiscreteLaplaceDpEvent:
    """Integer Laplace noise per cell, P(x) proportional to exp(-|x| / `scale`); `sensitivity` is the L1 distance."""

    scale: Fraction
    sensitivity: int

    def __post_init__(self) -> None:
        """Refuse parameters that mean nothing."""
        _keep_fraction(self, "scale")
        _require_count(self, "sensitivity")


@dataclass(frozen=True, slots=True)
class ExponentialDpEvent:
    """One draw of the exponential mechanism with weights exp(epsilon * score / (2 * sensitivity)).

    It is `epsilon`-bounded-range, therefore epsilon**2 / 8 zCDP and 2 Phi^-1(1 / (1 + exp(-epsilon / 2))) GDP.
    """

    epsilon: Fraction

    def __post_init__(self) -> None:
        """Refuse parameters that mean nothing."""
        _keep_fraction(self, "epsilon", zero_allowed=True)


@dataclass(frozen=True, slots=True)
class ZCDpEvent:
    """Anything that is `rho` zero-concentrated differentially private, adaptive schedules included."""

    rho: Fraction

    def __post_init__(self) -> None:
        """Refuse parameters that mean nothing."""
        _keep_fraction(self, "rho", zero_allowed=True)


@dataclass(frozen=True, slots=True)
class GdpEvent:
    """Anything that is mu Gaussian differentially private, adaptive schedules included, by the square of mu."""

    mu_squared: Fraction

    def __post_init__(self) -> None:
        """Refuse parameters that mean nothing."""
        _keep_fraction(self, "mu_squared", zero_allowed=True)


@dataclass(frozen=True, slots=True)
class ApproximateDpEvent:
    """Anything that is (`epsilon`, `delta`) differentially private and says no more about itself."""

    epsilon: Decimal
    delta: Decimal

    def __post_init__(self) -> None:
        """Refuse parameters that mean nothing."""
        object.__setattr__(self, "epsilon", exact_decimal("epsilon", self.epsilon))
        object.__setattr__(self, "delta", exact_decimal("delta", self.delta))
        if self.delta >= 1:
            raise InvalidInput("delta must be below 1")


@dataclass(frozen=True, slots=True)
class GaussianCoverDpEvent:
    """`event`, charged as one that fails with probability `delta` and is Gaussian private otherwise, by squared mu.

    What has no finite mu of its own, such as training with Poisson-sampled batches, passes the adaptive filter in this
    form. `mu_squared` is a claim: `cost_of` computes from `event` whether it holds, and refuses it otherwise.
    `gaussian_cover.covered` finds the smallest. The event is charged as a whole, before the first part of it is asked.
    """

    event: DpEvent
    delta: Decimal
    mu_squared: Fraction

    def __post_init__(self) -> None:
        """Refuse parameters that mean nothing."""
        object.__setattr__(self, "delta", exact_decimal("delta", self.delta))
        if not Decimal("1e-30") <= self.delta < 1:
            raise InvalidInput("delta must be at least 1e-30 and below 1")
        _keep_fraction(self, "mu_squared", zero_allowed=True)


@dataclass(frozen=True, slots=True)
class PoissonSampledDpEvent:
    """`event` on a random part of the units, each taken independently with `sampling_probability`."""

    sampling_probability: float
    event: DpEvent

    def __post_init__(self) -> None:
        """Refuse parameters that mean nothing."""
        _keep_float(self, "sampling_probability", 0.0, 1.0)


@dataclass(frozen=True, slots=True)
class SelfComposedDpEvent:
    """`event`, `count` times over."""

    event: DpEvent
    count: int

    def __post_init__(self) -> None:
        """Refuse parameters that mean nothing."""
        _require_count(self, "count")


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
    | GdpEvent
    | ApproximateDpEvent
    | GaussianCoverDpEvent
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
        case GdpEvent(mu_squared):
            return {"event": "Gdp", "mu_squared": str(mu_squared)}
        case ApproximateDpEvent(epsilon, delta):
            return {"event": "ApproximateDp", "epsilon": _plain(epsilon), "delta": _plain(delta)}
        case GaussianCoverDpEvent(inner, delta, mu_squared):
            return {
                "event": "GaussianCover",
                "delta": _plain(delta),
                "mu_squared": str(mu_squared),
                "of": event_to_json(inner),
            }
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
        LedgerCorrupted: for an unknown event, or anything that `event_to_json` would not write in the same way.
    """
    event = _event(data, 0)
    if event_to_json(event) != data:
        raise LedgerCorrupted("an event is not written in the way that this version writes it")
    return event


def _event(data: object, depth: int) -> DpEvent:
    if not isinstance(data, Mapping) or depth > _DEEPEST:
        raise LedgerCorrupted(f"an event must be a JSON object, no more than {_DEEPEST} of them inside one another")
    name = str(data.get("event"))[:40]
    try:
        return _read(name, data, depth)
    except (KeyError, ValueError, TypeError, ArithmeticError, InvalidInput) as fault:
        raise LedgerCorrupted(f"event '{name}' is unknown or has parameters of another form") from fault


def _read(name: str, data: Mapping[str, object], depth: int) -> DpEvent:
    match name:
        case "Gaussian":
            return GaussianDpEvent(float(str(data["noise_multiplier"])))
        case "Laplace":
            return LaplaceDpEvent(float(str(data["noise_multiplier"])))
        case "DiscreteGaussian":
            return DiscreteGaussianDpEvent(_fraction(data["variance"]), int(str(data["squared_sensitivity"])))
        case "DiscreteLaplace":
            return DiscreteLaplaceDpEvent(_fraction(data["scale"]), int(str(data["sensitivity"])))
        case "Exponential":
            return ExponentialDpEvent(_fraction(data["epsilon"]))
        case "ZCDp":
            return ZCDpEvent(_fraction(data["rho"]))
        case "Gdp":
            return GdpEvent(_fraction(data["mu_squared"]))
        case "ApproximateDp":
            epsilon, delta = (exact_decimal(part, str(data[part])) for part in ("epsilon", "delta"))
            return ApproximateDpEvent(epsilon, delta)
        case "GaussianCover":
            delta = exact_decimal("delta", str(data["delta"]))
            return GaussianCoverDpEvent(_event(data["of"], depth + 1), delta, _fraction(data["mu_squared"]))
        case "PoissonSampled":
            return PoissonSampledDpEvent(float(str(data["sampling_probability"])), _event(data["of"], depth + 1))
        case "SelfComposed":
            return SelfComposedDpEvent(_event(data["of"], depth + 1), int(str(data["count"])))
        case "Composed":
            parts = data["of"]
            if not isinstance(parts, list):
                raise TypeError("a composed event needs a list")
            return ComposedDpEvent(tuple(_event(part, depth + 1) for part in parts))
        case "NoOp":
            return NoOpDpEvent()
        case "NonPrivate":
            return NonPrivateDpEvent()
        case _:
            raise KeyError(name)


def _name(event: GaussianDpEvent | LaplaceDpEvent) -> str:
    return "Gaussian" if isinstance(event, GaussianDpEvent) else "Laplace"


def _plain(number: Decimal) -> str:
    return format(number.normalize(), "f")


def _fraction(written: object) -> Fraction:
    if not isinstance(written, str) or not _WRITTEN_FRACTION.fullmatch(written):
        raise ValueError("not a fraction")
    above, _, below = written.partition("/")
    return Fraction(int(above), int(below or 1))

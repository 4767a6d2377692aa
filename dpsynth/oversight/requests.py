"""Releases that somebody thinks about: names, and what each would reserve.

A release at (epsilon, delta) reserves what the curator would reserve for it: the largest squared mu that keeps the
pair, or the pure epsilon where delta is 0.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import TypeAlias

from dpsynth.accounting.budget import PrivacyBudget, exact_decimal
from dpsynth.accounting.events import (
    ApproximateDpEvent,
    ComposedDpEvent,
    DpEvent,
    GdpEvent,
    SelfComposedDpEvent,
    ZCDpEvent,
    event_from_json,
)
from dpsynth.accounting.gaussian_dp import mu_squared_from_budget
from dpsynth.errors import InvalidInput, LedgerCorrupted

_FORM = "NAME:epsilon=E,delta=D, NAME:rho=R or NAME:mu=M, and perhaps ,count=N"
_KEYS = ({"epsilon", "delta"}, {"epsilon"}, {"rho"}, {"mu"}, {"mu_squared"}, {"event"})
_MOST = 10_000
_LARGEST_FILE = 10_000_000


@dataclass(frozen=True, slots=True)
class ReleaseRequest:
    """A release that may be asked for.

    Attributes:
        name: what to call it.
        asked: the request in words.
        event: what it would reserve.
        count: how many releases it is, each of them an equal part of `event`.
    """

    name: str
    asked: str
    event: DpEvent
    count: int = 1

    @property
    def single_events(self) -> tuple[DpEvent, ...]:
        """What each of its releases would reserve by itself."""
        if self.count > 1 and isinstance(self.event, SelfComposedDpEvent):
            return (self.event.event,) * self.count
        return (self.event,)


RequestLike: TypeAlias = ReleaseRequest | PrivacyBudget | DpEvent | str | Mapping[str, object] | tuple[object, object]
"""A request, a budget, an event, (epsilon, delta), the text `NAME:epsilon=E,delta=D`, or a mapping with those keys."""


def read_request(given: RequestLike, place: int = 1) -> ReleaseRequest:
    """Return the request that `given` stands for; `place` names one that has no name.

    Raises:
        InvalidInput: it has another form, or its numbers mean nothing.
    """
    name = f"release {place}"
    match given:
        case ReleaseRequest():
            return given
        case PrivacyBudget():
            return ReleaseRequest(name, str(given), _event_of(given))
        case str():
            return _from_text(given)
        case Mapping():
            return _from_mapping(given, name)
        case (epsilon, delta):
            return _from_mapping({"epsilon": epsilon, "delta": delta}, name)
        case tuple():
            raise InvalidInput("a request as a tuple is (epsilon, delta)")
        case _:
            return ReleaseRequest(name, f"one {type(given).__name__.removesuffix('DpEvent')} event", given)


def read_requests(given: Iterable[RequestLike]) -> tuple[ReleaseRequest, ...]:
    """Return all requests; one without a name is called after its place.

    Raises:
        InvalidInput: there is none, there are too many, or one has another form.
    """
    found = tuple(read_request(one, place) for place, one in enumerate(given, start=1))
    if not found or len(found) > _MOST:
        raise InvalidInput(f"ask about 1 to {_MOST:,} releases; each is {_FORM}")
    return found


def requests_in(path: Path) -> tuple[ReleaseRequest, ...]:
    """Return the requests in a YAML or JSON file: a list of mappings, perhaps under `releases`.

    Raises:
        InvalidInput: the file cannot be read or holds something else.
    """
    import yaml

    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise InvalidInput(f"{path} is too large for a list of releases")
        text = path.read_text(encoding="utf-8")
        content = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    except (OSError, UnicodeDecodeError, ValueError, RecursionError, yaml.YAMLError) as fault:
        raise InvalidInput(f"{path} cannot be read as YAML or JSON") from fault
    listed = content.get("releases") if isinstance(content, dict) else content
    if not isinstance(listed, list) or not all(isinstance(one, Mapping) for one in listed):
        raise InvalidInput(f"{path} holds no list of releases, such as - {{name: aim, epsilon: 0.5, delta: 1e-9}}")
    return read_requests(listed)


def _from_text(text: str) -> ReleaseRequest:
    name, separator, rest = text.rpartition(":")
    pairs = [part.partition("=") for part in rest.split(",")]
    if (
        not separator
        or not name.strip()
        or not all(sign and key.strip() and value.strip() for key, sign, value in pairs)
    ):
        raise InvalidInput(f"a release to ask about is {_FORM}")
    return _from_mapping({"name": name.strip(), **{key.strip(): value.strip() for key, _, value in pairs}}, name)


def _from_mapping(given: Mapping[str, object], place: str) -> ReleaseRequest:
    told = {str(key): value for key, value in given.items()}
    name, count = str(told.pop("name", place)), _count(told.pop("count", 1))
    if not name.isprintable() or set(told) not in _KEYS:
        raise InvalidInput(f"a release to ask about is {_FORM}; in a file also `event`, as the ledger writes events")
    asked, event = _read(told)
    if count != 1:
        asked, event = f"{count} times {asked}", SelfComposedDpEvent(event, count)
    return ReleaseRequest(name, asked, event, count)


def _read(told: Mapping[str, object]) -> tuple[str, DpEvent]:
    if "event" in told:
        return _written_events(told["event"])
    if "epsilon" in told:
        budget = PrivacyBudget(_number(told["epsilon"]), _number(told.get("delta", 0)))
        return str(budget), _event_of(budget)
    (key,) = told
    amount = exact_decimal(key, _number(told[key]))
    if key == "rho":
        return f"rho {amount.normalize():f}", ZCDpEvent(Fraction(amount))
    squared = Fraction(amount) if key == "mu_squared" else Fraction(amount) ** 2
    return f"{key.replace('_', ' ')} {amount.normalize():f}", GdpEvent(squared)


def _written_events(written: object) -> tuple[str, DpEvent]:
    try:
        events = tuple(event_from_json(one) for one in (written if isinstance(written, list) else [written]))
    except LedgerCorrupted as fault:
        raise InvalidInput(f"an event in the list of releases: {fault}") from fault
    if len(events) == 1:
        return f"one {type(events[0]).__name__.removesuffix('DpEvent')} event", events[0]
    return f"{len(events)} events", ComposedDpEvent(events)


def _event_of(budget: PrivacyBudget) -> DpEvent:
    if budget.delta == 0:
        return ApproximateDpEvent(budget.epsilon, Decimal(0))
    return GdpEvent(mu_squared_from_budget(budget))


def _number(value: object) -> float | int | str | Decimal:
    if isinstance(value, bool) or not isinstance(value, (float, int, str, Decimal)):
        raise InvalidInput(f"a release to ask about is {_FORM}, with plain numbers")
    return value


def _count(value: object) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 8:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _MOST:
        raise InvalidInput(f"count is a whole number from 1 to {_MOST:,}")
    return value

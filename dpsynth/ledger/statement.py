"""What an entry says, and its form in JSON.

Compatibility contract: format 1 stays readable for ever; a field is never renamed and never changes its meaning.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any

from dpsynth.accounting.budget import PrivacyBudget, exact_decimal
from dpsynth.accounting.events import ComposedDpEvent, DpEvent, JsonValue, event_from_json, event_to_json
from dpsynth.accounting.filter import FilterKind
from dpsynth.ledger.authorship import current_actor, current_software, current_time, new_salt

FORMAT = 1
"""Version of the JSON form."""

POLICY = "adaptive"
"""The only budget policy of format 1: each release may be chosen after seeing the earlier ones."""

_KEYS = frozenset(
    {
        "format", "dataset", "kind", "release_id", "purpose", "reservation", "budget", "charges", "asked", "unit",
        "certifiable", "actor", "time", "software", "salt",
    }
)  # fmt: skip

_BUDGET_KEYS = frozenset({"epsilon", "delta", "event_delta", "policy"})

_EVENTS: dict[str, DpEvent] = {}
_MOST_EVENTS = 2**17

_UNNAMED_FILTER = FilterKind.ZERO_CONCENTRATED
"""The filter of a budget entry that names none."""


class EntryKind(StrEnum):
    """What an entry is."""

    BUDGET = "BUDGET"
    """A data set gets its budget, once."""

    RESERVE = "RESERVE"
    """An upper bound of what a release will cost is set aside."""

    OPEN = "OPEN"
    """The rows are about to be read for a reservation."""

    SETTLE = "SETTLE"
    """What was really asked of the rows, never more than was reserved."""

    VOID = "VOID"
    """A reservation that never opened the rows is given back."""

    NOTE = "NOTE"
    """A remark; costs nothing."""


@dataclass(frozen=True, slots=True)
class Charge:
    """One event and, in words, what it was for."""

    purpose: str
    event: DpEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What is said, by whom and when; a `LedgerEntry` is a statement with its place in the chain.

    Attributes:
        kind: what the entry is.
        dataset: the data set that is charged.
        release_id: the release that asked; empty for budgets and general notes.
        purpose: why, in words; for a note, the note.
        reservation: index of the RESERVE entry that an OPEN, SETTLE or VOID speaks about.
        budget: of a BUDGET entry.
        event_delta: of a BUDGET entry: the part of its delta that is set aside for events which may fail outright.
        filter_kind: of a BUDGET entry: what decides whether a request fits into it.
        charges: the upper bound in a RESERVE, what was really done in a SETTLE; else empty.
        asked: the request in the words of the user.
        unit: who is protected, in words.
        certifiable: whether the noise came from a source that a certificate may rest on.
        actor: the account that wrote the entry.
        time: UTC, ISO 8601 with microseconds.
        software: name and version of the writer.
        salt: 32 random hexadecimal digits.
    """

    kind: EntryKind
    dataset: str
    release_id: str = ""
    purpose: str = ""
    reservation: int | None = None
    budget: PrivacyBudget | None = None
    event_delta: Decimal = Decimal(0)
    filter_kind: FilterKind = FilterKind.GAUSSIAN
    charges: tuple[Charge, ...] = ()
    asked: str = ""
    unit: str = ""
    certifiable: bool = True
    actor: str = field(default_factory=current_actor)
    time: str = field(default_factory=current_time)
    software: str = field(default_factory=current_software)
    salt: str = field(default_factory=new_salt)

    @property
    def event(self) -> DpEvent | None:
        """All charges as one event; None where there are none."""
        if not self.charges:
            return None
        if len(self.charges) == 1:
            return self.charges[0].event
        return ComposedDpEvent(tuple(charge.event for charge in self.charges))

    def content(self) -> dict[str, JsonValue]:
        """Return what is said as a JSON object."""
        return {
            "format": FORMAT,
            "kind": self.kind.value,
            "dataset": self.dataset,
            "release_id": self.release_id,
            "purpose": self.purpose,
            "reservation": self.reservation,
            "budget": _budget_to_json(self.budget, self.event_delta, self.filter_kind),
            "charges": [{"purpose": charge.purpose, "event": event_to_json(charge.event)} for charge in self.charges],
            "asked": self.asked,
            "unit": self.unit,
            "certifiable": self.certifiable,
            "actor": self.actor,
            "time": self.time,
            "software": self.software,
            "salt": self.salt,
        }


def statement_from_content(content: object) -> Statement:
    """Return the statement that `Statement.content` described.

    Raises:
        ValueError: the content is of another format, or a field is missing, unknown or has another form.
    """
    return Statement(**said_in(content))


def said_in(content: object) -> dict[str, Any]:
    """Return the fields of the statement that `Statement.content` described, by name.

    Raises:
        ValueError: the content is of another format, or a field is missing, unknown or has another form.
    """
    if not isinstance(content, Mapping) or frozenset(content) != _KEYS or content["format"] != FORMAT:
        raise ValueError("not a statement of this format")
    charges = content["charges"]
    if not isinstance(charges, list):
        raise ValueError("charges are a list")  # noqa: TRY004
    budget, event_delta, filter_kind = _budget_from_json(content["budget"])
    return {
        "kind": EntryKind(_text(content, "kind")),
        "dataset": _text(content, "dataset"),
        "release_id": _text(content, "release_id"),
        "purpose": _text(content, "purpose"),
        "reservation": _optional_index(content["reservation"]),
        "budget": budget,
        "event_delta": event_delta,
        "filter_kind": filter_kind,
        "charges": tuple(_charge_from_json(charge) for charge in charges),
        "asked": _text(content, "asked"),
        "unit": _text(content, "unit"),
        "certifiable": _truth(content["certifiable"]),
        "actor": _text(content, "actor"),
        "time": _text(content, "time"),
        "software": _text(content, "software"),
        "salt": _text(content, "salt"),
    }


def _budget_to_json(budget: PrivacyBudget | None, event_delta: Decimal, filter_kind: FilterKind) -> JsonValue:
    if budget is None:
        return None
    written: dict[str, JsonValue] = {
        "epsilon": f"{budget.epsilon:f}",
        "delta": f"{budget.delta:f}",
        "event_delta": f"{event_delta:f}",
        "policy": POLICY,
    }
    # Budgets of before filters had names say nothing; they keep their meaning and their spelling.
    return written if filter_kind is _UNNAMED_FILTER else {**written, "filter": filter_kind.value}


def _budget_from_json(data: object) -> tuple[PrivacyBudget | None, Decimal, FilterKind]:
    if data is None:
        return None, Decimal(0), FilterKind.GAUSSIAN
    if not isinstance(data, Mapping) or frozenset(data) - {"filter"} != _BUDGET_KEYS or data["policy"] != POLICY:
        raise ValueError("a budget is epsilon, delta, event_delta, a known policy and perhaps a filter")
    filter_kind = FilterKind(_text(data, "filter")) if "filter" in data else _UNNAMED_FILTER
    budget = PrivacyBudget(epsilon=_text(data, "epsilon"), delta=_text(data, "delta"))
    return budget, exact_decimal("event_delta", _text(data, "event_delta")), filter_kind


def _charge_from_json(data: object) -> Charge:
    if not isinstance(data, Mapping) or frozenset(data) != {"purpose", "event"}:
        raise ValueError("a charge is a purpose and an event")
    # A ledger is full of equal events; they are found again by every letter, which also tells 1 from true.
    spelled = repr(data["event"])
    event = _EVENTS.get(spelled)
    if event is None:
        event = event_from_json(data["event"])
        if len(_EVENTS) < _MOST_EVENTS:
            _EVENTS[spelled] = event
    return Charge(_text(data, "purpose"), event)


def _text(data: Mapping[str, object], key: str) -> str:
    value = data[key]
    if not isinstance(value, str):
        raise ValueError(f"{key} is text")  # noqa: TRY004  one kind of error for every wrong form
    return value


def _truth(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("certifiable is true or false")  # noqa: TRY004
    return value


def _optional_index(value: object) -> int | None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
        raise ValueError("reservation is an index")
    return value

"""From stored JSON back to what an entry says, in both formats; every other form is refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from sys import intern
from typing import Any

from dpsynth.accounting.budget import PrivacyBudget, exact_decimal
from dpsynth.accounting.events import event_from_json
from dpsynth.accounting.filter import FilterKind
from dpsynth.ledger.statement import (
    ALWAYS,
    FIRST_KINDS,
    FORMAT,
    ONLY,
    UNNAMED_FILTER,
    BudgetPolicy,
    Charge,
    Curve,
    EntryKind,
    Signature,
    Statement,
)

_TEXTS = (
    "dataset", "release_id", "purpose", "asked", "unit", "ticket", "legal_basis", "configuration", "fingerprint",
    "artefact", "expires", "actor", "time", "software", "software_sha256", "salt",
)  # fmt: skip

_FIRST_KEYS = frozenset(
    {
        "format", "dataset", "kind", "release_id", "purpose", "reservation", "budget", "charges", "asked", "unit",
        "certifiable", "actor", "time", "software", "salt",
    }
)  # fmt: skip

_PERHAPS = frozenset(_TEXTS) | {"reservation", "budget", "charges", "populations", "curve", "signatures", "steps"}

_KINDS = {kind.value: kind for kind in EntryKind}

_FORMS: dict[tuple[object, ...], tuple[str, ...]] = {}
_MOST_FORMS = 2**10

_CHARGES: dict[object, Charge] = {}
_MOST_CHARGES = 2**17
_CHARGE_KEYS = {"purpose", "event"}
_TEXT_ALONE = frozenset({str})

_BUDGET_KEYS = frozenset({"epsilon", "delta", "event_delta", "policy"})

_ALLOWED = {
    kind: ALWAYS | frozenset(key for key in _PERHAPS if key not in ONLY or kind in ONLY[key]) for kind in EntryKind
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
    if not isinstance(content, dict):
        raise ValueError("not a statement of a known format")  # noqa: TRY004  one kind of error for every wrong form
    kind, version = content.get("kind"), content.get("format")
    if type(version) is not int or version not in {1, FORMAT} or type(kind) is not str:
        raise ValueError("not a statement of a known format")
    form = (kind, version, *content, *map(type, content.values()))
    names = _FORMS.get(form)
    if names is None:
        require_form(content, kind, version)
        # The names of fields themselves and not just equal text: Python finds arguments by them several times faster.
        names = tuple(map(intern, content))
        if len(_FORMS) < _MOST_FORMS:
            _FORMS[form] = names
    said: dict[str, Any] = dict(zip(names, content.values(), strict=True))
    said["kind"] = _KINDS[kind]
    for name in _DEEPER:
        if name in said:
            said[name] = _READERS[name](said[name])
    if "budget" in said:
        said |= _terms_from_json(said["budget"], version)
    if version == 1:
        said["software_sha256"] = ""
    return said


def require_form(content: Mapping[str, object], kind: str, version: int) -> None:
    """Check what follows from kind, format, keys and types of values alone; it is checked once for each of them.

    Raises:
        ValueError: such a statement does not exist.
    """
    given = frozenset(content)
    if version == 1 and (given != _FIRST_KEYS or EntryKind(kind) not in FIRST_KINDS):
        raise ValueError("not a statement of format 1")
    if version == FORMAT and not ALWAYS <= given <= _ALLOWED[EntryKind(kind)]:
        raise ValueError("not a statement of format 2")
    for key in _TEXTS:
        if key in given:
            _text(content, key)
    _truth(content["certifiable"])
    _optional_index(content.get("reservation"))
    if type(content.get("steps", 0)) is not int:
        raise ValueError("steps is a whole number")


def _terms_from_json(data: object, version: int) -> dict[str, Any]:
    """Return the fields of a statement that a budget fills."""
    if data is None:
        return {"budget": None}
    if not isinstance(data, Mapping) or frozenset(data) - {"filter", "approvers"} != _BUDGET_KEYS:
        raise ValueError("a budget is epsilon, delta, event_delta, a policy and perhaps a filter and approvers")
    if version == 1 and ("approvers" in data or data["policy"] != BudgetPolicy.ADAPTIVE):
        raise ValueError("budgets of format 1 are adaptive, and nobody renews them")
    return {
        "budget": PrivacyBudget(epsilon=_text(data, "epsilon"), delta=_text(data, "delta")),
        "event_delta": exact_decimal("event_delta", _text(data, "event_delta")),
        "filter_kind": FilterKind(_text(data, "filter")) if "filter" in data else UNNAMED_FILTER,
        "policy": BudgetPolicy(_text(data, "policy")),
        "approvers": _texts(data["approvers"]) if "approvers" in data else (),
    }


def _charge_from_json(data: object) -> Charge:
    if not isinstance(data, dict):
        raise ValueError("a charge is a purpose and an event")  # noqa: TRY004
    # A ledger is full of equal charges; they are found again by every letter, which also tells 1 from true.
    event = data.get("event")
    if type(event) is dict and _TEXT_ALONE.issuperset(map(type, event.values())):
        spelled: object = (*data, data.get("purpose"), *event, *event.values())
    else:
        spelled = repr(data)
    charge = _CHARGES.get(spelled)
    if charge is None:
        charge = new_charge(data)
        if len(_CHARGES) < _MOST_CHARGES:
            _CHARGES[spelled] = charge
    return charge


def new_charge(data: Mapping[str, object]) -> Charge:
    """Return the charge that a JSON object describes.

    Raises:
        ValueError: it describes no charge.
        LedgerCorrupted: its event is unknown or has parameters of another form.
    """
    if data.keys() != _CHARGE_KEYS:
        raise ValueError("a charge is a purpose and an event")
    return Charge(_text(data, "purpose"), event_from_json(data["event"]))


def _signature_from_json(data: object) -> Signature:
    if not isinstance(data, Mapping) or data.keys() != {"key", "value"}:
        raise ValueError("a signature is a key and a value")
    return Signature(_text(data, "key"), _text(data, "value"))


def _curve_from_json(data: object) -> Curve:
    if not isinstance(data, Mapping) or not all(isinstance(points, Mapping) for points in data.values()):
        raise ValueError("a curve is an epsilon per delta per population")
    if not all(_TEXT_ALONE.issuperset(map(type, points.values())) for points in data.values()):
        raise ValueError("an epsilon of a curve is text")
    return data


def _list(data: object) -> list[object]:
    if not isinstance(data, list):
        raise ValueError("charges, populations and signatures are lists")  # noqa: TRY004
    return data


def _texts(data: object) -> tuple[str, ...]:
    texts = _list(data)
    if not all(isinstance(text, str) for text in texts):
        raise ValueError("names are text")
    return tuple(map(str, texts))


def _text(data: Mapping[str, object], key: str) -> str:
    value = data[key]
    if not isinstance(value, str):
        raise ValueError(f"{key} is text")  # noqa: TRY004
    return value


def _truth(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("certifiable is true or false")  # noqa: TRY004
    return value


def _optional_index(value: object) -> int | None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
        raise ValueError("reservation is an index")
    return value


_READERS: Mapping[str, Callable[[object], object]] = {
    "charges": lambda data: tuple(map(_charge_from_json, _list(data))),
    "populations": _texts,
    "signatures": lambda data: tuple(map(_signature_from_json, _list(data))),
    "curve": _curve_from_json,
}

_DEEPER = tuple(_READERS)

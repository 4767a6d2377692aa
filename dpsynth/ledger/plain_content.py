"""A short way to read what nearly every entry is: plain text, short whole numbers, and no field that is empty.

A pattern holds all keys in their order. Printable ASCII without a quotation mark or a backslash is spelled as it is. So
a content that fits is the canonical JSON (RFC 8785) of what is found in it, and that is found in a third of the time.
One that does not fit is not wrong: it is read the long way.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from sys import intern
from typing import Any

from dpsynth.accounting.events import JsonValue
from dpsynth.errors import InvalidInput, LedgerCorrupted
from dpsynth.ledger.chain import canonical_object
from dpsynth.ledger.statement import ALWAYS, FORMAT, Charge, EntryKind
from dpsynth.ledger.statement_reading import new_charge, require_form

_UNSUSPICIOUS = bytes(letter for letter in range(0x20, 0x7F) if letter != ord("\\"))
_TEXT = '"([^"]+)"'
_TEXTS = (
    "actor artefact asked configuration dataset expires fingerprint legal_basis purpose release_id salt software "
    "software_sha256 ticket time unit"
)
_NUMBERS = ("reservation", "steps")
_VALUES = dict.fromkeys(_TEXTS.split(), _TEXT) | {
    "certifiable": "(true|false)",
    "charges": r'\[\{"event":([^\]]+)\]',
    # Of one population, at the usual places.
    "curve": r'(\{"[^"]+":\{"1e-5":"[^"]+","1e-6":"[^"]+","1e-9":"[^"]+"\}\})',
    "format": f"({FORMAT})",
    "kind": f'"({"|".join(EntryKind)})"',
    **dict.fromkeys(_NUMBERS, "([1-9][0-9]{0,14})"),
}
_NAMES = tuple(map(intern, sorted(_VALUES)))
_KEYS = [f'"{name}":{_VALUES[name]}' for name in _NAMES]
# The first key stands in every entry, so a comma stands before each of the others.
_CONTENT = re.compile(
    rf"\{{{_KEYS[0]}"
    + "".join(f",{key}" if name in ALWAYS else f"(?:,{key})?" for name, key in zip(_NAMES[1:], _KEYS[1:], strict=True))
    + r"\}"
)
_KINDS = {kind.value: kind for kind in EntryKind}
_NEXT_CHARGE = ',{"event":'
# Behind its first key: an event of one number, as nearly all are, whose two keys have to be in their order.
_FLAT = re.compile(rf'\{{"([a-z_]+)":{_TEXT},"([a-z_]+)":{_TEXT}\}},"purpose":{_TEXT}\}}')

_FORMS: set[tuple[str, ...]] = set()
_MOST_FORMS = 2**10
_CHARGES: dict[str, Charge] = {}
_MOST_CHARGES = 2**17


def plain_fields(content: str) -> dict[str, Any] | None:
    """Return what `said_in` finds in `content`, which then is canonical JSON; None where that is not plain."""
    if not content.isascii() or content.encode().translate(None, _UNSUSPICIOUS):
        return None
    found = _CONTENT.fullmatch(content)
    if found is None:
        return None
    said: dict[str, Any] = {name: value for name, value in zip(_NAMES, found.groups(), strict=True) if value}
    kind: str = said["kind"]
    said["format"], said["certifiable"] = FORMAT, said["certifiable"] == "true"
    try:
        for name in _NUMBERS:
            if name in said:
                said[name] = int(said[name])
        if "charges" in said:
            said["charges"] = tuple(map(_charge, said["charges"].split(_NEXT_CHARGE)))
        if "curve" in said:
            _, population, _, _, _, first, _, _, _, second, _, _, _, third, _ = said["curve"].split('"')
            said["curve"] = {population: {"1e-5": first, "1e-6": second, "1e-9": third}}
        form = (kind, *said)
        if form not in _FORMS:
            require_form(said, kind, FORMAT)
            if len(_FORMS) < _MOST_FORMS:
                _FORMS.add(form)
    except (ValueError, InvalidInput, LedgerCorrupted):
        return None  # the long way says what is wrong
    said["kind"] = _KINDS[kind]
    return said


def _charge_in(spelled: str) -> Mapping[str, JsonValue]:
    flat = _FLAT.fullmatch(spelled)
    if flat is not None and flat[1] < flat[3]:
        return {"event": {flat[1]: flat[2], flat[3]: flat[4]}, "purpose": flat[5]}
    content = canonical_object(f"{_NEXT_CHARGE[1:]}{spelled}")
    if content is None:
        raise ValueError("more than a charge, or not spelled plainly")
    return content


def _charge(spelled: str) -> Charge:
    # A ledger is full of equal charges.
    charge = _CHARGES.get(spelled)
    if charge is None:
        charge = new_charge(_charge_in(spelled))
        if len(_CHARGES) < _MOST_CHARGES:
            _CHARGES[spelled] = charge
    return charge

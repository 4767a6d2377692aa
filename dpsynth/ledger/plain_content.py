"""A short way to read what nearly every entry is: plain text, short whole numbers, and no field that is empty.

A pattern holds all keys in their order. Printable ASCII without a quotation mark or a backslash is spelled as it is. So
a content that fits is the canonical JSON (RFC 8785) of what is found in it, and that is found in a third of the time.
One that does not fit is not wrong: it is read the long way. Few sets of fields occur in a ledger; each gets a pattern
of its own once it was met, which has nothing to ask about fields that are not there. Who wrote an entry, when and with
what is checked with all the rest, but nobody adds it up: those fields may be taken out of the content when asked for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from sys import intern
from typing import Any, NamedTuple

from dpsynth.accounting.events import ExponentialDpEvent, GaussianDpEvent
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
_BESIDES = frozenset({"actor", "salt", "software", "software_sha256", "time"})
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

_KIND = '"kind":"'
_JSON_OF = {"certifiable": "{}", "format": "{}", "kind": '"{}"'}


class _Form(NamedTuple):
    """Content of one kind with the same fields and truth value: a pattern with a group for each of `names`.

    Attributes:
        pattern: of the whole content.
        names: the fields that differ from entry to entry and are wanted.
        blank: all fields that are wanted, with the values of those that do not differ.
        numbers: the names of whole numbers.
        deeper: whether there are charges or a curve.
    """

    pattern: re.Pattern[str]
    names: tuple[str, ...]
    blank: dict[str, Any]
    numbers: tuple[str, ...]
    deeper: bool


# Each with all its fields, and with those that are wanted at once.
_FORMS: dict[str, list[tuple[_Form, _Form]]] = {}
_MOST_FORMS = 32
_CHARGES: dict[str, Charge] = {}
_MOST_CHARGES = 2**13
_CURVES: dict[str, dict[str, dict[str, str]]] = {}
_MOST_CURVES = 2**13


def plain_fields(content: str, *, at_once: bool = False) -> dict[str, Any] | None:
    """Return what `said_in` finds in `content`, which then is canonical JSON; None where that is not plain.

    Where `at_once` is set, what nobody adds up is checked and left out.
    """
    if not content.isascii() or content.encode().translate(None, _UNSUSPICIOUS):
        return None
    place = content.find(_KIND) + len(_KIND)
    for forms in _FORMS.get(content[place : content.find('"', place)], ()):
        form = forms[at_once]
        found = form.pattern.fullmatch(content)
        if found is not None:
            return _said(form, found.groups())
    found = _CONTENT.fullmatch(content)
    if found is None:
        return None
    spelled = {name: value for name, value in zip(_NAMES, found.groups(), strict=True) if value}
    form = _form_of(spelled)
    found = form.pattern.fullmatch(content)
    said = None if found is None else _said(form, found.groups())
    if said is None or not _is_legal(said, form, _form_of(spelled, besides=_BESIDES)):
        return None
    return {name: value for name, value in said.items() if not at_once or name not in _BESIDES}


def _said(form: _Form, values: tuple[str, ...]) -> dict[str, Any] | None:
    """Return the fields of content of the form `form`, of which `values` are the spelling."""
    # A copy has its places already, so no key has to find one.
    said = form.blank.copy()
    said.update(zip(form.names, values, strict=True))
    try:
        for name in form.numbers:
            said[name] = int(said[name])
        if not form.deeper:
            return said
        if "charges" in said:
            said["charges"] = tuple(map(_charge, said["charges"].split(_NEXT_CHARGE)))
        if "curve" in said:
            said["curve"] = _curve(said["curve"])
    except (ValueError, ArithmeticError, InvalidInput, LedgerCorrupted):
        return None  # the long way says what is wrong
    return said


def _form_of(spelled: Mapping[str, str], *, besides: frozenset[str] = frozenset()) -> _Form:
    """Return the form of content with the fields of `spelled`, all of which but `besides` are wanted."""
    same = {name: spelled[name] for name in ("certifiable", "format", "kind")}
    values = _VALUES | {name: re.escape(_JSON_OF[name].format(value)) for name, value in same.items()}
    values |= dict.fromkeys(besides, '"[^"]+"')
    names = tuple(name for name in _NAMES if name in spelled and name not in besides)
    keys = ",".join(f'"{name}":{values[name]}' for name in _NAMES if name in spelled)
    known = {"certifiable": same["certifiable"] == "true", "format": FORMAT, "kind": _KINDS[same["kind"]]}
    return _Form(
        re.compile(rf"\{{{keys}\}}"),
        tuple(name for name in names if name not in same),
        dict.fromkeys(names, "") | known,
        tuple(name for name in _NUMBERS if name in spelled),
        "charges" in spelled or "curve" in spelled,
    )


def _is_legal(said: Mapping[str, Any], *forms: *tuple[_Form, _Form]) -> bool:
    """Whether a statement of such a kind has such fields; then the next one like it is found at once."""
    kind: str = said["kind"].value
    try:
        require_form(said, kind, FORMAT)
    except ValueError:
        return False
    known = _FORMS.setdefault(kind, [])
    if len(known) < _MOST_FORMS:
        known.append(forms)
    return True


def _curve(spelled: str) -> dict[str, dict[str, str]]:
    # Many entries come to the same numbers.
    curve = _CURVES.get(spelled)
    if curve is None:
        if len(_CURVES) >= _MOST_CURVES:
            _CURVES.clear()
        _, population, _, _, _, first, _, _, _, second, _, _, _, third, _ = spelled.split('"')
        curve = _CURVES[spelled] = {population: {"1e-5": first, "1e-6": second, "1e-9": third}}
    return curve


def _charge(spelled: str) -> Charge:
    # A ledger is full of equal charges.
    charge = _CHARGES.get(spelled)
    if charge is None:
        charge = _new_charge(spelled)
        if len(_CHARGES) >= _MOST_CHARGES:
            _CHARGES.clear()
        _CHARGES[spelled] = charge
    return charge


def _new_charge(spelled: str) -> Charge:
    flat = _FLAT.fullmatch(spelled)
    if flat is not None and flat[1] < flat[3]:
        first, amount, second, other, purpose = flat.groups()
        # Noise and choices of a size that no other release has: what is not written as they are goes the long way.
        if (first, amount, second) == ("event", "Gaussian", "noise_multiplier"):
            noise = GaussianDpEvent(float(other))
            if repr(noise.noise_multiplier) == other:
                return Charge(purpose, noise)
        elif (first, second, other) == ("epsilon", "event", "Exponential"):
            above, _, below = amount.partition("/")
            choice = ExponentialDpEvent(Fraction(int(above), int(below or 1)))
            if str(choice.epsilon) == amount:
                return Charge(purpose, choice)
        return new_charge({"event": {first: amount, second: other}, "purpose": purpose})
    content = canonical_object(f"{_NEXT_CHARGE[1:]}{spelled}")
    if content is None:
        raise ValueError("more than a charge, or not spelled plainly")
    return new_charge(content)

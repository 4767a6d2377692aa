"""The hash chain: one spelling for what is said, one digest that binds it to everything said before.

Standard library and RFC 8785 only, so that somebody without a database can recompute it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import NamedTuple, NoReturn

import rfc8785

from dpsynth.accounting.events import JsonValue
from dpsynth.errors import InvalidInput

GENESIS = "0" * 64
"""What the first entry names as the digest before it."""

_DIGEST = re.compile("[0-9a-f]{64}")
_PLAIN = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":"), sort_keys=True)
_LONG_NUMBER = re.compile(r"[:,\[]-?[0-9]{16}")


def _short_number(digits: str) -> int:
    if len(digits) > _SHORT:
        raise ValueError("RFC 8785 decides how long numbers are spelled")
    return int(digits)


def _no_number(digits: str) -> NoReturn:
    raise ValueError(f"{digits[:20]} is no whole number")


_SHORT = 15
_PLAIN_READING = json.JSONDecoder(parse_int=_short_number, parse_float=_no_number, parse_constant=_no_number)


class Head(NamedTuple):
    """The last entry of a chain: its index (the first entry has index 1; 0 is an empty ledger) and its digest."""

    index: int  # type: ignore[assignment]  # hides tuple.index, which nobody asks a head for
    digest: str


EMPTY_HEAD = Head(0, GENESIS)


class StoredEntry(NamedTuple):
    """An entry as a store keeps it; `content` is canonical JSON."""

    index: int  # type: ignore[assignment]  # hides tuple.index, as in `Head`
    previous_digest: str
    digest: str
    content: str


def canonical_json(content: Mapping[str, JsonValue]) -> str:
    """Return the one spelling of `content` that is hashed and stored (RFC 8785).

    Raises:
        InvalidInput: a number beyond 2**53 or text that is not Unicode, which JSON cannot hold exactly.
    """
    try:
        plain = _PLAIN.encode(content)
        if plain.isascii() and _PLAIN_READING.decode(plain) == content:
            return plain
    except (TypeError, ValueError, RecursionError):
        pass  # what the standard library might spell in another way
    try:
        return rfc8785.dumps(dict(content)).decode()
    except rfc8785.CanonicalizationError as fault:
        raise InvalidInput("this cannot be stored: it holds a number or text that JSON cannot hold exactly") from fault


def is_canonical(spelled: str, content: Mapping[str, JsonValue]) -> bool:
    """Whether `spelled` is what `canonical_json` makes of `content`, which holds no real numbers.

    Text, truth values and whole numbers below 10**15 are spelled alike by the standard library, keys of ASCII letters
    are sorted alike, and it is many times faster. Where it does not agree, RFC 8785 decides.
    """
    if _PLAIN.encode(content) == spelled and _LONG_NUMBER.search(spelled) is None:
        return True
    try:
        return canonical_json(content) == spelled
    except InvalidInput:
        return False


def is_canonical_and_full(spelled: str) -> bool:
    """Whether `spelled` is a JSON object in the one spelling, as `canonical_object` sees it, without an empty value."""
    content = canonical_object(spelled)
    return content is not None and all(content.values())


def canonical_object(spelled: str) -> dict[str, JsonValue] | None:
    """Return the JSON object of which `spelled` is the one spelling, seen without RFC 8785.

    It holds short whole numbers, text and truth values only. None says nothing: such content may be canonical too.
    """
    try:
        content = _PLAIN_READING.decode(spelled)
    except (ValueError, RecursionError):
        return None
    plain = isinstance(content, dict) and spelled.isascii() and _PLAIN.encode(content) == spelled
    return content if plain else None


def content_digest_of(content: str) -> str:
    """Return the SHA-256 digest of canonical JSON, as 64 hexadecimal digits."""
    return hashlib.sha256(content.encode()).hexdigest()


def chain_digest(index: int, previous_digest: str, content_digest: str) -> str:
    """Return the digest of the entry at `index`.

    It is the digest of the canonical JSON object {content_digest, index, previous_digest}: whoever knows the content
    digests of all entries can recompute every digest without seeing any content.
    """
    # Spelled out because it is computed for every entry at every opening; a test compares it with canonical_json.
    return content_digest_of(
        f'{{"content_digest":"{content_digest}","index":{index},"previous_digest":"{previous_digest}"}}'
    )


def is_digest(value: object) -> bool:
    """Whether `value` is 64 lower-case hexadecimal digits."""
    return isinstance(value, str) and _DIGEST.fullmatch(value) is not None

"""Digests and spelling, against an independent recomputation."""

from __future__ import annotations

import hashlib
import json

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from dpsynth.errors import InvalidInput
from dpsynth.ledger.chain import (
    EMPTY_HEAD,
    canonical_json,
    chain_digest,
    content_digest_of,
    is_canonical,
    is_canonical_and_full,
    is_digest,
)

DIGESTS = st.text(alphabet="0123456789abcdef", min_size=64, max_size=64)


@given(index=st.integers(1, 2**53 - 1), previous=DIGESTS, content=DIGESTS)
def test_the_digest_is_that_of_the_canonical_link(index: int, previous: str, content: str) -> None:
    link = {"index": index, "previous_digest": previous, "content_digest": content}
    # For ASCII keys and text without escapes, sorted keys and no spaces are what RFC 8785 prescribes.
    spelled = json.dumps(link, sort_keys=True, separators=(",", ":"))
    assert canonical_json(link) == spelled
    assert chain_digest(index, previous, content) == hashlib.sha256(spelled.encode()).hexdigest()


def test_golden_digest() -> None:
    # printf '{"content_digest":"%064d","index":1,"previous_digest":"%064d"}' 0 0 | sha256sum
    assert chain_digest(1, "0" * 64, "0" * 64) == "81834f6c02b4edbb7ded0e9b10ef4d213ad68e5ac87bb394bab82ad567db54bb"


def test_the_content_digest_is_sha256_of_utf8() -> None:
    assert content_digest_of("é") == hashlib.sha256("é".encode()).hexdigest()


@pytest.mark.parametrize("value", [2**53, -(2**53), float("nan"), float("inf"), "\ud800"])
def test_what_json_cannot_hold_exactly_is_refused(value: float | str) -> None:
    with pytest.raises(InvalidInput, match="cannot be stored"):
        canonical_json({"value": value})


def test_what_is_a_digest() -> None:
    assert is_digest(EMPTY_HEAD.digest)
    for value in ("", "0" * 63, "0" * 65, "A" * 64, "g" * 64, "0" * 64 + "\n", 0, None):
        assert not is_digest(value)


@pytest.mark.parametrize(
    ("content", "spelled", "canonical"),
    [
        ({"b": 1, "a": "é\n\u2028\x7f\x01/"}, '{"a":"é\\n\u2028\x7f\\u0001/","b":1}', True),
        ({"b": 1, "a": "x"}, '{"b":1,"a":"x"}', False),
        ({"a": 1}, '{"a": 1}', False),
        ({"a": 1}, '{"a":true}', False),
        ({"a": 10**17}, '{"a":100000000000000000}', False),
        ({"a": "x:1234567890123456"}, '{"a":"x:1234567890123456"}', True),
        ({"a": "\ud800"}, '{"a":"\\ud800"}', False),
    ],
)
def test_the_quick_comparison_agrees_with_rfc_8785(content: dict[str, object], spelled: str, canonical: bool) -> None:
    assert is_canonical(spelled, content) is canonical


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**14), 10**14) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(alphabet="abc_yz", max_size=5), inner),
)


@given(st.dictionaries(st.text(alphabet="abc_yz", max_size=5), PLAIN))
def test_what_rfc_8785_spells_is_canonical(content: dict[str, object]) -> None:
    assert is_canonical(canonical_json(content), content)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5), inner),
)


@given(st.dictionaries(st.text(max_size=5), ANYTHING))
def test_the_quick_spelling_is_that_of_rfc_8785(content: dict[str, object]) -> None:
    try:
        spelled = rfc8785.dumps(content).decode()
    except rfc8785.CanonicalizationError:
        with pytest.raises(InvalidInput):
            canonical_json(content)
        return
    assert canonical_json(content) == spelled
    assert not is_canonical_and_full(spelled) or all(content.values())


@pytest.mark.parametrize(
    "spelled",
    [
        '{"a":1.0}',
        '{"a":1e3}',
        '{"a":-0}',
        '{"b":1,"a":1}',
        '{"a":1,"a":1}',
        '{"a":"\\u0041"}',
        '{"a":NaN}',
        "[1]",
        '{"a":""}',
    ],
)
def test_other_spellings_are_not_taken_for_plain(spelled: str) -> None:
    assert not is_canonical_and_full(spelled)

"""Digests and spelling, against an independent recomputation."""

from __future__ import annotations

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpsynth.errors import InvalidInput
from dpsynth.ledger.chain import EMPTY_HEAD, canonical_json, chain_digest, content_digest_of, is_digest

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

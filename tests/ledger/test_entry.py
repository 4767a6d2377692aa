"""An entry is exactly what its digest says."""

from __future__ import annotations

import dataclasses

import pytest

from dpsynth.errors import LedgerCorrupted
from dpsynth.ledger.chain import EMPTY_HEAD, StoredEntry, canonical_json, chain_digest, content_digest_of
from dpsynth.ledger.entry import LedgerEntry, entry_after, read_entry, require_canonical
from dpsynth.ledger.statement import EntryKind, Statement

NOTE = Statement(kind=EntryKind.NOTE, dataset="patients", purpose="looked at")


def resealed(row: StoredEntry, content: str) -> StoredEntry:
    """Return a row of other content with a digest that fits it."""
    digest = chain_digest(row.index, row.previous_digest, content_digest_of(content))
    return StoredEntry(row.index, row.previous_digest, digest, content)


def test_an_entry_is_its_statement_and_its_place() -> None:
    entry = entry_after(EMPTY_HEAD, NOTE)
    assert (entry.index, entry.previous_digest) == (1, EMPTY_HEAD.digest)
    assert entry.content() == NOTE.content()
    assert entry.head == (1, entry.digest)
    assert read_entry(entry.stored()) == entry
    require_canonical(entry.stored(), entry)
    # What belongs to a budget is written inside it.
    inside = {"event_delta", "filter_kind", "policy", "approvers"}
    assert set(entry.to_json()) == {field.name for field in dataclasses.fields(LedgerEntry)} - inside


@pytest.mark.parametrize("field", ["index", "previous_digest", "digest", "content"])
def test_any_change_of_a_row_is_seen(field: str) -> None:
    row = entry_after(EMPTY_HEAD, NOTE).stored()
    changes: dict[str, int | str] = {
        "index": 2,
        "previous_digest": "1" * 64,
        "digest": "1" * 64,
        "content": row.content.replace("looked", "cooked"),
    }
    with pytest.raises(LedgerCorrupted, match="was changed"):
        read_entry(row._replace(**{field: changes[field]}))


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"format":1}', '{"format":2}', '{"format":3}'])
def test_content_that_is_no_statement_is_refused_even_with_a_fitting_digest(content: str) -> None:
    row = resealed(entry_after(EMPTY_HEAD, NOTE).stored(), content)
    with pytest.raises(LedgerCorrupted, match="format"):
        read_entry(row)


def test_another_spelling_is_refused_by_a_full_check() -> None:
    row = entry_after(EMPTY_HEAD, NOTE).stored()
    spaced = resealed(row, row.content.replace(":", ": ", 1))
    twice = resealed(row, row.content.replace('"actor"', '"actor":"nobody","actor"', 1))
    for other in (spaced, twice):
        assert read_entry(other).purpose == "looked at"
        with pytest.raises(LedgerCorrupted, match="canonical"):
            require_canonical(other, read_entry(other))


def test_what_is_left_in_the_content_is_found_when_asked_for() -> None:
    entry = entry_after(EMPTY_HEAD, NOTE)
    for field in ("actor", "salt", "software", "software_sha256", "time"):
        read = read_entry(entry.stored())
        assert field not in vars(read)
        assert getattr(read, field) == getattr(entry, field)
        assert read == entry
    assert dataclasses.replace(read_entry(entry.stored()), index=1) == entry
    assert read_entry(entry.stored()).content() == entry.content()
    with pytest.raises(AttributeError, match="nothing"):
        read_entry(entry.stored()).nothing  # noqa: B018


def test_the_stored_content_is_canonical() -> None:
    entry = entry_after(EMPTY_HEAD, NOTE)
    assert entry.stored().content == canonical_json(entry.content())

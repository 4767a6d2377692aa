"""What travels with a release can be checked without the ledger, and says nothing about other releases."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.errors import LedgerError
from dpsynth.ledger import Ledger, head_of_extract, verify_extract
from dpsynth.ledger.chain import chain_digest, content_digest_of
from tests.ledger.requests_for_tests import DATASET, UNIT, opened, pure, reserve, spend

Lines = list[dict[str, object]]


@pytest.fixture
def lines(ledger: Ledger) -> Lines:
    """Return the extract of one release among others, as it is read back from a file."""
    ledger.set_budget("secret project", PrivacyBudget(1, 0), UNIT)
    spend(ledger, "0.1", release_id="before")
    token = opened(ledger, "0.4", release_id="mine")
    spend(ledger, "0.7", release_id="between", dataset="secret project")
    ledger.settle(token, [("age", pure("0.1")), ("sex", pure("0.2"))])
    ledger.note(DATASET, "exported", release_id="mine")
    spend(ledger, "0.1", release_id="after")
    read: Lines = [json.loads(json.dumps(line)) for line in ledger.extract("mine")]
    return read


def test_an_honest_extract_verifies(ledger: Ledger, lines: Lines) -> None:
    assert verify_extract(lines) == []
    assert verify_extract(lines, expected_head=ledger.head()) == []
    assert head_of_extract(lines) == ledger.head()  # type: ignore[arg-type]


def test_it_holds_the_release_and_its_budget_in_full_and_nothing_of_others(lines: Lines) -> None:
    full = [line["content"] for line in lines if "content" in line]
    assert [content["kind"] for content in full] == ["BUDGET", "RESERVE", "OPEN", "SETTLE", "NOTE"]  # type: ignore[index]
    text = json.dumps(lines)
    for word in ("secret project", "before", "between", "after"):
        assert word not in text
    assert [line["index"] for line in lines] == list(range(1, len(lines) + 1))


def test_the_same_cost_twice_has_two_digests(ledger: Ledger) -> None:
    # Without the salt, whoever guesses the content of another entry could confirm the guess.
    for _ in range(2):
        ledger.note(DATASET, "the same words")
    spend(ledger, "0.1", release_id="mine")
    digests = [line.get("content_digest") for line in ledger.extract("mine")]
    assert len(set(digests[1:3])) == 2


def test_a_release_that_is_not_in_the_ledger(ledger: Ledger) -> None:
    for release_id in ("nobody", ""):
        with pytest.raises(LedgerError, match="no entry of release"):
            ledger.extract(release_id)


def test_an_empty_ledger_speaks_about_no_release() -> None:
    assert verify_extract([]) == ["an extract speaks about one release; this one speaks about 0"]
    assert head_of_extract([]).index == 0


def position(lines: Lines, kind: str) -> int:
    return next(
        place
        for place, line in enumerate(lines)
        if "content" in line and line["content"]["kind"] == kind  # type: ignore[index]
    )


def resealed(lines: Lines) -> Lines:
    """Return the extract with every digest recomputed, as a forger would."""
    from dpsynth.ledger.chain import canonical_json

    previous = "0" * 64
    for place, line in enumerate(lines, start=1):
        line["index"] = place
        content = line.get("content")
        inner = content_digest_of(canonical_json(content)) if content is not None else str(line["content_digest"])  # type: ignore[arg-type]
        previous = chain_digest(place, previous, inner)
        line["digest"] = previous
    return lines


def test_every_changed_field_of_an_entry_is_seen(lines: Lines) -> None:
    place = position(lines, "SETTLE")
    content = lines[place]["content"]
    assert isinstance(content, dict)
    for key in content:
        changed = copy.deepcopy(lines)
        changed[place]["content"][key] = "another"  # type: ignore[index]
        assert verify_extract(changed) != [], key


def test_every_other_change_is_seen(lines: Lines) -> None:
    redacted = next(place for place, line in enumerate(lines) if "content_digest" in line)
    changes: list[Lines] = [
        lines[1:],
        lines[:3] + lines[4:],
        [*lines[:2], lines[3], lines[2], *lines[4:]],
        [*lines, lines[-1]],
        [*lines[:redacted], {**lines[redacted], "content_digest": "1" * 64}, *lines[redacted + 1 :]],
        [*lines[:redacted], {**lines[redacted], "digest": "1" * 64}, *lines[redacted + 1 :]],
        [*lines[:redacted], {**lines[redacted], "digest": "short"}, *lines[redacted + 1 :]],
        [*lines[:redacted], {**lines[redacted], "index": True}, *lines[redacted + 1 :]],
        [*lines[:redacted], {**lines[redacted], "also": 1}, *lines[redacted + 1 :]],
        [*lines[:redacted], {}, *lines[redacted + 1 :]],
        [{**lines[0], "content": []}, *lines[1:]],
        [{**lines[0], "content": {"huge": 2**60}}, *lines[1:]],
    ]
    for changed in changes:
        assert verify_extract(changed) != []
    for strange in (None, 3, "line", []):
        assert verify_extract([strange]) != []


def test_a_cut_end_is_seen_against_the_head_in_the_certificate(ledger: Ledger, lines: Lines) -> None:
    cut = lines[: position(lines, "SETTLE") + 1]
    assert verify_extract(cut) == []
    (problem,) = verify_extract(cut, expected_head=ledger.head())
    assert "head" in problem


def test_a_forged_chain_is_seen_against_the_head_in_the_certificate(ledger: Ledger, lines: Lines) -> None:
    lines[position(lines, "SETTLE")]["content"]["purpose"] = "another"  # type: ignore[index]
    forged = resealed(lines)
    assert verify_extract(forged) == []
    assert verify_extract(forged, expected_head=ledger.head()) != []


def test_an_illegal_order_is_seen_even_with_fitting_digests(lines: Lines) -> None:
    opening = position(lines, "OPEN")
    lines[opening] = {"content_digest": "1" * 64}
    assert any("is reserved" in problem for problem in verify_extract(resealed(lines)))


def test_charges_above_the_reservation_or_the_budget_are_seen_even_with_fitting_digests(lines: Lines) -> None:
    dearer = copy.deepcopy(lines)
    dearer[position(lines, "SETTLE")]["content"]["charges"][0]["event"]["epsilon"] = "0.9"  # type: ignore[index]
    assert any("more than it had reserved" in problem for problem in verify_extract(resealed(dearer)))
    poorer = copy.deepcopy(lines)
    poorer[position(lines, "BUDGET")]["content"]["budget"]["epsilon"] = "0.3"  # type: ignore[index]
    assert any("over its budget" in problem for problem in verify_extract(resealed(poorer)))


def test_what_was_opened_and_never_settled_is_a_problem(ledger: Ledger) -> None:
    opened(ledger, "0.1", release_id="mine")
    (problem,) = verify_extract(list(ledger.extract("mine")))
    assert "never settled" in problem


def test_an_extract_of_two_releases_is_refused(path: Path, ledger: Ledger) -> None:
    reserve(ledger, "0.1", release_id="one")
    reserve(ledger, "0.1", release_id="two")
    one, two = ledger.extract("one"), ledger.extract("two")
    merged = [first if "content" in first else second for first, second in zip(one, two, strict=True)]
    assert any("speaks about 2" in problem for problem in verify_extract(merged))

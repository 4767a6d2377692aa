"""Every planted defect is found, each in a sentence of its own that says where; a sound ledger has none."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from dpsynth import audit_ledger
from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.accounting.events import ApproximateDpEvent, GaussianDpEvent, GdpEvent
from dpsynth.accounting.gaussian_dp import mu_squared_from_budget
from dpsynth.certification.signing import SigningKey, load_or_create_key
from dpsynth.errors import InvalidInput, LedgerCorrupted
from dpsynth.ledger import Charge, EntryKind, Ledger, LedgerEntry
from dpsynth.ledger.books import checked_books
from dpsynth.ledger.entry import entry_after
from dpsynth.ledger.signed_heads import signature_of_head
from dpsynth.oversight import audit_costs, export_json_lines
from tests.oversight.forging import chained, edit, rewritten, write
from tests.oversight.spending import UNIT, reserve

BUDGET_AT, SETTLE_AT, OTHER_RESERVE_AT = 1, 5, 6


@pytest.fixture
def key(tmp_path: Path) -> SigningKey:
    return load_or_create_key(tmp_path / "keys" / "key.pem")


@pytest.fixture
def public(tmp_path: Path, key: SigningKey) -> Path:
    path = tmp_path / "public.pem"
    path.write_bytes(key.public_pem)
    return path


@pytest.fixture
def entries(ledger: Ledger) -> list[LedgerEntry]:
    """Entries 1 and 2 are budgets; 3, 4, 5 a release that was settled; 6 and 7 one that is open; 8 to 10 one more."""
    claim = PrivacyBudget("0.5", "1e-6")
    for release_id in ("first", "open", "last"):
        reservation = ledger.reserve(
            "patients",
            release_id=release_id,
            purpose="fit",
            event=GdpEvent(mu_squared_from_budget(claim)),
            asked=str(claim),
            unit=UNIT,
            certifiable=True,
        )
        token = ledger.open(reservation)
        if release_id != "open":
            ledger.settle(token, [("a", GaussianDpEvent(20.0)), ("b", GaussianDpEvent(25.0))])
    return list(ledger.entries())


def problems(path: Path, **options: Any) -> tuple[str, ...]:
    audit = audit_ledger(path, **options)
    assert audit.ok == (audit.problems == ())
    assert all(problem and problem[-1] not in ".,:" for problem in audit.problems)
    return audit.problems


def test_a_sound_ledger_passes_with_every_epsilon_computed_three_times(
    ledger: Ledger, entries: list[LedgerEntry], key: SigningKey, public: Path, tmp_path: Path
) -> None:
    path = tmp_path / "ledger.jsonl"
    assert export_json_lines(ledger, path, key=key) == len(entries)
    audit = audit_ledger(path, public_key=public, expected_head=ledger.head())
    assert audit.problems == ()
    assert (audit.ok, audit.entries, audit.head) == (True, 10, ledger.head())
    total, *single = audit.costs
    assert (total.release, total.budget, [cost.release for cost in single]) == ("", "2", ["first", "open", "last"])
    for cost in audit.costs:
        assert Decimal(cost.losses or "inf") <= Decimal(cost.sums or "inf") <= Decimal(cost.renyi or "inf")
    assert json.loads(json.dumps(audit.to_json()))["ok"] is True
    assert "every check holds" in str(audit)


def test_an_edited_epsilon(entries: list[LedgerEntry], tmp_path: Path) -> None:
    path = write(tmp_path / "l.jsonl", entries)
    edit(path, lambda lines: lines[BUDGET_AT]["content"]["budget"].update(epsilon="9"))
    (found,) = problems(path)
    assert found.startswith("entry 1 (line 2) does not fit its digest: its content was edited")


def test_swapped_lines(entries: list[LedgerEntry], tmp_path: Path) -> None:
    path = write(tmp_path / "l.jsonl", entries)

    def swap(lines: list[dict[str, Any]]) -> None:
        lines[8], lines[9] = lines[9], lines[8]

    assert problems(edit(path, swap)) == (
        "line 9 holds entry 9 where entry 8 belongs: entries were swapped",
        "line 10 holds entry 8 where entry 9 belongs: entries were swapped",
    )


def test_swapped_contents(entries: list[LedgerEntry], tmp_path: Path) -> None:
    path = write(tmp_path / "l.jsonl", entries)

    def swap(lines: list[dict[str, Any]]) -> None:
        for name in ("content", "digest"):
            lines[4][name], lines[6][name] = lines[6][name], lines[4][name]

    found = problems(edit(path, swap))
    assert {problem.split(" (")[0] for problem in found if "does not fit its digest" in problem} == {
        "entry 4", "entry 5", "entry 6", "entry 7",
    }  # fmt: skip


@pytest.mark.parametrize("left", [9, 5, 0])
def test_a_cut_tail_against_every_head_that_is_known(
    entries: list[LedgerEntry], key: SigningKey, public: Path, tmp_path: Path, left: int
) -> None:
    path, whole = write(tmp_path / "l.jsonl", entries, key=key), entries[-1].head
    edit(path, lambda lines: lines.__delitem__(slice(left + 1, 11)))
    own, sealed = problems(path, public_key=public)
    assert own.startswith(f"entries are missing from the end: the file ends at entry {left}, but entry 10 is known")
    assert sealed.startswith("the seal is about another ledger: it signs entry 10")
    honest_looking = write(tmp_path / "cut.jsonl", entries[:left])
    assert problems(honest_looking) == ()
    (found,) = problems(honest_looking, expected_head=whole)
    assert "entry 10 is known from the head that was given" in found


def test_a_rewritten_ledger_against_a_known_head(entries: list[LedgerEntry], tmp_path: Path) -> None:
    path = write(tmp_path / "l.jsonl", rewritten(entries, BUDGET_AT, budget=PrivacyBudget(9, "1e-5")))
    assert problems(path) == ()
    (found,) = problems(path, expected_head=entries[-1].head)
    assert found == (
        "entry 10 is known with another digest from the head that was given: the ledger was rewritten there or before"
    )


def test_an_event_that_is_cheaper_than_what_was_asked_and_stated(entries: list[LedgerEntry], tmp_path: Path) -> None:
    cheap = (Charge("fit", GdpEvent(Fraction(1, 10**4))),)
    asked, stated = problems(write(tmp_path / "l.jsonl", rewritten(entries, OTHER_RESERVE_AT, charges=cheap)))
    assert asked.startswith(
        "entry 6 charges less than was asked: epsilon 0.5, delta 1e-06 was asked, but its event costs"
    )
    assert stated.startswith("entry 6 (line 7) states that 'patients' had then spent epsilon 0.")
    assert "but the events cost epsilon 0.2" in stated


def test_a_curve_that_says_less_than_the_events(entries: list[LedgerEntry], tmp_path: Path) -> None:
    small = {"patients": {"1e-5": "0.1", "1e-6": "0.1", "1e-9": "0.1"}}
    (found,) = problems(write(tmp_path / "l.jsonl", rewritten(entries, SETTLE_AT, curve=small)))
    assert found.startswith(
        "entry 5 (line 6) states that 'patients' had then spent epsilon 0.1 at delta 1e-5, epsilon 0.1 at delta 1e-6"
    )
    nobody = write(tmp_path / "m.jsonl", rewritten(entries, SETTLE_AT, curve={"guests": {}}))
    assert {problem.split(" states ")[1] for problem in problems(nobody)} == {
        "no cost, or one too many, for 'guests'", "no cost, or one too many, for 'patients'",
    }  # fmt: skip


def test_an_overspent_prefix_although_it_was_given_back_later(ledger: Ledger, tmp_path: Path) -> None:
    """The triggers were dropped, one reservation too many was written, and it was void again before anybody looked."""
    ledger.void(reserve(ledger, "patients", "big", GdpEvent(Fraction(1, 10))))
    listed = list(ledger.entries())
    dear = (Charge("fit", GdpEvent(Fraction(100))),)
    path = write(tmp_path / "l.jsonl", rewritten(listed, 3, charges=dear, curve=None))
    (found,) = problems(path)
    assert found == "entry 3 takes data set 'patients' over its budget of epsilon 2, delta 1e-05"


def test_an_overspent_ledger_whose_chain_and_signatures_hold(
    ledger: Ledger, entries: list[LedgerEntry], key: SigningKey, public: Path, tmp_path: Path
) -> None:
    """Made by the holder himself, who may write the file and has the key: only the sums tell."""
    dear = (Charge("fit", GdpEvent(Fraction(100))),)
    silent = [replace(entry, curve=None) for entry in entries]
    forged = rewritten(silent, OTHER_RESERVE_AT, charges=dear)
    forged.append(entry_after(forged[-1].head, signature_of_head(forged[-1].head, key)))
    audit = audit_ledger(write(tmp_path / "l.jsonl", forged, key=key), public_key=public)
    assert [check.name for check in audit.checks if not check.passed] == ["budgets"]
    assert audit.problems == ("entry 6 takes data set 'patients' over its budget of epsilon 2, delta 1e-05",)
    with pytest.raises(LedgerCorrupted, match="entry 6 takes data set 'patients' over its budget"):
        checked_books(entry.stored() for entry in forged)


def test_a_missing_and_a_wrong_signature(
    entries: list[LedgerEntry], key: SigningKey, public: Path, tmp_path: Path
) -> None:
    (missing,) = problems(write(tmp_path / "unsigned.jsonl", entries), public_key=public)
    assert missing == "the file is not signed: nobody vouches for any of its heads, so its end proves nothing"
    other = load_or_create_key(tmp_path / "other" / "key.pem")
    path = write(tmp_path / "l.jsonl", entries, key=other)
    assert problems(path) == ()
    (wrong,) = problems(path, public_key=public)
    assert wrong.startswith("the signature of the seal is wrong: it was not made by the given key")
    path = write(tmp_path / "m.jsonl", entries, key=key)
    assert problems(path, public_key=public) == ()

    def spoil(lines: list[dict[str, Any]]) -> None:
        signature = lines[-1]["seal"]["signatures"][0]
        signature["sig"] = ("A" if signature["sig"][0] != "A" else "B") + signature["sig"][1:]

    (spoiled,) = problems(edit(path, spoil), public_key=public)
    assert spoiled == wrong


@pytest.mark.parametrize(
    "seal", [None, 3, {}, {"payload": "x"}, {"payload": "e30=", "payloadType": "x", "signatures": []}]
)
def test_a_seal_that_is_none(entries: list[LedgerEntry], tmp_path: Path, seal: object) -> None:
    path = write(tmp_path / "l.jsonl", entries)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps({"seal": seal}) + "\n")
    assert problems(path) == ("the seal cannot be read as a signature",)


def test_settled_above_what_was_reserved(entries: list[LedgerEntry], tmp_path: Path) -> None:
    more = (Charge("a", GaussianDpEvent(1.0)),)
    found = problems(write(tmp_path / "l.jsonl", rewritten(entries, SETTLE_AT, charges=more)))
    assert found[0].startswith(
        "entry 5 (line 6) is not legal there: release 'first' was charged more than it had reserved"
    )


def test_void_after_open(entries: list[LedgerEntry], tmp_path: Path) -> None:
    path = write(tmp_path / "l.jsonl", rewritten(entries, SETTLE_AT, kind=EntryKind.VOID, charges=(), curve=None))
    found, *_ = problems(path)  # what comes later states a cost that no longer fits
    assert found == (
        "entry 5 (line 6) is not legal there: the reservation of release 'first' is open, so VOID is not possible"
    )


def test_a_budget_that_was_raised(entries: list[LedgerEntry], tmp_path: Path) -> None:
    raised = replace(entries[0], budget=PrivacyBudget(9, "1e-5"))
    (found,) = problems(write(tmp_path / "l.jsonl", chained([*entries, raised])))
    assert "entry 11 (line 12) is not legal there: data set 'patients' already has a budget" in found


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda lines: lines.pop(4), "entry 4 is missing from the middle of the file"),
        (lambda lines: lines.insert(5, lines[4]), "entry 4 stands in the file 2 times"),
        (lambda lines: lines[4].pop("digest"), "line 5 is not a line of a ledger"),
        (lambda lines: lines[4].update(index="4"), "line 5 is not a line of a ledger"),
        (lambda lines: lines[4]["content"].update(format=99), "is not in a format that this version of dpsynth knows"),
        (lambda lines: lines[4]["content"].update(salt=1e400), "line 5 is not a line of a ledger"),
        (lambda lines: lines[0].update(head="x"), "line 1 does not say at which head the file was to end"),
    ],
)
def test_lines_that_are_missing_doubled_or_broken(
    entries: list[LedgerEntry], tmp_path: Path, change: Callable[[list[dict[str, Any]]], object], sentence: str
) -> None:
    found = problems(edit(write(tmp_path / "l.jsonl", entries), change))
    assert any(sentence in problem for problem in found), found


@pytest.mark.parametrize("content", [b"", b"\x00\xff\n", b"[" * 100_000, b"{}\n\n3\n", b"null", "sé".encode("utf-16")])
def test_nothing_about_a_file_makes_it_raise(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "l.jsonl"
    path.write_bytes(content)
    audit = audit_ledger(path)
    assert audit.ok == (not content)
    assert "<div" in audit._repr_html_()


def test_what_is_given_has_to_be_readable(entries: list[LedgerEntry], tmp_path: Path) -> None:
    path = write(tmp_path / "l.jsonl", entries)
    for options in ({"public_key": tmp_path / "none.pem"}, {"public_key": path}, {"artefacts": [tmp_path / "none"]},
                    {"artefacts": [tmp_path]}):  # fmt: skip
        with pytest.raises(InvalidInput):
            audit_ledger(path, **options)
    with pytest.raises(InvalidInput):
        audit_ledger(tmp_path / "none.jsonl")


def test_an_extract_says_that_it_holds_only_digests(ledger: Ledger, entries: list[LedgerEntry], tmp_path: Path) -> None:
    path = tmp_path / "extract.jsonl"
    path.write_text("".join(f"{json.dumps(line)}\n" for line in ledger.extract("first")), encoding="utf-8")
    audit = audit_ledger(path, expected_head=ledger.head())
    assert audit.ok
    assert "of 6 the file holds only digests" in audit.checks[0].explanation


def test_a_pure_ledger_and_events_that_no_accountant_knows(ledger: Ledger, tmp_path: Path) -> None:
    event = ApproximateDpEvent(Decimal("0.1"), Decimal(0))
    for number in range(10):
        ledger.settle(ledger.open(reserve(ledger, "staff", f"r{number}", event)), [("count", event)])
    audit = audit_ledger(write(tmp_path / "l.jsonl", ledger.entries()))
    assert audit.ok
    assert (audit.costs[0].sums, audit.costs[0].losses, audit.costs[0].renyi) == ("1", "1", "1")


def test_what_people_wrote_is_escaped_in_the_report(ledger: Ledger, tmp_path: Path) -> None:
    reserve(ledger, "patients", "<script>", GdpEvent(Fraction(1, 100)))
    audit = audit_ledger(write(tmp_path / "<b>.jsonl", ledger.entries()))
    assert "<script" not in audit._repr_html_()
    assert "<b>" not in audit._repr_html_()


def test_sums_that_are_too_small_are_found_by_two_methods(
    entries: list[LedgerEntry], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If our own sums were one percent too small, the privacy losses and the audit of them would both say so."""
    right = audit_costs.epsilon_by_sums
    monkeypatch.setattr(audit_costs, "asked_problems", lambda listed: [])
    monkeypatch.setattr(audit_costs, "epsilon_by_sums", lambda cost, delta: 0.99 * right(cost, delta))
    found = problems(write(tmp_path / "l.jsonl", entries))
    assert any("data set 'patients': the exact sums give" in problem for problem in found)
    assert any("release 'first' of data set 'patients'" in problem for problem in found)
    assert any("by privacy-loss distributions, which can never be more" in problem for problem in found)
    assert any("another method finds no less than" in problem for problem in found)


def test_only_so_many_releases_are_computed_one_by_one(entries: list[LedgerEntry], tmp_path: Path) -> None:
    audit = audit_ledger(write(tmp_path / "l.jsonl", entries), most_releases=1)
    assert [cost.release for cost in audit.costs] == ["", "last"]

"""A new budget needs new people or new data, and two different approvers who signed exactly that."""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from pathlib import Path

import pytest

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.accounting.events import GdpEvent
from dpsynth.errors import BudgetExceeded, InvalidInput, LedgerCorrupted, LedgerError
from dpsynth.ledger import EntryKind, Ledger, SigningKey, load_or_create_key, verify_extract
from dpsynth.ledger.books import Books, checked_books
from dpsynth.ledger.entry import entry_after
from dpsynth.ledger.statement import Signature, Statement
from tests.ledger.requests_for_tests import UNIT, opened, pure, reserve, spend
from tests.ledger.test_books import BUDGET, VOID, chained, said

FRESH = PrivacyBudget("0.5", 0)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> list[SigningKey]:
    home = tmp_path_factory.mktemp("keys")
    return [load_or_create_key(home / f"{name}.pem") for name in ("ada", "bob", "eve")]


@pytest.fixture
def guarded(path: Path, keys: list[SigningKey]) -> Ledger:
    """A spent budget that Ada and Bob may renew together."""
    ledger = Ledger(path)
    ledger.set_budget("patients", PrivacyBudget(1, 0), UNIT, approvers=[key.public_pem for key in keys[:2]])
    spend(ledger, "1")
    return ledger


def test_two_approvers_begin_a_new_epoch_and_the_old_total_stays_visible(
    guarded: Ledger, keys: list[SigningKey], path: Path
) -> None:
    with pytest.raises(BudgetExceeded):
        reserve(guarded, "0.1", release_id="r2")
    renewal = guarded.propose_renewal("patients", FRESH, reason="survey of 2027, other people")
    guarded.renew(renewal, [renewal.approved_with(key) for key in keys[:2]])
    assert guarded.epoch("patients") == 2
    assert guarded.budget("patients") == FRESH
    assert guarded.spent("patients").epsilon == 0
    spend(guarded, "0.3", release_id="r2")
    with pytest.raises(BudgetExceeded):
        reserve(guarded, "0.3", release_id="r3")
    assert guarded.spent("patients").epsilon == Fraction(3, 10)
    assert guarded.lifetime("patients").epsilon == Fraction(13, 10)
    assert guarded.verify() == guarded.head()
    entry = next(entry for entry in guarded.entries() if entry.kind is EntryKind.EPOCH)
    assert entry.purpose == "survey of 2027, other people"
    assert {signature.key for signature in entry.signatures} == {key.public_hex for key in keys[:2]}
    lines = guarded.extract("r2")
    assert verify_extract(lines, expected_head=guarded.head()) == []
    guarded.close()
    with Ledger(path) as again:
        assert (again.epoch("patients"), again.lifetime("patients").epsilon) == (2, Fraction(13, 10))


def test_an_auditor_reads_epochs_and_signed_heads(guarded: Ledger, keys: list[SigningKey], tmp_path: Path) -> None:
    from dpsynth import audit_ledger
    from dpsynth.oversight.json_lines import export_json_lines

    renewal = guarded.propose_renewal("patients", FRESH, reason="survey of 2027, other people")
    guarded.renew(renewal, [renewal.approved_with(key) for key in keys[:2]])
    spend(guarded, "0.3", release_id="r2")
    guarded.sign_head(keys[2])
    export_json_lines(guarded, tmp_path / "ledger.jsonl")
    audit = audit_ledger(tmp_path / "ledger.jsonl")
    assert [problem for check in audit.checks for problem in check.problems] == []


def test_each_wrong_approval_is_refused_for_its_own_reason(guarded: Ledger, keys: list[SigningKey]) -> None:
    ada, bob, eve = keys
    renewal = guarded.propose_renewal("patients", FRESH, reason="other people")
    other = guarded.propose_renewal("patients", PrivacyBudget(9, 0), reason="other people")
    good = [renewal.approved_with(ada), renewal.approved_with(bob)]
    before = guarded.head()
    for signatures, words in (
        ([], "needs 2 approvers, and 0 signed"),
        (good[:1], "needs 2 approvers, and 1 signed"),
        ([good[0], good[0]], "two different approvers"),
        ([good[0], renewal.approved_with(eve)], "not that of an approver"),
        ([good[0], other.approved_with(bob)], "not one under this renewal"),
        ([good[0], Signature(bob.public_hex, good[0].value)], "not one under this renewal"),
        ([good[0], Signature(bob.public_hex, "no signature")], "not one under this renewal"),
    ):
        with pytest.raises(LedgerError, match=words):
            guarded.renew(renewal, signatures)
    assert guarded.head() == before
    guarded.renew(renewal, good)

    with pytest.raises(LedgerError, match="has begun already"):
        guarded.renew(renewal, good)
    again = guarded.propose_renewal("patients", FRESH, reason="other people")
    with pytest.raises(LedgerError, match="was given for an earlier renewal"):
        guarded.renew(again, good)
    with pytest.raises(LedgerError, match="was given for an earlier renewal"):
        guarded.renew(again, [again.approved_with(ada), good[1]])
    assert guarded.epoch("patients") == 2


def test_approvals_of_another_ledger_do_not_count(guarded: Ledger, keys: list[SigningKey]) -> None:
    with Ledger("sqlite://") as other:
        other.set_budget("patients", PrivacyBudget(1, 0), UNIT, approvers=[key.public_pem for key in keys[:2]])
        elsewhere = other.propose_renewal("patients", FRESH, reason="other people")
        approvals = [elsewhere.approved_with(key) for key in keys[:2]]
    here = guarded.propose_renewal("patients", FRESH, reason="other people")
    with pytest.raises(LedgerError, match="not one under this renewal"):
        guarded.renew(here, approvals)
    with pytest.raises(LedgerError, match="another budget"):
        guarded.renew(elsewhere, approvals)


def test_a_budget_without_approvers_is_for_ever(ledger: Ledger) -> None:
    with pytest.raises(LedgerError, match="names no approvers"):
        ledger.propose_renewal("patients", FRESH, reason="other people")
    with pytest.raises(LedgerError, match="has no budget"):
        ledger.propose_renewal("others", FRESH, reason="other people")


def test_approvers_are_two_at_least_and_fixed_with_the_budget(path: Path, keys: list[SigningKey]) -> None:
    pems = [key.public_pem for key in keys]
    with Ledger(path) as ledger:
        for few in (pems[:1], [pems[0], pems[0]]):
            with pytest.raises(LedgerError, match="at least 2 different approvers"):
                ledger.set_budget("patients", PrivacyBudget(1, 0), approvers=few)
        ledger.set_budget("patients", PrivacyBudget(1, 0), approvers=pems[:2])
        ledger.set_budget("patients", PrivacyBudget(1, 0), approvers=pems[1::-1])
        ledger.set_budget("patients", PrivacyBudget(1, 0))
        with pytest.raises(LedgerError, match="fixed for ever"):
            ledger.set_budget("patients", PrivacyBudget(1, 0), approvers=pems[1:])


def test_what_is_still_open_is_settled_before_an_epoch_ends(path: Path, keys: list[SigningKey]) -> None:
    with Ledger(path) as ledger:
        ledger.set_budget("patients", PrivacyBudget(1, 0), UNIT, approvers=[key.public_pem for key in keys[:2]])
        pending = reserve(ledger, "0.1")
        opened(ledger, "0.1")
        renewal = ledger.propose_renewal("patients", FRESH, reason="other people")
        approvals = [renewal.approved_with(key) for key in keys[:2]]
        with pytest.raises(LedgerError, match="2 reservations of this epoch are not settled"):
            ledger.renew(renewal, approvals)
        ledger.void(pending)
        ledger.recover()
        ledger.renew(renewal, approvals)
        ledger.verify()


def test_a_renewal_says_why(guarded: Ledger) -> None:
    for reason in ("", "two\nlines"):
        with pytest.raises(InvalidInput, match="one line"):
            guarded.propose_renewal("patients", FRESH, reason=reason)


def test_an_epoch_may_change_policy_and_approvers(guarded: Ledger, keys: list[SigningKey]) -> None:
    renewal = guarded.propose_renewal(
        "patients",
        PrivacyBudget(2, "1e-6"),
        reason="other people",
        policy="plan",
        approvers=[key.public_pem for key in keys[1:]],
    )
    guarded.renew(renewal, [renewal.approved_with(key) for key in keys[:2]])
    guarded.lock_plan("patients", [("count", GdpEvent(Fraction(1, 10)))])
    with pytest.raises(BudgetExceeded):
        reserve(guarded, "0.1", release_id="r2")
    later = guarded.propose_renewal("patients", FRESH, reason="yet other people")
    with pytest.raises(LedgerError, match="not that of an approver"):
        guarded.renew(later, [later.approved_with(key) for key in keys[:2]])
    guarded.renew(later, [later.approved_with(key) for key in keys[1:]])
    assert guarded.epoch("patients") == 3
    guarded.verify()


def test_a_forged_epoch_does_not_verify(guarded: Ledger, keys: list[SigningKey]) -> None:
    renewal = guarded.propose_renewal("patients", FRESH, reason="other people")
    approvals = tuple(renewal.approved_with(key) for key in keys[:2])
    history = list(guarded.entries())
    for signatures in ((), approvals[:1], tuple(Signature(one.key, "00" * 64) for one in approvals)):
        forged = dataclasses.replace(renewal.terms, signatures=signatures)
        with pytest.raises(LedgerCorrupted, match="is not legal"):
            checked_books(chained(*history, forged))


def test_a_budget_that_was_exceeded_before_a_renewal_is_not_kept_by_it(keys: list[SigningKey]) -> None:
    approvers = tuple(sorted(key.public_hex for key in keys[:2]))
    history = [dataclasses.replace(BUDGET, approvers=approvers), said(EntryKind.RESERVE, pure("1.1")), VOID]
    books = Books()
    books.post_rows(chained(*history))
    terms = Statement(kind=EntryKind.EPOCH, dataset="patients", budget=FRESH, purpose="other people")
    renewal = books.account("patients").renewal(terms)
    approved = dataclasses.replace(terms, signatures=tuple(renewal.approved_with(key) for key in keys[:2]))
    books.post(entry_after(books.head, approved))
    assert not books.budgets_kept()
    with pytest.raises(LedgerCorrupted, match="entry 2 takes"):
        checked_books([entry.stored() for entry in books.entries])

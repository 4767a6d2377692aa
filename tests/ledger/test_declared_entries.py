"""What another tool has spent is an entry of its own: it counts at its true size and gets nobody more.

On every store.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.accounting.events import DpEvent, GdpEvent, NonPrivateDpEvent
from dpsynth.errors import BudgetExceeded, BudgetNotSet, LedgerCorrupted, LedgerError
from dpsynth.ledger import EntryKind, Ledger, LedgerEntry, Reservation, load_or_create_key
from dpsynth.ledger.books import audited_books, checked_books
from dpsynth.ledger.statement import Charge, Statement
from tests.ledger.places import Place
from tests.ledger.requests_for_tests import DATASET, UNIT, opened, pure, reserve, spend
from tests.ledger.test_books import chained

BUDGET = Statement(kind=EntryKind.BUDGET, dataset=DATASET, budget=PrivacyBudget(1, 0), unit=UNIT)


@pytest.fixture
def ledger(kept: Ledger) -> Ledger:
    kept.set_budget(DATASET, PrivacyBudget(1, 0), UNIT)
    return kept


def declare(ledger: Ledger, epsilon: str, release_id: str = "d1", *, event: DpEvent | None = None) -> LedgerEntry:
    return ledger.declare(
        DATASET,
        release_id=release_id,
        purpose="done",
        event=event or pure(epsilon),
        asked="a spend of a tool",
        unit=UNIT,
    )


def declared(epsilon: str = "0.5", **changed: object) -> Statement:
    said = Statement(
        kind=EntryKind.DECLARE,
        dataset=DATASET,
        release_id="d1",
        purpose="done",
        charges=(Charge("done", pure(epsilon)),),
        unit=UNIT,
        certifiable=False,
    )
    return replace(said, **changed)  # type: ignore[arg-type]


def reserved(epsilon: str, release_id: str = "r1") -> Statement:
    charges = (Charge("fit", pure(epsilon)),)
    return Statement(kind=EntryKind.RESERVE, dataset=DATASET, release_id=release_id, charges=charges, unit=UNIT)


class TestWhatIsWritten:
    def test_it_is_one_entry_with_its_curve(self, ledger: Ledger, place: Place) -> None:
        entry = declare(ledger, "0.75")
        assert (entry.kind, entry.event, entry.certifiable) == (EntryKind.DECLARE, pure("0.75"), False)
        assert entry.curve == {DATASET: {"1e-5": "0.75", "1e-6": "0.75", "1e-9": "0.75"}}
        with Ledger(place.url, create=False) as again:
            assert again.entries() == ledger.entries()
            again.verify()

    def test_it_leaves_less_for_others(self, ledger: Ledger) -> None:
        declare(ledger, "0.75")
        with pytest.raises(BudgetExceeded, match=r"epsilon 0\.25 \(pure\) is left"):
            reserve(ledger, "0.3")
        spend(ledger, "0.25")
        assert ledger.overspent(DATASET) == ""

    @pytest.mark.parametrize("event", [pure("5"), GdpEvent(Fraction(1)), NonPrivateDpEvent()])
    def test_a_name_is_used_once_and_a_budget_is_needed(self, ledger: Ledger, event: DpEvent) -> None:
        declare(ledger, "", event=event)
        with pytest.raises(LedgerError, match="'d1' is in the ledger already"):
            declare(ledger, "", event=event)
        with pytest.raises(BudgetNotSet):
            ledger.declare("others", release_id="d2", purpose="done", event=event, asked="it", unit=UNIT)
        with pytest.raises(LedgerError, match="different units"):
            ledger.declare(DATASET, release_id="d2", purpose="done", event=event, asked="it", unit="a household")
        ledger.verify()

    def test_nothing_can_follow_it(self, ledger: Ledger) -> None:
        entry = declare(ledger, "0.75")
        receipt = Reservation(DATASET, entry.release_id, entry.index, entry.digest)
        for step in (ledger.open, ledger.void):
            with pytest.raises(LedgerError, match="is declared, so"):
                step(receipt)
        assert ledger.recover() == ()
        assert ledger.pending() == ()
        assert ledger.spent(DATASET).epsilon == Fraction(3, 4)

    def test_what_was_open_settles_as_ever(self, ledger: Ledger) -> None:
        token, other = opened(ledger, "0.5"), reserve(ledger, "0.25", release_id="r2")
        declare(ledger, "0.75")
        with pytest.raises(LedgerError, match="more than it had reserved"):
            ledger.settle(token, [("count", pure("0.6"))])
        ledger.settle(token, [("count", pure("0.5"))])
        ledger.void(other)
        assert ledger.spent(DATASET).epsilon == Fraction(5, 4)
        assert "by entry 5" in ledger.overspent(DATASET)
        ledger.verify()

    def test_only_approvers_end_it_and_the_lifetime_keeps_it(self, place: Place, tmp_path: Path) -> None:
        keys = [load_or_create_key(tmp_path / name) for name in ("ada", "bob")]
        with Ledger(place.url, create=False) as ledger:
            ledger.set_budget(DATASET, PrivacyBudget(1, 0), UNIT, approvers=[key.public_pem for key in keys])
            declare(ledger, "3")
            renewal = ledger.propose_renewal(DATASET, PrivacyBudget(1, 0), reason="new people")
            ledger.renew(renewal, [renewal.approved_with(key) for key in keys])
            assert ledger.overspent(DATASET) == ""
            spend(ledger, "1")
            assert ledger.lifetime(DATASET).epsilon == 4
        with Ledger(place.url, create=False) as again:
            again.verify()


class TestSharing:
    def test_two_holders_see_what_the_other_declared(self, ledger: Ledger, place: Place) -> None:
        with Ledger(place.url, create=False) as other:
            declare(other, "0.75")
            with pytest.raises(BudgetExceeded, match=r"epsilon 0\.25 \(pure\) is left"):
                reserve(ledger, "0.3")
            with pytest.raises(LedgerError, match="'d1' is in the ledger already"):
                declare(ledger, "0.1")
            declare(ledger, "3", "d2")
            with pytest.raises(BudgetExceeded, match="another tool spent more"):
                reserve(other, "0.001")
            assert other.verify() == ledger.verify() == ledger.head()

    def test_an_edited_spend_is_noticed(self, ledger: Ledger, place: Place) -> None:
        declare(ledger, "0.75")
        place.tamper("""UPDATE entry SET content = replace(content, '"0.75"', '"0.05"')""")
        for look in (lambda: Ledger(place.url, create=False), ledger.verify):
            with pytest.raises(LedgerCorrupted, match="entry 2 was changed"):
                look()


class TestForgeries:
    def test_an_overspend_is_legal_and_a_reservation_after_it_is_not(self) -> None:
        books = checked_books(chained(BUDGET, declared("3"), declared("1", release_id="d2")))
        assert books.account(DATASET).spent.epsilon == 4
        rows = chained(BUDGET, declared("3"), reserved("0.001"))
        with pytest.raises(LedgerCorrupted, match="entry 3 is not legal: by entry 2, another tool spent more"):
            checked_books(rows)

    def test_an_overspend_hides_no_other(self) -> None:
        rows = chained(BUDGET, reserved("0.75"), reserved("0.75", "r2"), declared("3"))
        with pytest.raises(LedgerCorrupted, match="entry 3 takes data set 'patients' over its budget"):
            checked_books(rows)
        with pytest.raises(LedgerCorrupted, match="entry 3 takes"):
            audited_books(rows, checked_books(chained(BUDGET)))

    @pytest.mark.parametrize(
        ("changed", "why"),
        [
            ({"certifiable": True}, "no certificate rests on it"),
            ({"release_id": ""}, "it has a name"),
            ({"purpose": ""}, "it has a name and a purpose"),
            ({"charges": ()}, "exactly one charge"),
            ({"charges": (Charge("a", pure("0.1")),) * 2}, "exactly one charge"),
            ({"reservation": 1}, "exactly one charge"),
            ({"budget": PrivacyBudget(9, 0)}, "exactly one charge"),
            ({"unit": "a household"}, "different units"),
            ({"dataset": "others"}, "has no budget"),
        ],
    )
    def test_it_says_nothing_else(self, changed: dict[str, object], why: str) -> None:
        with pytest.raises(LedgerCorrupted, match=f"entry 2 is not legal: .*{why}"):
            checked_books(chained(BUDGET, declared(**changed)))  # type: ignore[arg-type]

    @pytest.mark.parametrize("kind", [EntryKind.OPEN, EntryKind.SETTLE, EntryKind.VOID])
    def test_no_step_takes_it_back(self, kind: EntryKind) -> None:
        step = Statement(kind=kind, dataset=DATASET, release_id="d1", reservation=2)
        with pytest.raises(LedgerCorrupted, match="entry 3 is not legal: the reservation of release 'd1' is declared"):
            checked_books(chained(BUDGET, declared(), step))

    def test_format_1_does_not_know_it(self) -> None:
        from dpsynth.errors import InvalidInput

        with pytest.raises(InvalidInput, match="format 1"):
            declared(format=1, software_sha256="").content()

"""What every store promises, whatever it is: one suite over SQLite and PostgreSQL."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.errors import BudgetExceeded, LedgerCorrupted, LedgerError, LedgerUnavailable
from dpsynth.ledger import Ledger
from dpsynth.ledger.chain import EMPTY_HEAD, StoredEntry
from dpsynth.ledger.entry import entry_after
from dpsynth.ledger.migrations import STORE_VERSION
from dpsynth.ledger.statement import EntryKind, Statement
from dpsynth.ledger.store import LedgerStore, make_store, open_store
from tests.faults.children import Say, start
from tests.ledger.places import Place, witness_at
from tests.ledger.requests_for_tests import DATASET, UNIT, opened, pure, reserve, spend


@pytest.fixture
def store(place: Place) -> Iterator[LedgerStore]:
    opened = open_store(place.url, create=False)
    yield opened
    opened.close()


@pytest.fixture
def spent(kept: Ledger) -> Ledger:
    """A ledger of four entries: a budget of 1, and 0.4 spent."""
    kept.set_budget(DATASET, PrivacyBudget(1, 0), UNIT)
    spend(kept, "0.4")
    return kept


def chain(length: int) -> list[StoredEntry]:
    head, rows = EMPTY_HEAD, []
    for number in range(length):
        entry = entry_after(
            head, Statement(kind=EntryKind.NOTE, dataset="größe 数", purpose=f"'note' {number}\\ \"%s:x\"")
        )
        rows.append(entry.stored())
        head = entry.head
    return rows


class TestRows:
    def test_what_is_appended_is_read_in_order_and_to_the_letter(self, store: LedgerStore) -> None:
        rows = chain(5)
        assert store.rows(1) == []
        for part in (rows[:1], rows[1:3], rows[3:]):
            with store.writing() as transaction:
                for row in part:
                    transaction.append(row)
                assert transaction.rows(1)[-1] == row
        assert store.rows(1) == rows
        assert store.rows(4) == rows[3:]
        assert store.rows(6) == []
        assert store.durable

    def test_an_error_inside_leaves_nothing(self, store: LedgerStore) -> None:
        rows = chain(2)

        def interrupted() -> None:
            with store.writing() as transaction:
                transaction.append(rows[0])
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            interrupted()
        assert store.rows(1) == []
        with store.writing() as transaction:
            transaction.append(rows[0])
        assert store.rows(1) == rows[:1]

    def test_only_the_next_link_is_taken(self, store: LedgerStore) -> None:
        rows = chain(3)
        with store.writing() as transaction:
            transaction.append(rows[0])
        for wrong in (
            rows[0],
            rows[2],
            StoredEntry(1, rows[1].previous_digest, rows[1].digest, rows[1].content),
            StoredEntry(2, "0" * 64, rows[1].digest, rows[1].content),
            StoredEntry(2, rows[1].previous_digest, rows[0].digest, rows[1].content),
        ):
            with pytest.raises(LedgerCorrupted, match="append-only"), store.writing() as transaction:
                transaction.append(wrong)
        assert store.rows(1) == rows[:1]

    def test_a_writer_waits_for_the_one_before(self, place: Place, store: LedgerStore) -> None:
        rows, order = chain(2), []
        other = open_store(place.url, create=False)

        def second() -> None:
            with other.writing() as transaction:
                order.append("second has the lock")
                assert transaction.rows(1) == rows[:1]
                transaction.append(rows[1])

        thread = threading.Thread(target=second)
        with store.writing() as transaction:
            thread.start()
            time.sleep(0.3)
            transaction.append(rows[0])
            order.append("first is done")
        thread.join()
        other.close()
        assert order == ["first is done", "second has the lock"]
        assert store.rows(1) == rows

    def test_a_reader_does_not_wait_for_a_writer(self, place: Place, store: LedgerStore) -> None:
        rows = chain(2)
        with store.writing() as transaction:
            transaction.append(rows[0])
            other = open_store(place.url, create=False)
            assert other.rows(1) == []
            other.close()


class TestBudgets:
    def test_three_tenths_fit_and_nothing_more(self, kept: Ledger) -> None:
        kept.set_budget(DATASET, PrivacyBudget("0.3", 0), UNIT)
        for number in range(3):
            spend(kept, "0.1", release_id=f"r{number}")
        with pytest.raises(BudgetExceeded):
            reserve(kept, "1e-9")

    def test_a_whole_life(self, place: Place, kept: Ledger) -> None:
        kept.set_budget(DATASET, PrivacyBudget(1, 0), UNIT)
        given_back = reserve(kept, "0.3", release_id="r1")
        kept.void(given_back)
        opened(kept, "0.3", release_id="r2")
        spend(kept, "0.2", release_id="r3")
        with Ledger(place.url, create=False) as other:
            assert [entry.release_id for entry in other.recover()] == ["r2"]
        assert kept.verify() == kept.head()
        assert float(kept.spent(DATASET).epsilon or 0) == 0.5
        assert [entry.kind for entry in kept.entries()][-1] == "SETTLE"

    def test_two_holders_see_each_other(self, place: Place, spent: Ledger) -> None:
        with Ledger(place.url, create=False) as other:
            spend(other, "0.4", release_id="r2")
            with pytest.raises(BudgetExceeded):
                reserve(spent, "0.3", release_id="r3")
            spend(spent, "0.2", release_id="r4")
            assert other.head() == spent.head()
            assert other.verify() == spent.head()

    def test_a_ledger_may_be_used_on_both_sides_of_a_fork(self, spent: Ledger) -> None:
        def work(say: Say) -> None:
            spend(spent, "0.3", release_id="child")
            say(spent.head().digest)

        lines, status = start(work).finish()
        assert status == 0, lines
        assert spent.head().digest == lines[0]
        spend(spent, "0.3", release_id="parent")
        assert spent.verify().index == 10


CHANGES = (
    "UPDATE entry SET content = '{}' WHERE entry_index = 1",
    "DELETE FROM entry WHERE entry_index = 4",
    "DELETE FROM entry",
    "INSERT INTO entry SELECT 6, digest, previous_digest, '{}' FROM entry WHERE entry_index = 4",
)


class TestTampering:
    @pytest.mark.parametrize("statement", CHANGES)
    def test_not_even_the_mightiest_user_changes_an_entry_by_accident(
        self, place: Place, spent: Ledger, statement: str
    ) -> None:
        with pytest.raises(Exception, match=r"append-only|must follow"):
            place.sql(statement)
        assert spent.verify().index == 4

    def test_dropped_triggers_are_noticed(self, place: Place, spent: Ledger) -> None:
        on = " ON entry" if place.kind == "postgresql" else ""
        place.sql(f"DROP TRIGGER entry_is_never_changed{on}")
        for look in (lambda: Ledger(place.url, create=False), spent.verify):
            with pytest.raises(LedgerCorrupted, match="triggers that make it append-only are missing"):
                look()

    def test_an_edited_entry_is_noticed(self, place: Place, spent: Ledger) -> None:
        place.tamper("""UPDATE entry SET content = replace(content, '"0.4"', '"0.1"')""")
        for look in (lambda: Ledger(place.url, create=False), spent.verify):
            with pytest.raises(LedgerCorrupted, match="entry 2 was changed: its digest does not fit"):
                look()

    def test_a_removed_entry_is_noticed(self, place: Place, spent: Ledger) -> None:
        place.tamper("DELETE FROM entry WHERE entry_index = 2")
        for look in (lambda: Ledger(place.url, create=False), spent.verify):
            with pytest.raises(LedgerCorrupted, match="entry 3 does not follow"):
                look()

    def test_a_cut_end_or_an_old_backup_is_noticed(self, place: Place, spent: Ledger) -> None:
        known = spent.head()
        place.tamper("DELETE FROM entry WHERE entry_index > 2")
        for look in (lambda: Ledger(place.url, create=False), spent.verify, spent.head, lambda: reserve(spent, "0.1")):
            with pytest.raises(LedgerCorrupted, match="entries are missing from the end"):
                look()
        witness_at(place).unlink()
        with Ledger(place.url, create=False) as shorter:
            shorter.verify()
            with pytest.raises(LedgerCorrupted, match="it ends at entry 2, but entry 4 is known"):
                shorter.verify(expected_head=known)

    def test_a_chain_written_anew_is_noticed(self, place: Place, spent: Ledger) -> None:
        rows = chain(6)
        values = ", ".join(
            "({}, '{}', '{}', '{}')".format(row.index, row.previous_digest, row.digest, row.content.replace("'", "''"))
            for row in rows
        )
        place.tamper("DELETE FROM entry", f"INSERT INTO entry VALUES {values}")
        for look in (lambda: Ledger(place.url, create=False), lambda: spent.spent(DATASET)):
            with pytest.raises(LedgerCorrupted, match="everything from there on was rewritten"):
                look()

    def test_what_others_wrote_is_witnessed_when_it_is_read(self, place: Place, spent: Ledger) -> None:
        witness_at(place).unlink()
        Ledger(place.url, create=False).close()
        place.tamper("DELETE FROM entry WHERE entry_index = 4")
        with pytest.raises(LedgerCorrupted, match="it ends at entry 3, but entry 4 is known"):
            Ledger(place.url, create=False)


class TestVersions:
    def test_a_later_version_is_refused(self, place: Place, spent: Ledger) -> None:
        place.set_version(STORE_VERSION + 1)
        with pytest.raises(LedgerUnavailable, match="later version of dpsynth; upgrade"):
            Ledger(place.url, create=False)

    def test_making_what_is_there_changes_nothing(self, place: Place, spent: Ledger) -> None:
        head = spent.head()
        make_store(getattr(place, "owner_url", place.url))
        with Ledger(place.url, create=False) as again:
            assert again.verify() == head

    def test_every_refusal_is_one_of_ours(self, place: Place, spent: Ledger) -> None:
        place.sql("ALTER TABLE entry RENAME TO gone")
        for look in (spent.head, lambda: reserve(spent, "0.1"), lambda: Ledger(place.url, create=False)):
            with pytest.raises(LedgerError):
                look()

    def test_a_negative_charge_cannot_be_forged_by_a_settlement(self, spent: Ledger) -> None:
        token = opened(spent, "0.1", release_id="r9")
        with pytest.raises(LedgerError, match="more than it had reserved"):
            spent.settle(token, [("count", pure("0.2"))])
        assert spent.verify() == spent.head()

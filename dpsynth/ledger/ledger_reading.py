"""Everything that a ledger answers without writing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from dpsynth.accounting.budget import PrivacyBudget, exact_decimal
from dpsynth.accounting.cost import ZERO_COST, PrivacyCost
from dpsynth.accounting.events import DpEvent, JsonValue
from dpsynth.accounting.filter import AdaptiveFilter
from dpsynth.accounting.locked_plan import LockedPlan
from dpsynth.errors import BudgetExceeded, LedgerCorrupted, LedgerError
from dpsynth.ledger.account import Account
from dpsynth.ledger.books import Books
from dpsynth.ledger.chain import Head
from dpsynth.ledger.entry import LedgerEntry
from dpsynth.ledger.extract import extract_of
from dpsynth.ledger.journal import Journal
from dpsynth.ledger.keys import public_hex_of
from dpsynth.ledger.renewal import Renewal
from dpsynth.ledger.reservation_record import ReservationState
from dpsynth.ledger.running_cost import units_of_event
from dpsynth.ledger.signed_heads import SignedHead, assurance_in_words, signed_heads_in
from dpsynth.ledger.statement import BudgetPolicy, Charge, EntryKind, Statement
from dpsynth.ledger.tokens import Reservation
from dpsynth.ledger.wording import policy_named, words_of


class LedgerReading:
    """The questions that a ledger answers; `Ledger` adds what writes."""

    __slots__ = ("_journal",)

    _journal: Journal

    def event_delta(self, dataset: str) -> Decimal:
        """Return how much delta every budget of `dataset` sets aside for events that may fail outright.

        Raises:
            BudgetNotSet: the data set has no budget.
        """
        adaptive = [account for account in self._accounts(dataset) if account.policy is BudgetPolicy.ADAPTIVE]
        return min((account.filter().event_delta for account in adaptive), default=Decimal(0))

    def require_event_delta(self, dataset: str, *, otherwise: str = "List the categories in the schema") -> None:
        """Refuse where the budget sets nothing aside for events that have a delta of their own.

        `otherwise` is the advice to somebody who cannot have one.

        Raises:
            BudgetNotSet: the data set has no budget.
            LedgerError: it does not, and a budget is fixed for ever.
        """
        # A plan fixes the deltas of its own events.
        adaptive = [account for account in self._accounts(dataset) if account.policy is BudgetPolicy.ADAPTIVE]
        without = [account for account in adaptive if account.filter().event_delta == 0]
        if without:
            raise LedgerError(
                f"the budget of {without[0].title} sets no delta aside for events that may fail outright, and a "
                f"budget is fixed for ever. {otherwise}, or set the budget of a new data set with "
                "--event-delta (`event_delta` in Python), for example half of its delta"
            )

    def require_room(self, dataset: str, event: DpEvent, *, asked: str) -> None:
        """Raise what `reserve` would raise now; writes nothing and promises nothing.

        Raises:
            BudgetNotSet: a population has no budget.
            BudgetExceeded: it does not fit.
            LedgerError: the plan of a population does not hold the request.
        """
        charge = Charge("", event)
        require_room(
            self._accounts(dataset), Statement(kind=EntryKind.RESERVE, dataset=dataset, charges=(charge,), asked=asked)
        )

    def populations(self, dataset: str | None = None) -> tuple[str, ...]:
        """Return the populations that `dataset` charges, or all of them."""
        books = self._journal.reading()
        return tuple(books.accounts) if dataset is None else books.populations(dataset)

    def budget(self, dataset: str) -> PrivacyBudget:
        """Return the budget of a population or data set; of one in several populations, that with the least left.

        Raises:
            BudgetNotSet: it has none.
        """
        return self.filter(dataset).budget

    def filter(self, dataset: str) -> AdaptiveFilter:
        """Return what decides whether a request fits into the budget of `dataset`, under the policy `adaptive`.

        Raises:
            BudgetNotSet: it has none.
        """
        return self._tightest(dataset).filter()

    def policy(self, dataset: str) -> BudgetPolicy:
        """Return which requests the budget pays for; `plan` where one of several populations has it."""
        policies = [account.policy for account in self._accounts(dataset)]
        return BudgetPolicy.PLAN if BudgetPolicy.PLAN in policies else BudgetPolicy.ADAPTIVE

    def plan(self, population: str) -> LockedPlan | None:
        """Return the locked plan of a population; None where none was locked."""
        return self._journal.reading().account(population).plan

    def propose_renewal(
        self,
        population: str,
        budget: PrivacyBudget,
        *,
        reason: str,
        event_delta: float | int | str | Decimal = 0,
        policy: BudgetPolicy | str = BudgetPolicy.ADAPTIVE,
        approvers: Sequence[bytes] = (),
    ) -> Renewal:
        """Return a renewal of the budget of `population`, for two approvers to sign and for `Ledger.renew`.

        Args:
            population: whose budget ends.
            budget: for all releases of the new epoch together.
            reason: which new people or new data it is for, in words.
            event_delta: as in `Ledger.set_budget`.
            policy: as in `Ledger.set_budget`.
            approvers: public keys (PEM) of those who may renew the next time; the same as now if empty.

        Raises:
            LedgerError: there is no budget, or it names no approvers.
        """
        account = self._journal.reading().account(population)
        refusal = account.renewal_refusal()
        if refusal is not None:
            raise LedgerError(refusal)
        terms = Statement(
            kind=EntryKind.EPOCH,
            dataset=population,
            purpose=words_of("reason", reason),
            budget=budget,
            event_delta=exact_decimal("event_delta", event_delta),
            policy=policy_named(policy),
            approvers=tuple(sorted(map(public_hex_of, approvers))) or account.approvers,
        )
        return account.renewal(terms)

    def epoch(self, population: str) -> int:
        """Return how many budgets a population has had, the present one included; 0 before the first."""
        return self._journal.reading().account(population).epoch

    def lifetime(self, population: str) -> PrivacyCost:
        """Return what all epochs of a population spent together, which no renewal resets."""
        return self._journal.reading().account(population).lifetime

    def signed_heads(self) -> tuple[SignedHead, ...]:
        """Return the heads that some key vouches for, oldest first."""
        return signed_heads_in(self._journal.reading().entries)

    def assurance(self) -> str:
        """Return in words how far signatures protect this ledger from somebody who may write all of its files."""
        return assurance_in_words(self.signed_heads(), self.head().index)

    def unit(self, dataset: str) -> str:
        """Return who is protected, in words; empty where neither budget nor a reservation has said so."""
        return next((account.unit for account in self._accounts(dataset) if account.unit), "")

    def spent(self, dataset: str) -> PrivacyCost:
        """Return what counts as spent: reservations in full, settled ones at their real cost.

        Of a data set in several populations it is what the one with the least left has spent.
        """
        return self._tightest(dataset).spent

    def remaining(self, dataset: str, *, after: DpEvent | None = None) -> str:
        """Return what is left of the budget, in words; with `after`, what would be left once that was charged too.

        Raises:
            BudgetNotSet: there is no budget.
        """
        cost = ZERO_COST if after is None else units_of_event(after).cost
        return self._tightest(dataset).describe_remaining(cost)

    def overspent(self, dataset: str) -> str:
        """Return in words which declared spend took a population of `dataset` over its budget; empty for none.

        Nothing is granted any more where it says something.
        """
        return "; ".join(account.why_nothing_fits() for account in self._accounts(dataset) if account.overspent)

    def refused(self, population: str) -> Mapping[str, int]:
        """Return how many requests were refused for want of room in `population`, by day (UTC).

        They are counted beside the chain, for who reads it; on PostgreSQL, those of this user on this machine.
        """
        return self._journal.refusals.of(population)

    def datasets(self) -> tuple[str, ...]:
        """Return the data sets that entries speak about, in order of their first entry."""
        return tuple(self._journal.reading().links)

    def pending(self, dataset: str | None = None) -> tuple[Reservation, ...]:
        """Return reservations that were neither opened nor given back; after a crash they may be void."""
        return tuple(
            Reservation(record.entry.dataset, record.entry.release_id, record.entry.index, record.entry.digest)
            for record in self._journal.reading().records()
            if record.state is ReservationState.RESERVED and dataset in {None, record.entry.dataset}
        )

    def trainings(self, dataset: str, release_id: str) -> tuple[LedgerEntry, ...]:
        """Return the RESERVE entries of the trainings of a release that can be resumed, oldest first."""
        return tuple(
            entry
            for entry in self.entries(dataset)
            if entry.steps and entry.release_id == release_id and entry.kind is EntryKind.RESERVE
        )

    def charged(self, dataset: str, release_id: str) -> tuple[tuple[str, DpEvent], ...]:
        """Return what was settled for a release, as (purpose, event), oldest first."""
        settled = (
            entry.charges
            for entry in self.entries(dataset)
            if entry.release_id == release_id and entry.kind is EntryKind.SETTLE
        )
        return tuple((charge.purpose, charge.event) for charges in settled for charge in charges)

    def entries(self, dataset: str | None = None, *, population: str | None = None) -> tuple[LedgerEntry, ...]:
        """Return all entries, or those of one data set, or all that speak about one population, oldest first."""
        books = self._journal.reading()
        if dataset is None and population is None:
            return tuple(books.entries)
        return tuple(
            entry
            for entry in books.entries
            if dataset in {None, entry.dataset}
            and (population is None or population in {entry.dataset, *books.populations(entry.dataset)})
        )

    def books(self) -> Books:
        """Return the state that all entries lead to, for views; whoever gets it must not change it."""
        return self._journal.reading()

    def head(self) -> Head:
        """Return index and digest of the last entry; (0, 64 zeros) for an empty ledger."""
        return self._journal.reading().head

    def verify(self, *, expected_head: tuple[int, str] | None = None, public_key: bytes | None = None) -> Head:
        """Read everything again, check all of it, and return the head.

        Checks the storage, every digest and spelling, the chain, that every entry was legal, that no budget was
        exceeded at any prefix, every signature and stated cost, and that no entry is missing that the witness file,
        this object or `expected_head` (from a certificate) knows. With `public_key` (PEM), that key must have signed
        a head.

        Raises:
            LedgerCorrupted: the first thing that does not hold.
        """
        head = self._journal.verify(None if expected_head is None else Head(*expected_head))
        if public_key is not None:
            wanted = public_hex_of(public_key)
            if not any(signed.key == wanted for signed in self.signed_heads()):
                raise LedgerCorrupted(
                    f"no entry is signed by the key {wanted[:16]}, so nothing vouches for this ledger"
                )
        return head

    def extract(self, release_id: str) -> list[dict[str, JsonValue]]:
        """Return what travels with a release, for `verify_extract`: its entries in full, of others only digests.

        Raises:
            LedgerError: there is no such release.
        """
        books, rows = self._journal.reading_with_rows()
        return extract_of(books.entries, release_id, rows)

    def _accounts(self, dataset: str) -> tuple[Account, ...]:
        return self._journal.reading().accounts_of(dataset)

    def _tightest(self, dataset: str) -> Account:
        accounts = self._accounts(dataset)
        if len(accounts) == 1:
            return accounts[0]
        return min(
            accounts, key=lambda account: account.largest_epsilon(account.budget.delta) if account.budget else -1
        )


def require_budgets(accounts: Sequence[Account]) -> None:
    """Refuse where one of `accounts` has no budget.

    Raises:
        BudgetNotSet: naming the first.
    """
    for account in accounts:
        account.filter()


def require_room(accounts: Sequence[Account], asked: Statement) -> None:
    """Refuse a reservation for which one of `accounts` has no room; the first that is short is named.

    Raises:
        BudgetNotSet: it has no budget.
        BudgetExceeded: the request does not fit.
    """
    for account in accounts:
        if account.admits(asked):
            continue
        whole = account.filter().budget
        raise BudgetExceeded(
            asked.dataset,
            asked=asked.asked,
            remaining=account.describe_remaining(),
            largest_epsilon=account.largest_epsilon(whole.delta),
            delta=whole.delta,
            population=account.name,
            reason=account.why_nothing_fits(asked),
        )

"""The ledger: what may be spent on a data set, what has been spent, and by which release.

A release first reserves an upper bound, then opens the reservation, and only then may rows be read. At every moment,
also after a crash, the ledger counts at least what was opened: it can lose budget, never privacy.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from types import TracebackType

from dpsynth.accounting.budget import PrivacyBudget, exact_decimal
from dpsynth.accounting.events import DpEvent
from dpsynth.accounting.locked_plan import LockedPlan
from dpsynth.errors import LedgerError
from dpsynth.ledger.chain import Head
from dpsynth.ledger.display import view_of
from dpsynth.ledger.entry import LedgerEntry
from dpsynth.ledger.journal import Journal
from dpsynth.ledger.keys import SigningKey, public_hex_of
from dpsynth.ledger.known_heads import KnownHead
from dpsynth.ledger.ledger_opening import LedgerOpening
from dpsynth.ledger.ledger_reading import LedgerReading, require_budgets, require_room
from dpsynth.ledger.renewal import Renewal
from dpsynth.ledger.signed_heads import signature_of_head
from dpsynth.ledger.statement import BudgetPolicy, Charge, EntryKind, Signature, Statement
from dpsynth.ledger.steps import remark_of, request_of
from dpsynth.ledger.store import open_store
from dpsynth.ledger.tokens import Reservation
from dpsynth.ledger.wording import policy_named, words_of


class Ledger(LedgerReading, LedgerOpening):
    """An append-only, hash-chained record of privacy spending with one fixed budget per data set.

    Use it as a context manager or call `close`. One object may be used from several threads, and several processes may
    use one file at the same time.
    """

    __slots__ = ("_store",)

    def __init__(
        self,
        url: str | os.PathLike[str],
        *,
        create: bool = True,
        known_heads: Iterable[tuple[int, str] | KnownHead] = (),
    ) -> None:
        """Open and check the ledger at `url`: a path, `sqlite:///ledger.db`, or `sqlite://` for one in memory.

        It is not opened if it lacks one of `known_heads`, (index, digest) of entries that a certificate names; those of
        `KnownHeads().heads()` say which ledger they belong to, and are passed over for others.

        Raises:
            InvalidInput: another kind of URL.
            LedgerUnavailable: it cannot be opened, or is missing and `create` is off.
            LedgerCorrupted: it is no ledger, or does not verify.
        """
        self._store = open_store(url, create=create, inspect=False)  # the journal does
        try:
            self._journal = Journal(self._store, [KnownHead(*known) for known in known_heads])
        except BaseException:
            self._store.close()
            raise

    def __enter__(self) -> Ledger:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Ledger {self._store.name}>"

    def _repr_html_(self) -> str | None:
        """Return the ledger as a notebook shows it; None where no view was registered."""
        return view_of(self)

    def close(self) -> None:
        """Close the ledger; what was written stays."""
        self._journal.close()

    @property
    def name(self) -> str:
        """Where it is, as messages call it."""
        return self._store.name

    @property
    def durable(self) -> bool:
        """Whether the ledger outlives this process; one in memory is for tests and never for people's data."""
        return self._store.durable

    @property
    def witness_path(self) -> Path | None:
        """Where its heads are witnessed; None for one in memory."""
        return self._store.witness_path

    # ------------------------------------------------------------------------------------------------------ writing

    def link(self, dataset: str, populations: Sequence[str]) -> None:
        """Declare whose data `dataset` is, for ever; saying the same again changes nothing.

        Several data sets about the same people belong to one population and charge one budget; a data set about several
        groups of people charges the budget of each. One that was never linked is a population of its own.

        Raises:
            LedgerError: the ledger knows the data set already, or one of `populations` is a data set of others.
        """
        names = tuple(sorted(words_of("population", name) for name in populations))
        said = Statement(kind=EntryKind.LINK, dataset=words_of("data set", dataset), populations=names)
        with self._journal.writing() as writer:
            if writer.books.links.get(dataset) != names:
                writer.append(said)

    def set_budget(
        self,
        dataset: str,
        budget: PrivacyBudget,
        unit: str = "",
        *,
        event_delta: float | int | str | Decimal = 0,
        policy: BudgetPolicy | str = BudgetPolicy.ADAPTIVE,
        approvers: Sequence[bytes] = (),
    ) -> None:
        """Fix the budget of a population for ever; saying the same again changes nothing.

        Args:
            dataset: the population, or a data set that is its own.
            budget: for all releases together.
            unit: who is protected, in words; left empty, the first reservation fixes it.
            event_delta: the part of the budget's delta for events that have a delta of their own; at 0 none fits.
            policy: `adaptive` pays for what fits; `plan` for what `lock_plan` lists, and for nothing else.
            approvers: public keys (PEM) of those of whom two together may renew it; without, nobody can.

        Raises:
            InvalidInput: there is no such policy.
            BundleError: an approver's key is no Ed25519 public key.
            LedgerError: there is another budget or unit already, `event_delta` exceeds the budget's delta, or `dataset`
                belongs to other populations.
        """
        said = Statement(
            kind=EntryKind.BUDGET,
            dataset=words_of("data set", dataset),
            budget=budget,
            unit=words_of("unit", unit, empty=True),
            event_delta=exact_decimal("event_delta", event_delta),
            policy=policy_named(policy),
            approvers=tuple(sorted(map(public_hex_of, approvers))),
        )
        with self._journal.writing() as writer:
            account = writer.books.account(dataset)
            if account.budget is None:
                writer.append(said)
                return
            change = account.budget_change(said)
        if change is not None:
            raise LedgerError(change)

    def lock_plan(self, population: str, charges: Sequence[tuple[str, DpEvent]]) -> LockedPlan:
        """Fix everything that a budget of the policy `plan` will ever pay for, as (purpose, event), and return it.

        Raises:
            BudgetNotSet: there is no budget.
            InvalidBudget: all of `charges` together do not keep it, or barely.
            LedgerError: the budget has another policy, or its plan is locked already.

        Privacy: valid for events whose parameters were chosen before any answer was seen.

        Source: docs/design/locked_plan.md.
        """
        listed = tuple(Charge(words_of("purpose", purpose), event) for purpose, event in charges)
        plan = LockedPlan.lock(self.budget(population), [charge.event for charge in listed])
        with self._journal.writing() as writer:
            writer.append(Statement(kind=EntryKind.PLAN, dataset=population, charges=listed))
        return plan

    def renew(self, renewal: Renewal, signatures: Sequence[Signature]) -> None:
        """Begin a new epoch with the budget of `renewal`, ordered by the signatures of two approvers.

        Raises:
            LedgerError: fewer than two signed, one of them twice or who is no approver; a signature is wrong or was
                given before; the epoch has begun already; or reservations are not settled.

        Privacy: a promise to new people or about new data. To the people of before, everything stays spent.
        """
        with self._journal.writing() as writer:
            now = writer.books.account(renewal.terms.dataset).renewal(renewal.terms)
            if renewal.epoch < now.epoch:
                raise LedgerError(f"epoch {renewal.epoch} has begun already, and approvals are good for one renewal")
            if renewal.supersedes != now.supersedes:
                raise LedgerError("this renewal was proposed for another budget than the one that stands here")
            writer.append(replace(renewal.terms, signatures=tuple(signatures)))

    def sign_head(self, key: SigningKey) -> Head:
        """Let `key` vouch for the last entry, and so for all before it; return the head that was signed."""
        with self._journal.writing() as writer:
            head = writer.books.head
            writer.append(signature_of_head(head, key))
        return head

    def reserve(
        self,
        dataset: str,
        *,
        release_id: str,
        purpose: str,
        event: DpEvent,
        asked: str,
        unit: str,
        certifiable: bool,
        ticket: str = "",
        legal_basis: str = "",
        configuration: str = "",
        steps: int = 0,
    ) -> Reservation:
        """Set the cost of `event` aside, on disk and for every population of `dataset` at once, or refuse.

        Args:
            dataset: the data set whose rows will be read.
            release_id: what it is for.
            purpose: why, in words.
            event: an upper bound of what will be asked of the rows.
            asked: the request in words, for messages.
            unit: who is protected, in words.
            certifiable: whether the noise will come from a source that a certificate may rest on.
            ticket: where the request was decided, as your own files name it.
            legal_basis: the legal basis of the processing, in words.
            configuration: SHA-256 of what the rows will be put through.
            steps: of a training, how many it has, if they will be claimed by `claim_steps`; it can be resumed then.

        Raises:
            BudgetNotSet: a population has no budget.
            BudgetExceeded: it does not fit; the message says where, and what would.
            LedgerError: a population protects another unit, or its plan does not hold the request.
            LedgerUnavailable: it could not be written.

        Privacy: counts `event` in full from now until it is settled or void. Concurrent requests are decided one after
        the other, so together they never exceed the budget.
        """
        statement = request_of(
            EntryKind.RESERVE,
            dataset,
            release_id=release_id,
            purpose=purpose,
            event=event,
            asked=asked,
            unit=unit,
            certifiable=certifiable,
            ticket=ticket,
            legal_basis=legal_basis,
            configuration=configuration,
            steps=steps,
        )
        with self._journal.writing() as writer:
            require_room(writer.books.accounts_of(dataset), statement)
            entry = writer.append(statement)
        return Reservation(dataset, release_id, entry.index, entry.digest)

    def declare(
        self,
        dataset: str,
        *,
        release_id: str,
        purpose: str,
        event: DpEvent,
        asked: str,
        unit: str,
        ticket: str = "",
        legal_basis: str = "",
    ) -> LedgerEntry:
        """Count what another tool has spent already, at its true size, whether it fits or not.

        A population that it takes over its budget grants nothing any more; see `overspent`.

        Args:
            dataset: the data set whose rows were read.
            release_id: a name of its own.
            purpose: why, in words.
            event: what was spent.
            asked: what was spent, in words, and by which tool.
            unit: who is protected, in words.
            ticket: as in `reserve`.
            legal_basis: as in `reserve`.

        Raises:
            BudgetNotSet: a population has no budget.
            LedgerError: `release_id` is known already, or a population protects another unit.

        Privacy: counts `event` in full and for ever; nothing can give it back.
        """
        said = request_of(
            EntryKind.DECLARE,
            dataset,
            release_id=release_id,
            purpose=purpose,
            event=event,
            asked=asked,
            unit=unit,
            certifiable=False,
            ticket=ticket,
            legal_basis=legal_basis,
        )
        with self._journal.writing() as writer:
            require_budgets(writer.books.accounts_of(dataset))
            if any(entry.release_id == release_id for entry in writer.books.entries):
                raise LedgerError(f"release '{release_id}' is in the ledger already")
            return writer.append(said)

    def note(self, dataset: str, text: str, *, release_id: str = "", artefact: str = "") -> None:
        """Write a remark; it costs nothing and must hold nothing about rows.

        `artefact` is the SHA-256 of what came of a release: of the list of checksums in its folder.
        """
        statement = remark_of(
            words_of("data set", dataset), words_of("note", text), words_of("release", release_id, empty=True)
        )
        statement = replace(statement, artefact=artefact)
        with self._journal.writing() as writer:
            writer.append(statement)

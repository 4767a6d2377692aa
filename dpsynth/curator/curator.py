"""The curator: holds the rows, answers questions about them through the gate, and keeps the ledger's books."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from fractions import Fraction
from functools import partial

import numpy as np
from numpy.typing import NDArray

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.accounting.events import DpEvent, GdpEvent
from dpsynth.accounting.gaussian_dp import mu_squared_from_budget
from dpsynth.curator._sealed import Private, unseal
from dpsynth.curator.allowance import Allowance
from dpsynth.curator.authority import Authority, Life
from dpsynth.curator.fingerprint import FingerprintKey, load_or_create_fingerprint_key
from dpsynth.curator.gate import Gate
from dpsynth.curator.gradient_queries import GradientSession, Loss, TrainingPlan
from dpsynth.curator.gradients import ClippedSum, StepAllowance, Training, clipped_sum
from dpsynth.curator.ingest import TableLike, check_header, read_rows, source_of
from dpsynth.curator.marginals import MarginalCounter
from dpsynth.curator.record_matches import RECORD_GATE, MatchCounter, MatchSession
from dpsynth.curator.rows import PrivateRows
from dpsynth.curator.session import Session
from dpsynth.curator.sources.base import RowSource
from dpsynth.curator.votes import Classroom
from dpsynth.errors import DpsynthError, InvalidInput, LedgerError, TableError
from dpsynth.ledger import Ledger, OpenToken, Reservation
from dpsynth.progress import phase
from dpsynth.randomness import NoiseSource, SystemNoise
from dpsynth.schema.domain import Domain
from dpsynth.schema.schema import Schema


class Curator:
    """Answers noisy questions about one data set and charges each of them to its ledger."""

    __slots__ = (
        "_authority",
        "_charged",
        "_control_fraction",
        "_ledger",
        "_life",
        "_noise",
        "_planted",
        "_rows",
        "_source",
        "_workers",
        "release_id",
        "schema",
    )

    def __init__(
        self,
        source: RowSource,
        schema: Schema,
        *,
        ledger: Ledger,
        noise: NoiseSource,
        control_fraction: Fraction,
        planted: NDArray[np.int32] | None,
        release_id: str,
        authority: Authority,
        life: Life,
        workers: ClippedSum | None,
    ) -> None:
        """Use `Curator.open` instead."""
        self._authority = authority
        self._life = life
        self._workers = workers
        self.schema = schema
        self.release_id = release_id
        self._source = source
        self._ledger = ledger
        self._noise = noise
        self._control_fraction = control_fraction
        self._planted = planted
        self._rows: Private[PrivateRows] | None = None
        self._charged: list[tuple[str, DpEvent]] = []

    @classmethod
    def open(
        cls,
        data: TableLike,
        schema: Schema,
        *,
        ledger: Ledger,
        noise: NoiseSource | None = None,
        control_fraction: Fraction = Fraction(0),
        planted: NDArray[np.int32] | None = None,
        release_id: str | None = None,
        ticket: str = "",
        legal_basis: str = "",
        configuration: str = "",
        life: Life = Life.ONLY,
        workers: ClippedSum | None = None,
    ) -> Curator:
        """Return a curator for `data`; only its header is read, rows wait until a question has been paid for.

        Args:
            data: a path to a CSV or Parquet file, a pandas frame or an object with an Arrow stream.
            schema: what is publicly known about it; must have no blanks.
            ledger: where every charge goes.
            noise: source of privacy noise; the operating system's entropy if None. Anything else cannot be certified.
            control_fraction: chance of each unit to be held back as a control for the internal audit.
            planted: canary codes added to the training rows, shape (canaries, columns).
            release_id: name of the release in the ledger; a new random one if None.
            ticket: where the release was decided, for the ledger.
            legal_basis: legal basis of the processing in words, for the ledger.
            configuration: SHA-256 of what the rows are put through, for the ledger; the schema's digest if empty.
            life: whether `release_id` may be resumed or is; see docs/design/resuming.md.
            workers: processes that share the work of trainings, `GradientWorkers` of
                `dpsynth.curator.distributed_training`.

        Raises:
            InvalidInput: `control_fraction` is no chance, or a release that is resumed has no name.
            SchemaError: the schema has blanks.
            TableError: the header does not fit the schema.
        """
        schema.require_complete()
        if not 0 <= control_fraction < 1:
            raise InvalidInput("control_fraction must be at least 0 and below 1")
        if life is Life.LATER and release_id is None:
            raise InvalidInput("a release is resumed by its name in the ledger: give its release_id")
        source = source_of(data, schema)
        check_header(source, schema)
        return cls(
            source,
            schema,
            ledger=ledger,
            noise=SystemNoise() if noise is None else noise,
            control_fraction=control_fraction,
            planted=planted,
            release_id=uuid.uuid4().hex if release_id is None else release_id,
            authority=Authority(ticket, legal_basis, configuration or schema.digest),
            life=life,
            workers=workers,
        )

    @property
    def domain(self) -> Domain:
        """Names and sizes of the columns after discretisation."""
        return self.schema.domain

    @property
    def event_delta(self) -> Decimal:
        """The part of the budget's delta for events that may fail outright; public, and 0 where none can be asked."""
        return self._ledger.event_delta(self.schema.dataset)

    @property
    def certifiable(self) -> bool:
        """Whether the noise came from a source that a certificate may vouch for."""
        return type(self._noise) is SystemNoise and self._noise.certifiable

    @property
    def planted(self) -> int:
        """The number of canaries among the training rows."""
        return 0 if self._planted is None else len(self._planted)

    @property
    def charged(self) -> tuple[tuple[str, DpEvent], ...]:
        """Every question answered so far, as (purpose, event), oldest first."""
        return tuple(self._charged)

    @contextmanager
    def within(self, budget: PrivacyBudget, *, purpose: str) -> Iterator[MatchSession]:
        """Reserve `budget`, open the data, answer questions until the context ends; see `MarginalQueries.within`.

        Raises:
            BudgetNotSet: the data set has no budget.
            BudgetExceeded: the reservation does not fit; no row was touched.
            InvalidBudget: delta is 0, so the budget buys no Gaussian noise.

        Privacy: order of writes is RESERVE, OPEN, first row read, answers, SETTLE; a crash keeps the full charge.
        """
        mu_squared = mu_squared_from_budget(budget)
        allowance = Allowance(self.schema.dataset, mu_squared)
        with self._paid(GdpEvent(mu_squared), allowance, purpose=purpose, asked=str(budget)) as rows:
            counter = MarginalCounter(rows, self.domain, self.schema.unit)
            classroom = Classroom(rows, self.domain, self._noise)
            matcher = MatchCounter(rows, self.domain, self.planted)
            yield Session(counter, classroom, matcher, allowance, Gate(allowance, self._noise))

    @contextmanager
    def training(
        self,
        plan: TrainingPlan,
        loss: Loss,
        parameters: Sequence[NDArray[np.floating]],
        *,
        auxiliary: Sequence[NDArray[np.floating]] = (),
        purpose: str,
        block: int = 0,
    ) -> Iterator[GradientSession]:
        """Record `loss`, reserve all steps of `plan`, open the data, and answer; see `GradientQueries.training`.

        Raises:
            InvalidInput: the loss cannot be recorded, or does what no loss of one row may do; nothing was charged.
            MissingExtra: PyTorch is not installed.
            BudgetNotSet: the data set has no budget.
            LedgerError: the budget sets no delta aside for events that may fail outright, or the training that is
                resumed was another one.
            BudgetExceeded: the training does not fit; no row was touched.

        Privacy: all steps are charged, and stay charged however many are taken. A resumed training is not charged
            again, and answers the steps that no life of it has claimed.
        """
        # The one module that needs PyTorch.
        from dpsynth.curator.recorded_loss import record_loss

        recorded = record_loss(loss, parameters, auxiliary, sum(self.domain.sizes))
        self._ledger.require_event_delta(self.schema.dataset, otherwise="Use a generator that does not train")
        cover = plan.cover()
        allowance = StepAllowance(self.schema.dataset, plan, cover, purpose, block)
        with (
            self._paid(cover, allowance, purpose=purpose, asked=str(plan)) as rows,
            phase(allowance.story, plan.steps) as advance,
        ):
            advance(allowance.taken)
            yield Training(
                rows,
                self.domain,
                recorded,
                allowance,
                noise=self._noise,
                rows_per_unit=self.schema.unit.max_rows_per_unit,
                advance=advance,
                make_sum=self._workers or clipped_sum,
            )

    @contextmanager
    def _paid(
        self, event: DpEvent, allowance: Allowance | StepAllowance, *, purpose: str, asked: str
    ) -> Iterator[Private[PrivateRows]]:
        """Reserve `event`, open and read the data, and settle at what was charged to `allowance` in the end."""
        # A ledger in memory is for tests; nobody compares what it was told.
        key = load_or_create_fingerprint_key() if self._ledger.durable else None
        training = allowance if isinstance(allowance, StepAllowance) and allowance.block else None
        steps = 0 if training is None else training.plan.steps
        reservation = self._reservation(event, purpose=purpose, asked=asked, steps=steps)
        token = self._ledger.open(reservation)
        settled: tuple[tuple[str, DpEvent], ...] = (("ended before it was asked to", event),)
        try:
            rows = self._load(token, key)
            if training is not None:
                training.claim_ahead(token.steps, self._claims(token, key))
            try:
                yield rows
            except (DpsynthError, KeyboardInterrupt):
                settled = allowance.charged
                raise
            settled = allowance.charged
        finally:
            # Rows that cannot be read, and errors that nobody foresaw, may depend on the rows: that they happened is an
            # answer, and it costs everything reserved.
            allowance.close()
            self._charged.extend(settled)
            self._ledger.settle(token, settled, fingerprint=self._fingerprint(key, token))
            if self._life is Life.LATER:
                self._charged[:] = self._ledger.charged(self.schema.dataset, self.release_id)

    def _reservation(self, event: DpEvent, *, purpose: str, asked: str, steps: int) -> Reservation:
        """Reserve `event`, or return the reservation of the very training that is resumed."""
        authority = self._authority
        if self._life is Life.LATER and not self._may_judge(purpose):
            begun = self._ledger.trainings(self.schema.dataset, self.release_id)
            wanted = (purpose, event, authority.configuration)
            for entry in begun:
                if steps and (entry.purpose, entry.event, entry.configuration) == wanted:
                    return Reservation(entry.dataset, entry.release_id, entry.index, entry.digest)
            if begun or not steps or not self._ledger.charged(self.schema.dataset, self.release_id):
                raise LedgerError(
                    f"release '{self.release_id}' is resumed, and may only go on with the training that it had begun: "
                    "the same rows, schema, generator, options and plan. Nothing was read or charged"
                )
        return self._ledger.reserve(
            self.schema.dataset,
            release_id=self.release_id,
            purpose=purpose,
            event=event,
            asked=asked,
            unit=self.schema.unit.describe(),
            certifiable=self.certifiable,
            ticket=authority.ticket,
            legal_basis=authority.legal_basis,
            configuration=authority.configuration,
            steps=steps,
        )

    def _may_judge(self, purpose: str) -> bool:
        """Return whether this is the question that each release is asked once, by the life that gets so far."""
        entries = self._ledger.entries(self.schema.dataset)
        asked = {entry.purpose for entry in entries if entry.release_id == self.release_id}
        return purpose == RECORD_GATE and purpose not in asked

    def _claims(self, token: OpenToken, key: FingerprintKey | None) -> Callable[[int], None]:
        """Return what claims steps for the rows that were read.

        Raises:
            TableError: they are other rows than the training was begun on.
        """
        fingerprint = self._fingerprint(key, token)
        if token.steps and token.fingerprint != fingerprint:
            raise TableError(f"{self._source.description}: these are not the rows that the training was begun on")
        return partial(self._ledger.claim_steps, token, fingerprint=fingerprint)

    def sealed_rows(self) -> Private[PrivateRows]:
        """Return the rows, sealed.

        Raises:
            DpsynthError: when no question has opened the data yet.
        """
        if self._rows is None:
            raise DpsynthError("the data has not been opened: nothing has been charged for it yet")
        return self._rows

    def _fingerprint(self, key: FingerprintKey | None, token: OpenToken) -> str:
        rows = None if self._rows is None else unseal(self._rows).fingerprint
        return key.masked(rows, token.reservation.digest) if key is not None and rows else ""

    def _load(self, token: OpenToken, key: FingerprintKey | None) -> Private[PrivateRows]:
        if self._rows is None:
            try:
                with phase("read and code the rows", 1):
                    self._rows = read_rows(
                        self._source,
                        self.schema,
                        token,
                        noise=self._noise if key is None or self._life is Life.ONLY else key.coins(self.release_id),
                        control_fraction=self._control_fraction,
                        planted=self._planted,
                        key=key,
                    )
            except (OSError, MemoryError) as fault:
                raise TableError(
                    f"{self._source.description}: reading failed ({type(fault).__name__}); the reservation was opened"
                ) from None
        return self._rows

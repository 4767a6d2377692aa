"""The story of a release, once everything was checked: fit, sample, judge, audit, certify, export."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.certification.audit import internal_audit, write_internal_report
from dpsynth.certification.canaries import CanaryPlan
from dpsynth.certification.certificate import Override, assess
from dpsynth.certification.checkpoint import CheckpointFolder, ReleaseOrder
from dpsynth.certification.commitment import Commitment, rows_to_sample, sampling_stream
from dpsynth.certification.facts import facts_of
from dpsynth.certification.negative_control import negative_controls
from dpsynth.certification.policy import Policy
from dpsynth.certification.record_gate import GatePlan, ask_record_gate
from dpsynth.certification.withheld import WithheldRelease, advice_on_withheld, withhold
from dpsynth.curator import Curator
from dpsynth.curator.authority import Life
from dpsynth.curator.ingest import TableLike
from dpsynth.errors import CertificationRefused, InvalidInput
from dpsynth.export import Release, export
from dpsynth.generators.answer_tape import TapedQueries
from dpsynth.generators.balanced_sample import balanced_sample
from dpsynth.generators.base import Synthesizer
from dpsynth.ledger import EntryKind, Ledger
from dpsynth.progress import phase
from dpsynth.randomness import NoiseSource
from dpsynth.report import render_internal_report
from dpsynth.schema.schema import Schema


@dataclass(frozen=True, slots=True)
class ReleaseJob:
    """A release that was checked, and whose canaries are drawn.

    Attributes:
        order: what was ordered.
        schema: of the table.
        budget: the most that it may cost.
        maker: the generator.
        policy: what it must satisfy.
        gate: who decides, and how the budget is divided for it.
        noise: where privacy noise comes from.
        canaries: rows, coins and threshold.
        rng: public randomness.
        ledger: what it is charged to.
        override: of a person, if any.
    """

    order: ReleaseOrder
    schema: Schema
    budget: PrivacyBudget
    maker: Synthesizer[Any]
    policy: Policy
    gate: GatePlan
    noise: NoiseSource
    canaries: CanaryPlan
    rng: np.random.Generator
    ledger: Ledger
    override: Override | None

    def carry_out(self, data: TableLike, life: Life, kept: CheckpointFolder | None) -> Release:
        """Fit, sample, judge, audit, certify and export; or withhold.

        Raises:
            LedgerError: not enough is left; nothing was read.
            CertificationRefused: charged, but the verdict is not PASS; what was made is withheld.
            BundleError: a folder cannot be written.

        Privacy: at most the budget; a later life is charged nothing that an earlier one was.
        """
        order, schema, policy, rng = self.order, self.schema, self.policy, self.rng
        folder, internal = Path(order.out), Path(order.internal)
        held_back, planted = self.gate.controls, self.canaries.included_rows
        curator = Curator.open(
            data,
            schema,
            ledger=self.ledger,
            noise=self.noise,
            control_fraction=held_back,
            planted=planted,
            release_id=order.release_id,
            ticket=order.ticket,
            legal_basis=order.legal_basis,
            configuration=order.configuration,
            life=life,
        )
        commitment = self._bound(life)
        asked = curator if kept is None else TapedQueries(curator, kept.tape)
        model = self.maker.fit(asked, self.gate.generator, rng=rng)
        length = rows_to_sample(order.rows, model.total, planted=len(planted), controls=float(held_back))
        with phase("sample and judge", 3) as advance:
            sampled = balanced_sample(model, length, rng=sampling_stream(int(order.seed)))
            schema.constraints.require_obeyed(sampled.codes)
            advance(1)
            judged = self.canaries.judge(sampled, self.budget, policy)
            advance(1)
            # Before the audit: what is drawn from `rng` behind the door may depend on the rows.
            bars = model.error_bars(judged.table, rng=rng)
            advance(1)

        matches = None if kept is None else kept.matches
        record = ask_record_gate(curator, judged.table, self.gate, policy, kept=matches)
        controls = negative_controls(judged.table)
        findings = internal_audit(curator, judged.table, policy, rng=rng)
        write_internal_report(internal, findings, release_folder=folder, render=render_internal_report)
        commitment.write(internal)
        model.save(internal / "model")
        with phase("certify", 1):
            facts = facts_of(
                curator,
                self.maker,
                model,
                claim=self.budget,
                ledger=self.ledger,
                error_bars=bars,
                gate=self.gate,
                record=record,
                recipients=order.recipients,
                environment=order.environment,
            )
            now = datetime.now(UTC)
            certificate = assess(
                facts,
                judged,
                policy,
                issued_at=now,
                table_file=order.table,
                override=self.override,
                negative_controls=controls,
            )
        made = WithheldRelease(judged.table, certificate, tuple(dict(line) for line in facts.ledger_extract))
        if not certificate.exportable:
            withhold(internal / "withheld", made)
            self.ledger.note(schema.dataset, made.note, release_id=order.release_id)
            raise CertificationRefused(certificate.verdict.value, certificate.reasons, advice_on_withheld(internal))
        return export(made, certificate, out=folder, internal_folder=internal, ledger=self.ledger)

    def _bound(self, life: Life) -> Commitment:
        """Write the commitment to the ledger, before anything is reserved; a later life has to be bound already.

        Raises:
            InvalidInput: what is resumed is bound to nothing, or to another seed, other coins or other options.
            LedgerError: it cannot be written.
        """
        commitment = Commitment.to(self.order, self.canaries, self.gate.controls)
        if life is not Life.LATER:
            self.ledger.note(self.schema.dataset, commitment.note, release_id=self.order.release_id)
            return commitment
        notes = {
            entry.purpose
            for entry in self.ledger.entries(self.schema.dataset)
            if entry.kind is EntryKind.NOTE and entry.release_id == self.order.release_id
        }
        if commitment.note not in notes:
            raise InvalidInput(
                "the ledger binds this release to another seed, other coins or other options than the checkpoint "
                "folder holds, or to none: nothing can be resumed with these"
            )
        return commitment

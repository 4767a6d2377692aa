"""The story of a release: a private table goes in; a certified folder and an entry in the ledger come out."""

from __future__ import annotations

import os
import secrets
import uuid
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.certification.audit import check_internal_folder, internal_audit, write_internal_report
from dpsynth.certification.bundle import check_destination
from dpsynth.certification.canaries import CanaryPlan, draw_canaries
from dpsynth.certification.certificate import Override, assess
from dpsynth.certification.checkpoint import CheckpointFolder, ReleaseOrder
from dpsynth.certification.facts import configuration_of, facts_of
from dpsynth.certification.plan import plan_release
from dpsynth.certification.policy import Policy, default_policy
from dpsynth.certification.withheld import WithheldRelease, advice_on_withheld, withhold
from dpsynth.curator import Curator
from dpsynth.curator.authority import Life
from dpsynth.curator.ingest import TableLike
from dpsynth.errors import BundleError, CertificationRefused, InvalidInput
from dpsynth.export import Release, export
from dpsynth.generators.answer_tape import TapedQueries
from dpsynth.generators.base import MarginalSynthesizer, Synthesizer
from dpsynth.generators.registry import GENERATORS
from dpsynth.generators.registry import generator as find_generator
from dpsynth.ledger import EntryKind, Ledger
from dpsynth.progress import phase
from dpsynth.randomness import NoiseSource, SystemNoise
from dpsynth.report import render_internal_report
from dpsynth.schema.schema import Schema


def release(
    data: TableLike,
    schema: Schema | str | Path,
    budget: PrivacyBudget,
    *,
    out: str | Path,
    ledger: Ledger,
    generator: str | MarginalSynthesizer = "auto",
    rows: int | None = None,
    table_name: str = "synthetic.csv",
    seed: int | None = None,
    policy: Policy | None = None,
    internal_folder: str | Path | None = None,
    override: Override | None = None,
    noise: NoiseSource | None = None,
    ticket: str = "",
    legal_basis: str = "",
    checkpoint: str | Path | None = None,
) -> Release:
    """Make a synthetic table of `data`, charge it to `ledger`, certify it, and write the release folder `out`.

    `rows` defaults to the noisy length of the table. `seed` makes the public sampling repeatable; privacy noise cannot
    be seeded, and `noise` other than the operating system's entropy cannot pass. `internal_folder`, by default
    `<out>-internal`, receives findings about real rows and must never be shared. `ticket` and `legal_basis` go to the
    ledger, whose entries about this release travel with it. From the new folder `checkpoint`, `resume_release` goes on
    with a training that was interrupted, for nothing.

    Raises:
        InvalidInput: schema, header, budget or an option is wrong; nothing was read or charged.
        LedgerError: no budget, or not enough left; nothing was read or charged.
        CertificationRefused: charged, but the verdict is not PASS; what was made is withheld in the internal folder.
        BundleError: a folder exists already or cannot be written.

    Privacy: at most `budget`, reserved before the first row is read. Canaries are public rows and cost nothing.
    """
    folder, policy, noise = Path(out), policy or default_policy(), noise or SystemNoise()
    internal = Path(internal_folder) if internal_folder is not None else Path(f"{folder}-internal")
    schema = schema if isinstance(schema, Schema) else Schema.from_yaml(Path(schema))
    maker = find_generator(generator) if isinstance(generator, str) else generator
    plan = plan_release(schema, budget, ledger=ledger, generator=maker, policy=policy)
    plan.require_a_chance(override)
    check_destination(folder, table_name, rows=rows or schema.public_rows, columns=len(schema.columns))
    check_internal_folder(internal, release_folder=folder)
    if checkpoint is not None:
        _require_training(maker)
        seed = secrets.randbits(64) if seed is None else seed
    rng = np.random.default_rng(seed)
    canaries = draw_canaries(schema, policy, budget, rng=rng, noise=noise)
    order = ReleaseOrder(
        release_id=uuid.uuid4().hex,
        data=str(Path(data).absolute()) if isinstance(data, str | os.PathLike) else "",
        schema=schema.to_yaml(),
        epsilon=f"{budget.epsilon:f}",
        delta=f"{budget.delta:f}",
        generator=generator if isinstance(generator, str) else "",
        configuration=configuration_of(schema, maker),
        policy=policy.name,
        out=str(folder if checkpoint is None else folder.absolute()),
        internal=str(internal if checkpoint is None else internal.absolute()),
        rows=rows,
        table=table_name,
        seed=str(seed),
        coins="".join("1" if coin else "0" for coin in canaries.coins),
        ticket=ticket,
        legal_basis=legal_basis,
    )
    job = _Job(order, schema, budget, maker, policy, noise, canaries, rng, ledger, override)
    if checkpoint is None:
        return job.carry_out(data, Life.ONLY, None)
    kept = CheckpointFolder.begin(Path(checkpoint), order)
    with kept.held():
        return job.carry_out(data, Life.FIRST, kept)


def resume_release(
    checkpoint: str | Path,
    *,
    ledger: Ledger,
    data: TableLike | None = None,
    generator: Synthesizer[Any] | None = None,
    policy: Policy | None = None,
    internal_folder: str | Path | None = None,
    override: Override | None = None,
    noise: NoiseSource | None = None,
) -> Release:
    """Go on with a release that was interrupted, from the folder `checkpoint`; see `release`.

    `data`, `generator` and `policy` are needed where they were no file, no name or not the default policy, and are
    those of the release. `internal_folder` is needed where the interrupted release had written one.

    Raises:
        InvalidInput: the folder is damaged, or something is not as it was; nothing was read.
        LedgerError: the ledger knows no such training, or another process goes on with it.
        CertificationRefused: the verdict is not PASS; what was made is withheld in the internal folder.
        BundleError: there is no such folder, another process works on it, the release was judged, or a folder exists
            already or cannot be written.

    Privacy: nothing is charged that was charged before. Answers that were given are not asked again, and the steps of
    the training that any life of the release has claimed are never answered again.
    """
    kept = CheckpointFolder.load(Path(checkpoint))
    order, policy, noise = kept.order, policy or default_policy(), noise or SystemNoise()
    if internal_folder is not None:
        order = replace(order, internal=str(Path(internal_folder).absolute()))
    schema = Schema.from_text(order.schema)
    budget = PrivacyBudget(order.epsilon, order.delta)
    if generator is None and not order.generator:
        raise InvalidInput("the release was ordered with a generator that has no name: give it again")
    maker: Synthesizer[Any] = find_generator(order.generator) if generator is None else generator
    if configuration_of(schema, maker) != order.configuration or policy.name != order.policy:
        raise InvalidInput("the generator, its options or the policy are other ones than when the release began")
    rows: TableLike = data if data is not None else Path(order.data)
    if data is None and not order.data:
        raise InvalidInput("the release began with a table that was no file: give it again")
    if any(
        entry.kind is EntryKind.NOTE and entry.release_id == order.release_id
        for entry in ledger.entries(schema.dataset)
    ):
        raise BundleError("this release was judged before, and a second try is a release of its own")
    check_destination(Path(order.out), order.table, rows=order.rows or schema.public_rows, columns=len(schema.columns))
    check_internal_folder(Path(order.internal), release_folder=Path(order.out))
    rng = np.random.default_rng(int(order.seed))
    drawn = draw_canaries(schema, policy, budget, rng=rng, noise=noise)
    canaries = replace(drawn, coins=np.array([coin == "1" for coin in order.coins], dtype=np.bool_))
    if len(canaries.coins) != len(canaries.rows):
        raise InvalidInput("the checkpoint folder is damaged: it has not a coin for every canary")
    with kept.held():
        job = _Job(order, schema, budget, maker, policy, noise, canaries, rng, ledger, override)
        return job.carry_out(rows, Life.LATER, kept)


def _require_training(maker: Synthesizer[Any]) -> None:
    """Refuse a checkpoint of what cannot be resumed.

    Raises:
        InvalidInput: the generator does not train on noisy gradients.
    """
    if any(entry.name == maker.name and "GradientQueries" not in entry.access for entry in GENERATORS):
        raise InvalidInput(f"'{maker.name}' asks for no noisy gradients, so there is no training that could be resumed")


@dataclass(frozen=True, slots=True)
class _Job:
    """A release that was checked, and whose canaries are drawn."""

    order: ReleaseOrder
    schema: Schema
    budget: PrivacyBudget
    maker: Synthesizer[Any]
    policy: Policy
    noise: NoiseSource
    canaries: CanaryPlan
    rng: np.random.Generator
    ledger: Ledger
    override: Override | None

    def carry_out(self, data: TableLike, life: Life, kept: CheckpointFolder | None) -> Release:
        """Fit, sample, judge, audit, certify and export; or withhold."""
        order, schema, policy, rng = self.order, self.schema, self.policy, self.rng
        folder, internal = Path(order.out), Path(order.internal)
        held_back, planted = policy.control_fraction, self.canaries.included_rows
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
        asked = curator if kept is None else TapedQueries(curator, kept.tape)
        model = self.maker.fit(asked, self.budget, rng=rng)
        # Fitted without the controls and with the canaries; the synthetic table is as long as the real one.
        length = (model.total - len(planted)) / (1 - float(held_back)) if order.rows is None else order.rows
        with phase("sample and judge", 3) as advance:
            sampled = model.sample(max(round(length), 0), rng=rng)
            schema.constraints.require_obeyed(sampled.codes)
            advance(1)
            judged = self.canaries.judge(sampled, self.budget, policy)
            advance(1)
            # Before the audit: what is drawn from `rng` behind the door may depend on the rows.
            bars = model.error_bars(judged.table, rng=rng)
            advance(1)

        findings = internal_audit(curator, judged.table, policy, rng=rng)
        write_internal_report(internal, findings, release_folder=folder, render=render_internal_report)
        model.save(internal / "model")
        with phase("certify", 1):
            facts = facts_of(curator, self.maker, model, claim=self.budget, ledger=self.ledger, error_bars=bars)
            now = datetime.now(UTC)
            certificate = assess(facts, judged, policy, issued_at=now, table_file=order.table, override=self.override)
        made = WithheldRelease(judged.table, certificate, tuple(dict(line) for line in facts.ledger_extract))
        if not certificate.exportable:
            withhold(internal / "withheld", made)
            self.ledger.note(schema.dataset, made.note, release_id=order.release_id)
            raise CertificationRefused(certificate.verdict.value, certificate.reasons, advice_on_withheld(internal))
        return export(made, certificate, out=folder, internal_folder=internal, ledger=self.ledger)

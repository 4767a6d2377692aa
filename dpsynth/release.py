"""The story of a release: a private table goes in; a certified folder and an entry in the ledger come out."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.certification.audit import check_internal_folder, internal_audit, write_internal_report
from dpsynth.certification.bundle import check_destination
from dpsynth.certification.canaries import draw_canaries
from dpsynth.certification.certificate import Override, assess
from dpsynth.certification.facts import configuration_of, facts_of
from dpsynth.certification.plan import plan_release
from dpsynth.certification.policy import Policy, default_policy
from dpsynth.certification.withheld import WithheldRelease, advice_on_withheld, withhold
from dpsynth.curator import Curator
from dpsynth.curator.ingest import TableLike
from dpsynth.errors import CertificationRefused
from dpsynth.export import Release, export
from dpsynth.generators.base import MarginalSynthesizer
from dpsynth.generators.registry import generator as find_generator
from dpsynth.ledger import Ledger
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
) -> Release:
    """Make a synthetic table of `data`, charge it to `ledger`, certify it, and write the release folder `out`.

    `rows` defaults to the noisy length of the table. `seed` makes the public sampling repeatable; privacy noise cannot
    be seeded, and `noise` other than the operating system's entropy cannot pass. `internal_folder`, by default
    `<out>-internal`, receives findings about real rows and must never be shared. `ticket` and `legal_basis` go to the
    ledger, whose entries about this release travel with it.

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
    rng = np.random.default_rng(seed)

    canaries = draw_canaries(schema, policy, budget, rng=rng, noise=noise)
    held_back, planted = policy.control_fraction, canaries.included_rows
    curator = Curator.open(
        data,
        schema,
        ledger=ledger,
        noise=noise,
        control_fraction=held_back,
        planted=planted,
        ticket=ticket,
        legal_basis=legal_basis,
        configuration=configuration_of(schema, maker),
    )
    model = maker.fit(curator, budget, rng=rng)
    # The model was fitted without the controls and with the canaries; the synthetic table is as long as the real one.
    length = (model.total - len(planted)) / (1 - float(held_back)) if rows is None else rows
    with phase("sample and judge", 3) as advance:
        sampled = model.sample(max(round(length), 0), rng=rng)
        schema.constraints.require_obeyed(sampled.codes)
        advance(1)
        judged = canaries.judge(sampled, budget, policy)
        advance(1)
        # Before the audit: what is drawn from `rng` behind the door may depend on the rows.
        bars = model.error_bars(judged.table, rng=rng)
        advance(1)

    findings = internal_audit(curator, judged.table, policy, rng=rng)
    write_internal_report(internal, findings, release_folder=folder, render=render_internal_report)
    model.save(internal / "model")
    with phase("certify", 1):
        facts = facts_of(curator, maker, model, claim=budget, ledger=ledger, error_bars=bars)
        now = datetime.now(UTC)
        certificate = assess(facts, judged, policy, issued_at=now, table_file=table_name, override=override)
    made = WithheldRelease(judged.table, certificate, tuple(dict(line) for line in facts.ledger_extract))
    if not certificate.exportable:
        withhold(internal / "withheld", made)
        ledger.note(schema.dataset, made.note, release_id=curator.release_id)
        raise CertificationRefused(certificate.verdict.value, certificate.reasons, advice_on_withheld(internal))
    return export(made, certificate, out=folder, internal_folder=internal, ledger=ledger)

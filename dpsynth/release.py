"""The story of a release: a private table goes in; a certified folder and an entry in the ledger come out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.certification.audit import check_internal_folder, internal_audit, write_internal_report
from dpsynth.certification.bundle import check_destination, write_bundle
from dpsynth.certification.canaries import draw_canaries
from dpsynth.certification.certificate import Certificate, Override, certify
from dpsynth.certification.facts import EXPORTED, facts_of
from dpsynth.certification.plan import plan_release
from dpsynth.certification.policy import Policy, default_policy
from dpsynth.certification.signing import load_or_create_key
from dpsynth.curator import Curator
from dpsynth.curator.ingest import TableLike
from dpsynth.generators.base import MarginalSynthesizer
from dpsynth.generators.registry import generator as find_generator
from dpsynth.ledger import Ledger
from dpsynth.progress import phase
from dpsynth.randomness import NoiseSource, SystemNoise
from dpsynth.report import render_internal_report, render_report
from dpsynth.schema.schema import Schema


@dataclass(frozen=True, slots=True)
class Release:
    """A release that has left: its folder, the internal folder beside it, its certificate and its size."""

    folder: Path
    internal_folder: Path
    certificate: Certificate
    rows: int


def release(
    data: TableLike,
    schema: Schema | str | Path,
    budget: PrivacyBudget,
    *,
    out: str | Path,
    ledger: Ledger,
    generator: str | MarginalSynthesizer = "mwem",
    rows: int | None = None,
    table_name: str = "synthetic.csv",
    seed: int | None = None,
    policy: Policy | None = None,
    internal_folder: str | Path | None = None,
    override: Override | None = None,
    noise: NoiseSource | None = None,
) -> Release:
    """Make a synthetic table, charge it, certify it, and write the release folder `out`.

    Args:
        data: a path to a CSV or Parquet file, a pandas frame or an object with an Arrow stream.
        schema: what is publicly known about it, or the file that says so.
        budget: the most that this release may cost.
        out: the release folder; must not exist.
        ledger: where it is charged; the data set must have a budget there.
        generator: name in the registry, or a generator with your own hyperparameters.
        rows: number of synthetic rows; the noisy total if None.
        table_name: `synthetic.csv` or `synthetic.parquet`.
        seed: seed of the public sampling; fresh if None. Privacy noise cannot be seeded here.
        policy: what a release must satisfy; the default policy if None.
        internal_folder: where the internal audit goes, never to be shared; `<out>-internal` if None.
        override: a person's decision to export whatever the verdict is.
        noise: source of privacy noise; anything but the operating system's entropy cannot pass.

    Raises:
        InvalidInput: schema, header, budget or options are wrong; nothing was read or charged.
        LedgerError: no budget, or not enough left; nothing was read or charged.
        CertificationRefused: charged, but the verdict is not PASS; the internal folder says more.
        BundleError: a folder exists already or cannot be written.

    Privacy: at most `budget`, reserved before the first row is read. Canaries are public rows: they cost nothing.
    """
    folder, policy = Path(out), policy or default_policy()
    internal = Path(internal_folder) if internal_folder is not None else folder.with_name(folder.name + "-internal")
    schema = schema if isinstance(schema, Schema) else Schema.from_yaml(Path(schema))
    maker = find_generator(generator) if isinstance(generator, str) else generator
    plan_release(schema, budget, ledger=ledger, generator=maker.name, policy=policy)
    check_destination(folder)
    check_internal_folder(internal, release_folder=folder)
    key, rng, noise = load_or_create_key(), np.random.default_rng(seed), noise or SystemNoise()

    canaries = draw_canaries(schema, policy, budget, rng=rng, noise=noise)
    held_back, planted = policy.control_fraction, canaries.included_rows
    curator = Curator.open(data, schema, ledger=ledger, noise=noise, control_fraction=held_back, planted=planted)
    model = maker.fit(curator, budget, rng=rng)
    # The model was fitted without the controls and with the canaries; the synthetic table is as long as the real one.
    length = (model.total - len(planted)) / (1 - float(held_back)) if rows is None else rows
    with phase("sample", 1):
        sampled = model.sample(max(round(length), 0), rng=rng)
    with phase("judge canaries", 1):
        judged = canaries.judge(sampled, budget, policy)
    findings = internal_audit(curator, judged.table, policy, rng=rng)
    write_internal_report(internal, findings, release_folder=folder, render=render_internal_report)
    model.save(internal / "model")

    facts = facts_of(curator, maker, model, claim=budget, ledger=ledger)
    with phase("certify", 1):
        certificate = certify(
            facts, judged, policy, issued_at=datetime.now(UTC), table_file=table_name, override=override
        )
    with phase("write the release", 1):
        write_bundle(
            folder,
            table=judged.table,
            certificate=certificate,
            schema=schema,
            ledger_extract=facts.ledger_extract,
            report_html=render_report(certificate.to_json()),
            key=key,
        )
    ledger.note(schema.dataset, EXPORTED, release_id=curator.release_id)
    return Release(folder, internal, certificate, judged.table.rows)

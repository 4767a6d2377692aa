"""The story of a release: a private table goes in; a certified folder and an entry in the ledger come out."""

from __future__ import annotations

import os
import secrets
import uuid
from pathlib import Path
from typing import Any

import numpy as np

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.certification.audit import check_internal_folder
from dpsynth.certification.bundle import check_destination
from dpsynth.certification.canaries import draw_canaries
from dpsynth.certification.certificate import Override
from dpsynth.certification.checkpoint import CheckpointFolder, ReleaseOrder
from dpsynth.certification.commitment import new_salt
from dpsynth.certification.facts import configuration_of
from dpsynth.certification.plan import plan_release
from dpsynth.certification.policy import Policy, default_policy
from dpsynth.curator.authority import Life
from dpsynth.curator.ingest import TableLike
from dpsynth.errors import InvalidInput
from dpsynth.export import Release
from dpsynth.generators.base import MarginalSynthesizer, Synthesizer
from dpsynth.generators.registry import GENERATORS
from dpsynth.generators.registry import generator as find_generator
from dpsynth.ledger import Ledger
from dpsynth.randomness import NoiseSource, SystemNoise
from dpsynth.release_job import ReleaseJob
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
    recipients: str = "",
    environment: str = "",
    checkpoint: str | Path | None = None,
) -> Release:
    """Make a synthetic table of `data`, charge it to `ledger`, certify it, and write the release folder `out`.

    `rows` defaults to the noisy length of the table. `seed` makes the public sampling repeatable; privacy noise cannot
    be seeded, and `noise` other than the operating system's entropy cannot pass. `internal_folder`, by default
    `<out>-internal`, receives findings about real rows and must never be shared. `ticket` and `legal_basis` go to the
    ledger, whose entries about this release travel with it; `recipients` (for whom the table is meant) and
    `environment` (where, under which rules) go on the certificate. From the new folder `checkpoint`, `resume_release`
    goes on with a training that was interrupted, for nothing.

    Raises:
        InvalidInput: schema, header, budget or an option is wrong; nothing was read or charged.
        LedgerError: no budget, or not enough left; nothing was read or charged.
        CertificationRefused: charged, but the verdict is not PASS; what was made is withheld in the internal folder. Or
            it could not pass whatever comes out, such as by code without audits on record: nothing was read or charged.
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
    if not (recipients + environment).isprintable():
        raise InvalidInput("recipients and environment go on the certificate: give each in one line")
    if checkpoint is not None:
        _require_training(maker)
    seed = secrets.randbits(128) if seed is None else seed
    rng = np.random.default_rng(seed)
    canaries = draw_canaries(schema, policy, budget, rng=rng, noise=noise)
    order = ReleaseOrder(
        release_id=uuid.uuid4().hex,
        data=str(Path(data).absolute()) if isinstance(data, str | os.PathLike) else "",
        schema=schema.to_yaml(),
        epsilon=f"{budget.epsilon:f}",
        delta=f"{budget.delta:f}",
        generator=generator if isinstance(generator, str) else "",
        configuration=configuration_of(schema, maker, budget),
        policy=policy.identity,
        out=str(folder if checkpoint is None else folder.absolute()),
        internal=str(internal if checkpoint is None else internal.absolute()),
        rows=rows,
        table=table_name,
        seed=str(seed),
        coins="".join("1" if coin else "0" for coin in canaries.coins),
        salt=new_salt(),
        ticket=ticket,
        legal_basis=legal_basis,
        recipients=recipients,
        environment=environment,
    )
    job = ReleaseJob(order, schema, budget, maker, policy, plan.decided, noise, canaries, rng, ledger, override)
    if checkpoint is None:
        return job.carry_out(data, Life.ONLY, None)
    kept = CheckpointFolder.begin(Path(checkpoint), order)
    with kept.held():
        return job.carry_out(data, Life.FIRST, kept)


def _require_training(maker: Synthesizer[Any]) -> None:
    """Refuse a checkpoint of what cannot be resumed.

    Raises:
        InvalidInput: the generator does not train on noisy gradients.
    """
    if any(entry.name == maker.name and "GradientQueries" not in entry.access for entry in GENERATORS):
        raise InvalidInput(f"'{maker.name}' asks for no noisy gradients, so there is no training that could be resumed")

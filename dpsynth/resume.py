"""An interrupted release is gone on with, from its checkpoint folder and at no further charge."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.certification.audit import check_internal_folder
from dpsynth.certification.bundle import check_destination
from dpsynth.certification.canaries import draw_canaries
from dpsynth.certification.certificate import Override
from dpsynth.certification.checkpoint import CheckpointFolder
from dpsynth.certification.commitment import is_commitment
from dpsynth.certification.facts import begun_by_other_code, configuration_of
from dpsynth.certification.policy import Policy, default_policy
from dpsynth.certification.record_gate import plan_gate
from dpsynth.curator.authority import Life
from dpsynth.curator.ingest import TableLike
from dpsynth.errors import BundleError, InvalidInput
from dpsynth.export import Release
from dpsynth.generators.base import Synthesizer
from dpsynth.generators.registry import generator as find_generator
from dpsynth.ledger import EntryKind, Ledger
from dpsynth.randomness import NoiseSource, SystemNoise
from dpsynth.release_job import ReleaseJob
from dpsynth.schema.schema import Schema


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
    if configuration_of(schema, maker, budget) != order.configuration or policy.identity != order.policy:
        raise InvalidInput("the generator, its options or the policy are other ones than when the release began")
    rows: TableLike = data if data is not None else Path(order.data)
    if data is None and not order.data:
        raise InvalidInput("the release began with a table that was no file: give it again")
    own = [entry for entry in ledger.entries(schema.dataset) if entry.release_id == order.release_id]
    if any(entry.kind is EntryKind.NOTE and not is_commitment(entry.purpose) for entry in own):
        raise BundleError("this release was judged before, and a second try is a release of its own")
    changed = begun_by_other_code((entry.kind.value, entry.software_sha256) for entry in own)
    if changed and policy.audit_layers and override is None:
        raise InvalidInput(
            "the release was begun by other code than what runs here, and no audit on record is about both: resume it "
            "with the code that began it. A named person may order it all the same (--override-by NAME "
            "--override-reason WHY); it will not pass"
        )
    check_destination(Path(order.out), order.table, rows=order.rows or schema.public_rows, columns=len(schema.columns))
    check_internal_folder(Path(order.internal), release_folder=Path(order.out))
    rng = np.random.default_rng(int(order.seed))
    drawn = draw_canaries(schema, policy, budget, rng=rng, noise=noise)
    canaries = replace(drawn, coins=np.array([coin == "1" for coin in order.coins], dtype=np.bool_))
    if len(canaries.coins) != len(canaries.rows):
        raise InvalidInput("the checkpoint folder is damaged: it has not a coin for every canary")
    with kept.held():
        gate = plan_gate(schema, policy, budget, event_delta=ledger.event_delta(schema.dataset))
        job = ReleaseJob(order, schema, budget, maker, policy, gate, noise, canaries, rng, ledger, override)
        return job.carry_out(rows, Life.LATER, kept)

"""An auditor opens a commitment: cheats that change seed, canaries or coins after the fit are found."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.certification.canaries import CanaryPlan
from dpsynth.certification.certificate import Override, certify
from dpsynth.certification.checkpoint import ReleaseOrder
from dpsynth.certification.commitment import COMMITMENT, Commitment, sampling_stream
from dpsynth.certification.document import CertificateDocument
from dpsynth.certification.opening import audit_opening
from dpsynth.certification.sections import software_versions
from dpsynth.certification.signing import SigningKey
from dpsynth.certification.verify import verify_release
from dpsynth.curator import Curator
from dpsynth.errors import BundleError
from dpsynth.generators.balanced_sample import balanced_sample
from dpsynth.generators.base import FittedSynthesizer
from dpsynth.generators.independent import Independent
from dpsynth.ledger import Ledger
from dpsynth.schema.table import SyntheticTable
from tests.certification.made_releases import (
    CLAIM,
    ISSUED,
    POLICY,
    MadeRelease,
    drawn,
    facts_about,
    settled_ledger,
    survey_rows,
    survey_schema,
    table_of,
)

SEED = 1
ROWS = 300
PLAN = drawn(SEED)
ORDER = ReleaseOrder(
    release_id="release-1",
    data="",
    schema="",
    epsilon="1",
    delta="0.000001",
    generator="",
    configuration="",
    policy=POLICY.identity,
    out="",
    internal="",
    rows=ROWS,
    table="synthetic.csv",
    seed=str(SEED),
    coins="".join("1" if coin else "0" for coin in PLAN.coins),
    salt="5a17" * 16,
    ticket="",
    legal_basis="",
)
BOUND = Commitment.to(ORDER, PLAN, Fraction(1, 10))


@pytest.fixture(scope="module")
def model() -> FittedSynthesizer:
    people = table_of(survey_rows(400, np.random.default_rng(4))).to_pandas()
    ledger = Ledger("sqlite://")
    ledger.set_budget(survey_schema().dataset, CLAIM)
    curator = Curator.open(people, survey_schema(), ledger=ledger)
    return Independent().fit(curator, PrivacyBudget("0.5", "1e-6"), rng=np.random.default_rng(0))


@pytest.fixture(scope="module")
def internal(model: FittedSynthesizer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The internal folder of an honest release."""
    folder = tmp_path_factory.mktemp("internal")
    BOUND.write(folder)
    model.save(folder / "model")
    return folder


def made_of(sampled: SyntheticTable, plan: CanaryPlan = PLAN, bound: Commitment = BOUND) -> MadeRelease:
    """Return a release of this table, judged by this plan, that was bound to this commitment."""
    judged = plan.judge(sampled, CLAIM, POLICY)
    ledger = Ledger("sqlite://")
    ledger.note(survey_schema().dataset, bound.note, release_id="release-1")
    facts = facts_about(judged.table, settled_ledger(ledger=ledger, bound=False))
    override = Override(by="A. Cheat", reason="looks good")
    software = software_versions()
    return MadeRelease(
        facts, judged, certify(facts, judged, POLICY, issued_at=ISSUED, override=override, software=software)
    )


@pytest.fixture(scope="module")
def sampled(model: FittedSynthesizer) -> SyntheticTable:
    return balanced_sample(model, ROWS, rng=sampling_stream(SEED))


@pytest.fixture(scope="module")
def honest(sampled: SyntheticTable) -> MadeRelease:
    return made_of(sampled)


def opened(place: Path, made: MadeRelease) -> str:
    return audit_opening(place, made.certificate.document, survey_schema())


def test_an_honest_release_is_the_one_that_was_bound(
    honest: MadeRelease, internal: Path, key: SigningKey, tmp_path: Path
) -> None:
    verification = verify_release(honest.write(tmp_path / "release", key), commitment=internal)
    assert verification.problems == ()
    assert verification.checks[-1].name == "opening"
    for words in ("bound before its training", "its 400 canaries", "counts of its canary gate"):
        assert words in verification.checks[-1].explanation


def test_without_the_model_beside_it_the_table_is_not_drawn_again(
    honest: MadeRelease, internal: Path, tmp_path: Path
) -> None:
    shutil.copy(internal / COMMITMENT, tmp_path)
    assert "no model lies beside commitment.json" in opened(tmp_path / COMMITMENT, honest)


def test_coins_tossed_again_after_the_fit_are_found(sampled: SyntheticTable, internal: Path, tmp_path: Path) -> None:
    coins = np.random.default_rng(9).random(len(PLAN.coins)) < 0.5
    made = made_of(sampled, replace(PLAN, coins=coins))
    with pytest.raises(BundleError, match="canaries were drawn again afterwards"):
        opened(internal, made)
    # And the opening cannot be made to fit: the ledger has its digest since before the charge.
    said = json.loads((internal / COMMITMENT).read_text())
    said["content"]["coins"] = "".join("1" if coin else "0" for coin in coins)
    (tmp_path / COMMITMENT).write_text(json.dumps(said))
    with pytest.raises(BundleError, match="a value in it was changed afterwards"):
        opened(tmp_path, made)


def test_a_table_drawn_with_another_seed_after_looking_is_found(model: FittedSynthesizer, internal: Path) -> None:
    made = made_of(balanced_sample(model, ROWS, rng=sampling_stream(SEED + 1)))
    with pytest.raises(BundleError, match="drawn with another seed afterwards"):
        opened(internal, made)


def test_canaries_that_were_chosen_and_not_drawn_are_found(sampled: SyntheticTable, tmp_path: Path) -> None:
    """Bound in time, but all alike, so that a table rarely comes near them."""
    chosen = replace(PLAN, rows=np.repeat(PLAN.rows[:1], len(PLAN.rows), axis=0))
    bound = Commitment.to(ORDER, chosen, Fraction(1, 10))
    bound.write(tmp_path)
    with pytest.raises(BundleError, match="chosen, not drawn"):
        opened(tmp_path, made_of(sampled, chosen, bound))


def test_a_leak_that_the_certificate_hides_is_counted_again(
    sampled: SyntheticTable, internal: Path, honest: MadeRelease
) -> None:
    hidden = honest.certificate.document.canaries.model_copy(update={"false_positives": 7})
    document: CertificateDocument = honest.certificate.document.model_copy(update={"canaries": hidden})
    with pytest.raises(BundleError, match="other counts of recognised canaries"):
        audit_opening(internal, document, survey_schema())


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"release_id": "release-2"}, "another release"),
        ({"epsilon": "2"}, "another claim"),
        ({"policy": "strict 0"}, "another policy"),
        ({"rows": 3}, "another number of rows"),
        ({"threshold": "0x1p-3"}, "another threshold"),
        ({"seed": "x"}, "holds values that no release is bound to"),
        ({"canaries": [[0]]}, "holds values that no release is bound to"),
        ({"more": 1}, "does not hold the values"),
    ],
)
def test_what_was_bound_must_be_what_is_certified(
    sampled: SyntheticTable, honest: MadeRelease, tmp_path: Path, changed: dict[str, Any], words: str
) -> None:
    bound = Commitment({**BOUND.content, **changed}, BOUND.salt)
    bound.write(tmp_path)
    commitment = honest.certificate.document.commitment
    assert commitment is not None
    stated = commitment.model_copy(update={"sha256": bound.digest})
    document: CertificateDocument = honest.certificate.document.model_copy(update={"commitment": stated})
    with pytest.raises(BundleError, match=words):
        audit_opening(tmp_path, document, survey_schema())

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import get_type_hints

import jsonschema
import numpy as np
import pytest

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.certification import certificate as certificate_module
from dpsynth.certification.canaries import JudgedTable
from dpsynth.certification.certificate import Certificate, Override, assess, certify
from dpsynth.certification.checks import CHECK_NAMES
from dpsynth.certification.document import certificate_json_schema
from dpsynth.certification.facts import EXPORTED, Attempt, ReleaseFacts, attempts_among, parameters_of
from dpsynth.certification.limits import LIMITS, UNPROTECTED_QUANTITIES
from dpsynth.certification.policy import Verdict
from dpsynth.curator.seal import Sealed
from dpsynth.errors import AccountantsDisagree, BundleError, CertificationRefused, InvalidInput
from dpsynth.generators.mwem import MWEM
from tests.certification.made_releases import (
    CLAIM,
    EVENTS,
    ISSUED,
    POLICY,
    SOFTWARE,
    drawn,
    facts_about,
    honest_judged,
    honest_release,
    settled_ledger,
    survey_rows,
    survey_schema,
    table_of,
    training_rows,
)

SCHEMA_FILE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "certificate.schema.json"
SOMEBODY = Override(by="A. Person", reason="agreed with the data protection officer")


def refused(facts: ReleaseFacts, judged: JudgedTable) -> CertificationRefused:
    with pytest.raises(CertificationRefused) as caught:
        certify(facts, judged, POLICY, issued_at=ISSUED, software=SOFTWARE)
    return caught.value


@pytest.fixture(scope="module")
def judged() -> JudgedTable:
    return honest_judged()


@pytest.fixture(scope="module")
def facts(judged: JudgedTable) -> ReleaseFacts:
    return facts_about(judged.table, settled_ledger())


def test_an_honest_release_passes_and_says_what_it_promised() -> None:
    made = honest_release()
    document = made.certificate.document
    assert made.certificate.verdict is Verdict.PASS
    assert made.certificate.exportable
    assert made.certificate.reasons == ("All 12 checks of the policy were met.",)
    assert (document.claim.epsilon, document.claim.delta) == ("1", "0.000001")
    assert [charge.purpose for charge in document.claim.charges] == [purpose for purpose, _ in EVENTS]
    assert document.scope.rows == made.judged.table.rows
    assert document.scope.unit == "one row"
    assert float(document.accountants.pld) <= float(document.accountants.gdp) <= 1
    assert document.canaries.drawn == 400
    assert document.override is None
    assert document.limits == LIMITS


def test_the_list_of_checks_is_the_list_of_checks() -> None:
    document = honest_release().certificate.document
    assert tuple(check.name for check in document.checks) == CHECK_NAMES


def test_it_says_why_the_training_table_is_shorter_than_the_synthetic_one() -> None:
    (size,) = (check for check in honest_release().certificate.document.checks if check.name.startswith("size"))
    assert size.value == (
        "about 10,000 rows (noisy estimate); 10 % of the units were held back from training, for the internal audit"
    )


def test_a_far_too_large_declared_number_of_units_cannot_pass() -> None:
    with pytest.raises(CertificationRefused, match="declared number of units"):
        _ = honest_release(noisy_rows=3_900.0).certificate


def test_the_same_inputs_give_the_same_bytes(facts: ReleaseFacts, judged: JudgedTable) -> None:
    first = certify(facts, judged, POLICY, issued_at=ISSUED, software=SOFTWARE)
    elsewhere = ISSUED.astimezone(timezone(timedelta(hours=5)))
    second = certify(facts, judged, POLICY, issued_at=elsewhere, software=SOFTWARE)
    assert first.to_json() == second.to_json()
    assert Certificate.from_json(first.to_json()) == first
    assert Certificate.from_json(first.to_json()).to_json() == first.to_json()


def test_the_certificate_follows_its_published_schema() -> None:
    content = json.loads(honest_release().certificate.to_json())
    jsonschema.Draft202012Validator.check_schema(json.loads(certificate_json_schema()))
    jsonschema.validate(content, json.loads(certificate_json_schema()))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**content, "anything": 1}, json.loads(certificate_json_schema()))


def test_the_published_schema_is_current() -> None:
    assert SCHEMA_FILE.read_text(encoding="utf-8") == certificate_json_schema()


def test_nothing_sealed_fits_into_a_certificate() -> None:
    """It can be rebuilt without members and controls, because no argument could hold them."""
    accepted = [*get_type_hints(certify).values(), *get_type_hints(ReleaseFacts).values()]
    accepted += get_type_hints(JudgedTable).values()
    assert not [kind for kind in accepted if isinstance(kind, type) and issubclass(kind, Sealed)]
    source = Path(certificate_module.__file__).read_text(encoding="utf-8")
    assert "reveal" not in source
    assert "examine" not in source


def test_a_certificate_is_rebuilt_when_the_rows_are_gone(facts: ReleaseFacts, judged: JudgedTable) -> None:
    before = certify(facts, judged, POLICY, issued_at=ISSUED, software=SOFTWARE).to_json()
    # All that is left: the published table, the ledger extract, and the public facts.
    table = table_of(judged.table.codes.copy())
    rebuilt = JudgedTable(replace(table, provenance=judged.table.provenance), judged.evidence)
    assert certify(replace(facts), rebuilt, POLICY, issued_at=ISSUED, software=SOFTWARE).to_json() == before


@pytest.mark.parametrize(
    ("changes", "words", "verdict"),
    [
        ({"noise_certifiable": False}, "seeded stream", "FAIL"),
        ({"noisy_rows": 42.0}, "at least 100 rows", "INCONCLUSIVE"),
        ({"charged": EVENTS[:2]}, "the ledger holds others", "FAIL"),
        ({"attempts": (Attempt("r", "t", "a"),) * 4}, "4 since the last export", "FAIL"),
    ],
)
def test_each_unmet_check_refuses_and_explains(
    facts: ReleaseFacts, judged: JudgedTable, changes: dict[str, object], words: str, verdict: str
) -> None:
    refusal = refused(replace(facts, **changes), judged)  # type: ignore[arg-type]
    assert refusal.verdict == verdict
    assert refusal.exit_code == 3
    assert words in "\n".join(refusal.reasons)


def test_a_column_without_information_refuses_and_is_named(facts: ReleaseFacts) -> None:
    codes = survey_rows(2_000, np.random.default_rng(4))
    codes[:, 2] = survey_schema().columns[2].missing_code
    refusal = refused(facts, drawn(1).judge(table_of(codes), CLAIM, POLICY))
    assert refusal.verdict == "FAIL"
    assert "'visits'" in "\n".join(refusal.reasons)


def test_a_copied_table_refuses(facts: ReleaseFacts) -> None:
    plan = drawn(1)
    copied = plan.judge(table_of(training_rows(plan, 2_000, np.random.default_rng(5))), CLAIM, POLICY)
    refusal = refused(facts, copied)
    assert refusal.verdict == "FAIL"
    assert "refutes the claim" in "\n".join(refusal.reasons)


def test_a_table_too_small_for_canaries_is_never_passed(facts: ReleaseFacts) -> None:
    schema = survey_schema(100)
    plan = drawn(1, units=100)
    small = plan.judge(table_of(survey_rows(100, np.random.default_rng(6)), schema), CLAIM, POLICY)
    assert refused(facts, small).verdict == "INCONCLUSIVE"


def test_a_person_can_decide_otherwise_and_it_is_recorded(facts: ReleaseFacts, judged: JudgedTable) -> None:
    seeded = replace(facts, noise_certifiable=False)
    made = certify(seeded, judged, POLICY, issued_at=ISSUED, override=SOMEBODY, software=SOFTWARE)
    assert made.verdict is Verdict.FAIL
    assert made.exportable
    assert made.document.override is not None
    assert made.document.override.by == "A. Person"
    assert made.document.noise.certifiable is False


@pytest.mark.parametrize(("by", "reason"), [("", "why"), ("who", " "), ("who", "line\nbreak")])
def test_an_override_needs_a_name_and_a_reason(by: str, reason: str) -> None:
    with pytest.raises(InvalidInput):
        Override(by=by, reason=reason)


def test_charges_above_the_claim_are_never_certified(facts: ReleaseFacts, judged: JudgedTable) -> None:
    dear = replace(facts, claim=PrivacyBudget("0.01", "1e-6"))
    with pytest.raises(AccountantsDisagree):
        certify(dear, judged, POLICY, issued_at=ISSUED, override=SOMEBODY)


def test_a_refused_release_can_still_be_assessed(facts: ReleaseFacts, judged: JudgedTable) -> None:
    assessed = assess(replace(facts, noise_certifiable=False), judged, POLICY, issued_at=ISSUED, software=SOFTWARE)
    assert assessed.verdict is Verdict.FAIL
    assert not assessed.exportable


def test_a_time_without_a_zone_is_refused(facts: ReleaseFacts, judged: JudgedTable) -> None:
    with pytest.raises(InvalidInput, match="time zone"):
        certify(facts, judged, POLICY, issued_at=datetime(2026, 1, 1))


def test_fixed_text_promises_nothing_it_must_not() -> None:
    text = " ".join((*LIMITS, *UNPROTECTED_QUANTITIES, *POLICY.reasons.values())).lower()
    for word in ("anonym", "gdpr", "hipaa", "complian", "re-identif", "guaranteed safe", "cannot be identified"):
        assert word not in text
    assert "an empirical epsilon is a lower bound" in text


def test_every_number_on_a_certificate_is_public_or_charged() -> None:
    """The only counts of training rows are the noisy ones."""
    text = honest_release(noisy_rows=8987.25).certificate.to_json().decode()
    assert re.search(r'"noisy_rows":8987\.25', text)


@pytest.mark.parametrize("raw", [b"", b"{}", b"null", b"[1]", b"\xff\xfe", b'{"schema_version":"1"}'])
def test_what_is_no_certificate_is_refused(raw: bytes) -> None:
    with pytest.raises(BundleError):
        Certificate.from_json(raw)


def test_another_spelling_is_refused() -> None:
    raw = honest_release().certificate.to_json()
    with pytest.raises(BundleError, match="canonical"):
        Certificate.from_json(raw + b"\n")


def test_attempts_are_counted_from_the_last_export() -> None:
    ledger = settled_ledger()
    dataset = survey_schema().dataset
    settled_ledger(release_id="release-2", ledger=ledger)
    assert [attempt.release_id for attempt in attempts_among(ledger.entries(dataset))] == ["release-1", "release-2"]
    ledger.note(dataset, EXPORTED, release_id="release-2")
    assert attempts_among(ledger.entries(dataset)) == ()
    settled_ledger(release_id="release-3", ledger=ledger)
    (attempt,) = attempts_among(ledger.entries(dataset))
    assert attempt.release_id == "release-3"
    assert attempt.asked == str(CLAIM)


def test_hyperparameters_are_written_down() -> None:
    parameters = parameters_of(MWEM(rounds=3))
    assert parameters["rounds"] == 3
    assert json.loads(json.dumps(parameters)) == parameters


def test_issued_at_is_written_in_utc(facts: ReleaseFacts, judged: JudgedTable) -> None:
    moment = datetime(2026, 1, 1, 0, 30, tzinfo=timezone(timedelta(hours=2)))
    made = certify(facts, judged, POLICY, issued_at=moment, software=SOFTWARE)
    assert made.document.issued_at == moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") == "2025-12-31T22:30:00Z"


def test_every_field_stands_in_the_reference() -> None:
    reference = (SCHEMA_FILE.parent / "certificate.md").read_text(encoding="utf-8")
    schema = json.loads(certificate_json_schema())
    for part in (schema, *schema["$defs"].values()):
        for field, content in part.get("properties", {}).items():
            assert f"`{field}`" in reference
            assert content.get("description", "") in reference

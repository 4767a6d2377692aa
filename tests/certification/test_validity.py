from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from dpsynth.certification.document import CertificateDocument
from dpsynth.certification.signing import SigningKey
from dpsynth.certification.source_digest import attack_suite_sha256
from dpsynth.certification.validity_checks import describe_validity, problem_of_validity
from dpsynth.certification.verify import verify_release
from dpsynth.errors import InvalidInput
from tests.certification.made_releases import ISSUED, POLICY, MadeRelease
from tests.certification.test_verify import Change, edited, failed

DAY = timedelta(days=1)
YEAR = 365 * DAY


@pytest.fixture(scope="module")
def document(made: MadeRelease) -> CertificateDocument:
    return made.certificate.document


def test_a_certificate_says_until_when_and_why(document: CertificateDocument) -> None:
    assert document.validity is not None
    assert (document.issued_at, document.validity.until) == ("2026-03-01T12:30:00Z", "2027-03-01T12:30:00Z")
    assert document.validity.reason == POLICY.reasons["valid_days"]
    assert document.validity.attack_suite_sha256 == attack_suite_sha256()
    assert describe_validity(document) == "it stands until 2027-03-01, 365 days from its issue"


def test_an_expired_certificate_is_refused_with_its_own_reason(released: Path) -> None:
    assert verify_release(released, now=ISSUED + YEAR).passed
    verification = verify_release(released, now=ISSUED + YEAR + timedelta(seconds=1))
    assert failed(verification) == {"validity"}
    assert "it expired on 2027-03-01" in verification.problems[0]
    assert "the promise to people does not age" in verification.problems[0]


def test_a_certificate_from_the_future_is_refused(document: CertificateDocument) -> None:
    assert problem_of_validity(document, ISSUED - 0.9 * DAY) is None
    assert "in the future" in (problem_of_validity(document, ISSUED - 1.1 * DAY) or "")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"until": "2036-03-01T12:30:00Z"}, "not 365 days after it was issued"),
        ({"until": "2036-02-27T12:30:00Z", "days": 3650}, "its policy 'default' grants 365"),
        ({"until": "2027-13-01T12:30:00Z"}, "a day that there is not"),
        ({"days": 10**12}, "a day that there is not"),
    ],
)
def test_nobody_grants_themselves_a_longer_life(
    document: CertificateDocument, changes: dict[str, object], words: str
) -> None:
    assert document.validity is not None
    longer = document.model_copy(update={"validity": document.validity.model_copy(update=changes)})
    assert words in (problem_of_validity(longer, ISSUED + DAY) or "")


def test_other_attacks_are_said_and_refuse_nothing(document: CertificateDocument) -> None:
    assert document.validity is not None
    older = document.validity.model_copy(update={"attack_suite_sha256": "0" * 64})
    changed: CertificateDocument = document.model_copy(update={"validity": older})
    assert problem_of_validity(changed, ISSUED + DAY) is None
    assert "a new one would say more" in describe_validity(changed)


@pytest.mark.parametrize(
    ("change", "check", "words"),
    [
        (lambda c: c["power"].update(planted_rows=0.001), "certificate", "another power"),
        (lambda c: c["dependencies"]["packages"][0].update(version="9.9"), "certificate", "digest of packages"),
        (lambda c: (c.pop("commitment"), c["ledger"]["entries"].pop(0)), "commitment", "names no"),
    ],
    ids=["power", "packages", "unbound"],
)
def test_what_new_certificates_always_hold_is_asked_for(
    made: MadeRelease, key: SigningKey, tmp_path: Path, change: Change, check: str, words: str
) -> None:
    verification = verify_release(edited(made.write(tmp_path / "release", key), key, change))
    assert check in failed(verification)
    assert any(words in problem for problem in verification.problems)


@pytest.mark.parametrize("days", [0, 36_501])
def test_a_policy_grants_neither_nothing_nor_for_ever(days: int) -> None:
    with pytest.raises(InvalidInput, match="valid_days"):
        replace(POLICY, valid_days=days)

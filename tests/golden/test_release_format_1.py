"""A release that was made before certificates named plans verifies for ever, to the letter.

`release_format_1` was written by the last version whose certificates state neither `proven` nor `plans`.
"""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema

from dpsynth.certification import verify_release
from dpsynth.certification.certificate import Certificate
from dpsynth.certification.document import certificate_json_schema

RELEASE = Path(__file__).parent / "release_format_1"


def test_a_release_of_before_verifies() -> None:
    verification = verify_release(RELEASE, public_key=RELEASE / "public_key.pem")
    assert verification.problems == ()


def test_its_certificate_is_written_back_to_the_letter() -> None:
    raw = (RELEASE / "certificate.json").read_bytes()
    certificate = Certificate.from_json(raw)
    assert certificate.to_json() == raw
    assert certificate.document.accountants.proven is None
    assert certificate.document.ledger.plans == ()
    jsonschema.validate(json.loads(raw), json.loads(certificate_json_schema()))

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dpsynth.certification.commitment import (
    COMMITMENT,
    Commitment,
    bound_entries,
    is_commitment,
    new_salt,
    rows_to_sample,
    sampling_stream,
)
from dpsynth.certification.facts import EXPORTED, note_of_withheld
from dpsynth.certification.signing import SigningKey
from dpsynth.certification.verify import verify_release
from dpsynth.errors import BundleError
from dpsynth.ledger import Ledger
from tests.certification import made_releases
from tests.certification.made_releases import MadeRelease, honest_release, settled_ledger, survey_schema
from tests.certification.test_verify import Change, edited, failed

OTHER = Commitment({"seed": "2"}, salt="00" * 32)


def note(ledger: Ledger, commitment: Commitment) -> None:
    ledger.note(survey_schema().dataset, commitment.note, release_id="release-1")


def bound_by(*notes: Commitment, late: bool = False) -> MadeRelease:
    """Return a release whose ledger holds these commitments, before its charge or behind it."""
    ledger = Ledger("sqlite://")
    for commitment in () if late else notes:
        note(ledger, commitment)
    settled_ledger(ledger=ledger, bound=False)
    for commitment in notes if late else ():
        note(ledger, commitment)
    return honest_release(rows=400, ledger_extract=tuple(ledger.extract("release-1")))


def test_a_certificate_names_the_commitment_of_the_ledger(made: MadeRelease, released: Path) -> None:
    stated = made.certificate.document.commitment
    assert stated is not None
    assert stated.sha256 == made_releases.COMMITMENT.digest
    (bound,) = bound_entries(made.facts.ledger_extract, "release-1")
    assert (bound.index, bound.digest, bound.in_time) == (stated.entry, stated.sha256, True)
    (check,) = (check for check in verify_release(released).checks if check.name == "commitment")
    assert "before the charge" in check.explanation


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c: c["commitment"].update(sha256=OTHER.digest), "another commitment than the ledger holds"),
        (lambda c: c["commitment"].update(entry=1), "is entry 2 of the ledger, not 1"),
        (lambda c: c.pop("commitment"), "it names no commitment, and every certificate of this form does"),
    ],
)
def test_a_certificate_with_another_commitment_is_refused(
    made: MadeRelease, key: SigningKey, tmp_path: Path, change: Change, words: str
) -> None:
    verification = verify_release(edited(made.write(tmp_path / "release", key), key, change))
    assert failed(verification) == {"commitment"}
    assert words in verification.problems[0]


@pytest.mark.parametrize(
    ("notes", "late", "words"),
    [
        ((OTHER,), True, "stands behind the charge"),
        ((made_releases.COMMITMENT, OTHER), False, "holds 2 commitments of this release"),
    ],
    ids=["late", "twice"],
)
def test_a_ledger_that_binds_too_late_or_twice_is_refused(
    tmp_path: Path, key: SigningKey, notes: tuple[Commitment, ...], late: bool, words: str
) -> None:
    verification = verify_release(bound_by(*notes, late=late).write(tmp_path / "release", key))
    assert failed(verification) == {"commitment"}
    assert words in verification.problems[0]


def test_a_commitment_that_the_ledger_lacks_is_refused(tmp_path: Path, key: SigningKey) -> None:
    stated = {"sha256": OTHER.digest, "entry": 1}
    folder = edited(bound_by().write(tmp_path / "release", key), key, lambda c: c.update(commitment=stated))
    verification = verify_release(folder)
    assert failed(verification) == {"commitment"}
    assert "the ledger holds none of this release" in verification.problems[0]


def test_every_part_and_the_salt_change_the_digest() -> None:
    first = Commitment({"seed": "1", "coins": "01"}, salt="00" * 32)
    assert len({first.digest, Commitment({"seed": "1", "coins": "10"}, "00" * 32).digest, OTHER.digest}) == 3
    assert Commitment(first.content, new_salt()).digest != Commitment(first.content, new_salt()).digest


def test_only_a_commitment_is_one() -> None:
    assert is_commitment(OTHER.note)
    for text in (EXPORTED, note_of_withheld("FAIL", "0" * 64), OTHER.note + " ", OTHER.note[:-1], OTHER.digest):
        assert not is_commitment(text)


def test_it_is_kept_for_its_owner_only_and_read_back(tmp_path: Path) -> None:
    OTHER.write(tmp_path)
    file = tmp_path / COMMITMENT
    assert file.stat().st_mode & 0o077 == 0
    assert json.loads(file.read_text())["stamp"].startswith("internal")
    assert Commitment.read(file) == Commitment.read(tmp_path) == OTHER
    with pytest.raises(BundleError, match="cannot be written"):
        OTHER.write(tmp_path)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"content": 1, "salt": "x"}', '{"content": {"a": 1e999}}'])
def test_what_opens_nothing_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / COMMITMENT).write_text(content)
    with pytest.raises(BundleError, match="holds no opening"):
        Commitment.read(tmp_path)


def test_a_table_is_as_long_as_ordered_or_as_the_real_one() -> None:
    assert rows_to_sample(7, 500.0, planted=20, controls=0.1) == 7
    assert rows_to_sample(None, 920.0, planted=20, controls=0.1) == 1000
    assert rows_to_sample(None, -30.0, planted=0, controls=0.0) == 0


def test_the_table_has_a_stream_of_its_own_that_the_seed_fixes() -> None:
    first, again, other = (sampling_stream(seed).integers(1 << 62, size=4).tolist() for seed in (3, 3, 4))
    assert first == again != other

from __future__ import annotations

import base64
import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rfc8785

from dpsynth.certification import layout
from dpsynth.certification.certificate import Certificate, Override
from dpsynth.certification.limits import PUBLISHED_LIMITS
from dpsynth.certification.signing import SigningKey, load_or_create_key, sign_envelope, statement
from dpsynth.certification.verification import Verification
from dpsynth.certification.verify import verify_release
from dpsynth.errors import BundleError
from tests.certification.made_releases import MadeRelease, honest_release
from tests.certification.test_bundle import FILES

Change = Callable[[dict], object]


@pytest.fixture
def folder(released: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(released, tmp_path / "release"))


def failed(verification: Verification) -> set[str]:
    return {check.name for check in verification.checks if not check.passed}


def resigned(folder: Path, key: SigningKey) -> Path:
    """Make digests and signature fit whatever the folder holds now, as an attacker with a key of their own would."""
    names = sorted(path.name for path in folder.iterdir())
    signed = {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest()
        for name in names
        if name in layout.SIGNED or name in layout.TABLES
    }
    predicate = json.loads((folder / layout.CERTIFICATE).read_bytes())
    (folder / layout.ENVELOPE).write_bytes(sign_envelope(statement(signed, predicate), key))
    (folder / layout.PUBLIC_KEY).write_bytes(key.public_pem)
    digests = {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names if name != layout.CHECKSUMS
    }
    (folder / layout.CHECKSUMS).write_bytes(layout.checksum_lines(digests))
    return folder


def edited(folder: Path, key: SigningKey, change: Change) -> Path:
    """Change the certificate, render nothing anew, and sign everything again."""
    content = json.loads((folder / layout.CERTIFICATE).read_bytes())
    change(content)
    raw = rfc8785.dumps(content)
    old = hashlib.sha256((folder / layout.CERTIFICATE).read_bytes()).hexdigest()
    report = (folder / layout.REPORT).read_text(encoding="utf-8").replace(old, hashlib.sha256(raw).hexdigest())
    (folder / layout.CERTIFICATE).write_bytes(raw)
    (folder / layout.REPORT).write_text(report, encoding="utf-8")
    return resigned(folder, key)


def test_a_release_verifies_offline_and_explains_itself(released: Path) -> None:
    verification = verify_release(released)
    assert verification.passed
    assert verification.problems == ()
    assert [check.name for check in verification.checks] == [
        *("files", "signature", "certificate", "verdict", "validity", "schema", "table"),
        *("negative controls", "ledger"),
        *("commitment", "charges", "plan", "cost", "report"),
    ]
    assert all(check.explanation for check in verification.checks)


def test_a_parquet_release_verifies(tmp_path: Path, key: SigningKey) -> None:
    made = honest_release(rows=300, table_file="synthetic.parquet")
    assert verify_release(made.write(tmp_path / "release", key)).problems == ()


def test_an_empty_table_verifies(tmp_path: Path, key: SigningKey) -> None:
    made = honest_release(rows=0, noisy_rows=500.0, override=Override(by="A. Person", reason="test"))
    assert verify_release(made.write(tmp_path / "release", key)).problems == ()


def test_the_signers_key_is_recognised(released: Path, key: SigningKey, tmp_path: Path) -> None:
    published = tmp_path / "published.pem"
    published.write_bytes(key.public_pem)
    verification = verify_release(released, public_key=published)
    assert verification.passed
    assert "the key that you trust" in verification.checks[1].explanation


def test_another_key_is_refused(released: Path, tmp_path: Path) -> None:
    published = tmp_path / "published.pem"
    published.write_bytes(load_or_create_key(tmp_path / "other.pem").public_pem)
    verification = verify_release(released, public_key=published)
    assert failed(verification) == {"signature"}
    assert "not one of the key that you trust" in verification.problems[0]


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_byte_flipped_anywhere_is_detected(folder: Path, name: str) -> None:
    path = folder / name
    content = path.read_bytes()
    rng = np.random.default_rng(len(content))
    for place in {0, len(content) - 1, *rng.integers(0, len(content), size=4).tolist()}:
        flipped = bytearray(content)
        flipped[place] ^= (1, 0x20)[place % 2]
        path.write_bytes(bytes(flipped))
        assert not verify_release(folder).passed, (name, place)


@pytest.mark.parametrize("place", [0, 0.2, 0.5, 0.8])
@pytest.mark.parametrize("name", sorted(FILES - {"SHA256SUMS", "certificate.dsse.json", "public_key.pem"}))
def test_a_flip_that_fits_the_checksums_still_fails_the_signature(folder: Path, name: str, place: float) -> None:
    path = folder / name
    content = bytearray(path.read_bytes())
    content[int(len(content) * place)] ^= 1
    path.write_bytes(bytes(content))
    digests = {
        file.name: hashlib.sha256(file.read_bytes()).hexdigest()
        for file in folder.iterdir()
        if file.name != layout.CHECKSUMS
    }
    (folder / layout.CHECKSUMS).write_bytes(layout.checksum_lines(digests))
    verification = verify_release(folder)
    assert "files" not in failed(verification)
    assert "signature" in failed(verification)


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    assert any(name in problem for problem in verify_release(folder).problems)


def test_a_further_file_is_refused(folder: Path) -> None:
    (folder / "patients.csv").write_text("a,b\n")
    verification = verify_release(folder)
    assert failed(verification) == {"files"}
    assert "no part of this release: patients.csv" in verification.problems[0]


@pytest.mark.parametrize("name", ["patients.csv", "synthetic.parquet", ".hidden.html"])
def test_a_further_file_is_refused_even_if_it_is_listed(folder: Path, name: str) -> None:
    assert not (folder / name).exists()
    (folder / name).write_text("a,b\n")
    digests = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.iterdir()
        if path.name != "SHA256SUMS"
    }
    (folder / "SHA256SUMS").write_bytes(layout.checksum_lines(digests))
    assert "files" in failed(verify_release(folder))


def test_folders_and_links_are_refused(folder: Path) -> None:
    (folder / "more").mkdir()
    assert "files" in failed(verify_release(folder))
    (folder / "more").rmdir()
    (folder / "link").symlink_to(folder / "schema.yaml")
    assert "files" in failed(verify_release(folder))


def test_a_swapped_table_is_refused(folder: Path, key: SigningKey, tmp_path: Path) -> None:
    other = honest_release(rows=399).write(tmp_path / "other", key)
    shutil.copy(other / "synthetic.csv", folder / "synthetic.csv")
    assert {"files", "signature", "table"} <= failed(verify_release(folder))
    assert "table" in failed(verify_release(resigned(folder, key)))


def test_an_older_certificate_is_refused(folder: Path, key: SigningKey, tmp_path: Path) -> None:
    older = honest_release(rows=399).write(tmp_path / "older", key)
    for name in (layout.CERTIFICATE, layout.ENVELOPE):
        shutil.copy(older / name, folder / name)
    verification = verify_release(folder)
    assert {"files", "signature", "table", "report"} <= failed(verification)
    assert any("another version of" in problem for problem in verification.problems)


def test_a_cut_ledger_is_refused(folder: Path, key: SigningKey) -> None:
    path = folder / layout.LEDGER
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))
    verification = verify_release(resigned(folder, key))
    assert {"ledger", "charges"} <= failed(verification)


def test_every_forgery_is_refused_with_a_reason_of_its_own(
    released: Path, key: SigningKey, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = honest_release(rows=399).write(tmp_path / "other", key)
    stranger = load_or_create_key(tmp_path_factory.mktemp("stranger") / "key.pem")

    def forged(name: str) -> Path:
        return Path(shutil.copytree(released, tmp_path / name))

    def edit(content: dict) -> None:
        content["claim"]["epsilon"] = "0.5"

    def replayed(folder: Path) -> Path:
        for name in (layout.CERTIFICATE, layout.ENVELOPE):
            shutil.copy(other / name, folder / name)
        return folder

    def swapped(folder: Path) -> Path:
        shutil.copy(other / "synthetic.csv", folder / "synthetic.csv")
        return resigned(folder, key)

    def cut(folder: Path) -> Path:
        path = folder / layout.LEDGER
        path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))
        return resigned(folder, key)

    published = tmp_path / "published.pem"
    published.write_bytes(stranger.public_pem)
    said = {
        "edited certificate": verify_release(edited(forged("edited"), key, edit)).problems,
        "swapped table": verify_release(swapped(forged("swapped"))).problems,
        "older certificate": verify_release(replayed(forged("replayed"))).problems,
        "wrong key": verify_release(forged("wrong"), public_key=published).problems,
        "cut ledger": verify_release(cut(forged("cut"))).problems,
    }
    reasons = {
        "edited certificate": "certificate: it states another",
        "swapped table": "table: synthetic.csv is not the table that the certificate is about",
        "older certificate": "another version of",
        "wrong key": "not one of the key that you trust",
        "cut ledger": "ledger: ",
    }
    for forgery, problems in said.items():
        assert any(reasons[forgery] in problem for problem in problems), problems
    assert len({frozenset(problems) for problems in said.values()}) == len(said)


@pytest.mark.parametrize("content", [b"", b"{}\n", b"null\n", b"not json\n", b'{"index": 1}\n', b"[" * 100_000 + b"\n"])
def test_a_ledger_of_another_form_is_refused(folder: Path, key: SigningKey, content: bytes) -> None:
    (folder / layout.LEDGER).write_bytes(content)
    assert "ledger" in failed(verify_release(resigned(folder, key)))


def test_a_cell_outside_the_domain_is_refused(folder: Path, key: SigningKey) -> None:
    path = folder / "synthetic.csv"
    lines = path.read_text().splitlines(keepends=True)
    lines[1] = lines[1].replace(lines[1].split(",")[4], "dreadful")
    path.write_text("".join(lines))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    verification = verify_release(edited(folder, key, lambda c: c["artefacts"].update(table_sha256=digest)))
    assert failed(verification) == {"table"}
    assert "column 'health'" in verification.problems[0]


def test_other_columns_and_rows_are_refused(folder: Path, key: SigningKey) -> None:
    path = folder / "synthetic.csv"
    lines = path.read_text().splitlines(keepends=True)
    for content, words in (
        ("".join(lines[:-1]), "rows, the certificate is about"),
        ("".join([lines[0].replace("age", "Age"), *lines[1:]]), "other columns"),
        ("".join([*lines, "1,2\n"]), "cannot be read as a table"),
        ("", "cannot be read as a table"),
    ):
        path.write_text(content)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        verification = verify_release(edited(folder, key, lambda c, d=digest: c["artefacts"].update(table_sha256=d)))
        assert failed(verification) == {"table"}
        assert words in verification.problems[0]


@pytest.mark.parametrize(
    ("change", "check"),
    [
        (lambda c: c.update(verdict="FAIL"), "certificate"),
        (lambda c: c["checks"][0].update(passed=False), "certificate"),
        (lambda c: c["checks"][0].update(verdict="INCONCLUSIVE"), "certificate"),
        (lambda c: c.update(anything="else"), "certificate"),
        (lambda c: c.pop("limits"), "certificate"),
        (lambda c: c["error_bars"]["bars"][0].update(columns=["weight"]), "certificate"),
        (lambda c: c["error_bars"]["bars"][0].update(columns=["region"]), "certificate"),
        (lambda c: c["error_bars"]["bars"][0].update(lower=0.015), "certificate"),
        (lambda c: c["error_bars"]["bars"][0].update(groups=[]), "certificate"),
        (lambda c: c["artefacts"].update(schema_sha256="0" * 64), "schema"),
        (lambda c: c["scope"].update(dataset="other"), "schema"),
        (lambda c: c["scope"].update(rows=7), "table"),
        (lambda c: c["artefacts"].update(table_file="../../passwords"), "table"),
        (lambda c: c["ledger"].update(head_digest="0" * 64), "ledger"),
        (lambda c: c["ledger"]["entries"].pop(), "ledger"),
        (lambda c: c["claim"]["charges"].pop(), "charges"),
        (lambda c: c["claim"]["charges"][0]["event"].update(variance="2000"), "charges"),
        (lambda c: c["claim"].update(epsilon="0.001"), "cost"),
        (lambda c: c["accountants"].update(pld="0.0001"), "cost"),
        (lambda c: c["claim"]["charges"][0].update(event={"event": "Magic"}), "cost"),
    ],
)
def test_a_certificate_that_says_something_else_is_refused(
    folder: Path, key: SigningKey, change: Change, check: str
) -> None:
    """Even if somebody with a key of their own signs it again."""
    verification = verify_release(edited(folder, key, change))
    assert check in failed(verification)
    assert all(problem.strip() for problem in verification.problems)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"verdict": "INCONCLUSIVE"}, "something else than its gates"),
        ({"correct": 150, "guesses": 150}, "other numbers than follow from its counts"),
        ({"excess_upper": 0.001}, "other numbers than follow from its counts"),
        ({"epsilon_lower": 0.4}, "other numbers than follow from its counts"),
        ({"p_value": None}, "other numbers than follow from its counts"),
        ({"correct": 3}, "more planted rows or guesses than there can be"),
        ({"included": 500}, "more planted rows or guesses than there can be"),
        ({"threshold": None}, "rows without a threshold"),
        ({"tolerance": 0.5}, "tolerates something else than the policy"),
        ({"significance": 0.5}, "tolerates something else than the policy"),
        ({"tolerance": None}, "does not say what is tolerated"),
    ],
)
def test_canaries_that_contradict_their_counts_are_refused(
    folder: Path, key: SigningKey, change: dict, reason: str
) -> None:
    def plant(content: dict) -> None:
        content["canaries"] |= change
        for name in ("tolerance", "significance"):
            if content["canaries"][name] is None:
                del content["canaries"][name]

    verification = verify_release(edited(folder, key, plant))
    assert failed(verification) == {"certificate"}
    assert reason in verification.problems[0]


@pytest.mark.parametrize("other_policy", [False, True])
@pytest.mark.parametrize(
    "change",
    [
        lambda audits: audits.update(missing=["L1"]),
        lambda audits: audits["results"][0].update(result="FAIL"),
        lambda audits: audits.update(results=[]),
    ],
    ids=["one is missing", "one has failed", "none is listed"],
)
def test_a_check_of_audits_that_contradicts_their_list_is_refused(
    folder: Path, key: SigningKey, change: Change, other_policy: bool
) -> None:
    def plant(content: dict) -> None:
        change(content["audits"])
        if other_policy:
            content["policy_sha256"] = "0" * 64

    verification = verify_release(edited(folder, key, plant))
    if other_policy and not json.loads((folder / "certificate.json").read_text())["audits"]["results"]:
        assert failed(verification) == set()  # what nobody knows may have asked for none
        return
    assert failed(verification) == {"certificate"}
    assert "check of the audits says something else" in verification.problems[0]


def test_a_policy_that_bears_the_name_of_a_preset_is_told_from_it(folder: Path, key: SigningKey) -> None:
    def explained(place: Path) -> str:
        return next(check.explanation for check in verify_release(place).checks if check.name == "certificate")

    assert "policy" not in explained(folder)
    assert "its policy is called 'default', but is not what comes with" in explained(
        edited(folder, key, lambda content: content.update(policy_sha256="0" * 64))
    )


@pytest.mark.parametrize(("tolerance", "passed"), [(0.001, False), (0.06, True)])
def test_the_verdict_of_the_canaries_follows_from_the_tolerance_of_an_unknown_policy(
    folder: Path, key: SigningKey, tolerance: float, passed: bool
) -> None:
    def plant(content: dict) -> None:
        content["policy_sha256"] = "0" * 64
        content["canaries"]["tolerance"] = tolerance

    verification = verify_release(edited(folder, key, plant))
    assert verification.passed is passed
    assert passed or "the verdict of its canary gate does not follow" in verification.problems[0]


@pytest.mark.parametrize("limits", PUBLISHED_LIMITS, ids=range(len(PUBLISHED_LIMITS)))
def test_every_text_on_limits_that_was_published_verifies(
    folder: Path, key: SigningKey, limits: tuple[str, ...]
) -> None:
    assert verify_release(edited(folder, key, lambda c: c.update(limits=list(limits)))).passed
    verification = verify_release(edited(folder, key, lambda c: c.update(limits=list(limits[1:]))))
    assert failed(verification) == {"certificate"}
    assert "what it does not say" in verification.problems[0]


def test_a_refused_release_does_not_verify(folder: Path, key: SigningKey) -> None:
    def refuse(content: dict) -> None:
        content["verdict"] = content["checks"][0]["verdict"] = "FAIL"
        content["checks"][0]["passed"] = False

    verification = verify_release(edited(folder, key, refuse))
    assert failed(verification) == {"verdict"}
    assert "should not have left" in verification.problems[0]


def test_an_override_is_shown(tmp_path: Path, key: SigningKey) -> None:
    made = honest_release(rows=100, noise_certifiable=False, override=Override(by="A. Person", reason="urgent"))
    verification = verify_release(made.write(tmp_path / "release", key))
    assert verification.passed
    assert "FAIL, exported by decision of A. Person: urgent" in [check.explanation for check in verification.checks]


def test_a_report_of_another_certificate_is_refused(folder: Path, key: SigningKey) -> None:
    path = folder / layout.REPORT
    path.write_text(path.read_text(encoding="utf-8").replace("certificate-sha256", "sha256"), encoding="utf-8")
    assert failed(verify_release(resigned(folder, key))) == {"report"}


def test_a_signature_over_something_else_is_refused(folder: Path, key: SigningKey) -> None:
    for payload in (b"not json", b"[]", b"{}"):
        (folder / layout.ENVELOPE).write_bytes(sign_envelope(payload, key))
        assert "signature" in failed(verify_release(folder))


def test_the_payload_of_the_envelope_is_the_certificate(released: Path, made: MadeRelease) -> None:
    envelope = json.loads((released / layout.ENVELOPE).read_bytes())
    content = json.loads(base64.b64decode(envelope["payload"]))
    assert rfc8785.dumps(content["predicate"]) == made.certificate.to_json()
    assert {subject["name"] for subject in content["subject"]} == {*layout.SIGNED, "synthetic.csv"}


def test_what_is_no_release_folder_is_refused(tmp_path: Path, released: Path) -> None:
    with pytest.raises(BundleError, match="not a folder"):
        verify_release(tmp_path / "nothing")
    with pytest.raises(BundleError, match="public key"):
        verify_release(released, public_key=tmp_path / "nothing.pem")
    empty = tmp_path / "empty"
    empty.mkdir()
    verification = verify_release(empty)
    assert not verification.passed
    assert all("missing" in problem for problem in verification.problems)


def test_a_certificate_read_back_is_the_one_written(released: Path, made: MadeRelease) -> None:
    assert Certificate.from_json((released / layout.CERTIFICATE).read_bytes()) == made.certificate
    assert replace(made.certificate).to_json() == made.certificate.to_json()

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from dpsynth.certification.signing import (
    default_home,
    key_id_of,
    load_or_create_key,
    open_envelope,
    pre_authentication_encoding,
    sign_envelope,
    statement,
)
from dpsynth.errors import BundleError


def test_pre_authentication_encoding_is_that_of_the_protocol() -> None:
    # Golden vector of the DSSE protocol document.
    encoded = pre_authentication_encoding(b"hello world", "http://example.com/HelloWorld")
    assert encoded == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"


def test_a_key_is_made_once_and_belongs_to_its_owner(tmp_path: Path) -> None:
    place = tmp_path / "deep" / "signing-key.pem"
    key = load_or_create_key(place)
    assert place.stat().st_mode & 0o777 == 0o600
    assert place.parent.stat().st_mode & 0o777 == 0o700
    assert load_or_create_key(place).key_id == key.key_id == key_id_of(key.public_pem)
    assert [path.name for path in place.parent.iterdir()] == [place.name]


def test_a_key_never_prints_itself(tmp_path: Path) -> None:
    place = tmp_path / "key.pem"
    key = load_or_create_key(place)
    assert repr(key) == f"<SigningKey {key.key_id[:16]}>"


def test_the_key_lives_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DPSYNTH_HOME", str(tmp_path / "here"))
    assert default_home() == tmp_path / "here"
    load_or_create_key()
    assert (tmp_path / "here" / "signing-key.pem").exists()
    monkeypatch.delenv("DPSYNTH_HOME")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert default_home() == tmp_path / "data" / "dpsynth"
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_home() == tmp_path / ".local" / "share" / "dpsynth"


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    place = tmp_path / "key.pem"
    load_or_create_key(place)
    place.chmod(0o644)
    with pytest.raises(BundleError, match="chmod 600"):
        load_or_create_key(place)


@pytest.mark.parametrize(
    "content", [b"", b"not a key", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"]
)
def test_something_else_than_a_key_is_refused(tmp_path: Path, content: bytes) -> None:
    place = tmp_path / "key.pem"
    place.write_bytes(content)
    place.chmod(0o600)
    with pytest.raises(BundleError, match="does not hold"):
        load_or_create_key(place)


def test_a_key_of_another_kind_is_refused(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    place = tmp_path / "key.pem"
    pem = generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    place.write_bytes(pem)
    place.chmod(0o600)
    with pytest.raises(BundleError, match="Ed25519"):
        load_or_create_key(place)


def test_a_signature_holds_for_its_key_and_payload_only(tmp_path: Path) -> None:
    key, other = load_or_create_key(tmp_path / "a.pem"), load_or_create_key(tmp_path / "b.pem")
    opened = open_envelope(sign_envelope(b"payload", key))
    assert (opened.payload, opened.key_id, len(opened.signature)) == (b"payload", key.key_id, 64)
    assert opened.is_signed_by(key.public_pem)
    assert not opened.is_signed_by(other.public_pem)


def test_a_changed_payload_does_not_verify(tmp_path: Path) -> None:
    key = load_or_create_key(tmp_path / "a.pem")
    content = json.loads(sign_envelope(b"payload", key))
    content["payload"] = base64.b64encode(b"Payload").decode()
    forged = json.dumps(content, separators=(",", ":"), sort_keys=True).encode()
    assert not open_envelope(forged).is_signed_by(key.public_pem)


@pytest.mark.parametrize(
    "raw", [b"", b"{}", b"[]", b'{"signatures":[]}', b'{"signatures":[{}],"payload":"*"}', b"\xff"]
)
def test_what_is_no_envelope_is_refused(raw: bytes) -> None:
    with pytest.raises(BundleError):
        open_envelope(raw)


def test_another_spelling_of_an_envelope_is_refused(tmp_path: Path) -> None:
    raw = sign_envelope(b"payload", load_or_create_key(tmp_path / "a.pem"))
    with pytest.raises(BundleError, match="canonical"):
        open_envelope(raw.replace(b",", b", ", 1))


def test_a_statement_names_its_files_in_order() -> None:
    content = json.loads(statement({"b": "22", "a": "11"}, {"verdict": "PASS"}))
    assert content["_type"] == "https://in-toto.io/Statement/v1"
    assert content["subject"] == [
        {"digest": {"sha256": "11"}, "name": "a"},
        {"digest": {"sha256": "22"}, "name": "b"},
    ]
    assert content["predicate"] == {"verdict": "PASS"}


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_openssl_verifies_the_same_bytes(tmp_path: Path) -> None:
    key = load_or_create_key(tmp_path / "a.pem")
    opened = open_envelope(sign_envelope(b'{"a":1}', key))
    (tmp_path / "pub.pem").write_bytes(key.public_pem)
    (tmp_path / "message").write_bytes(pre_authentication_encoding(opened.payload))
    (tmp_path / "signature").write_bytes(opened.signature)
    command = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", "pub.pem", "-rawin", "-in", "message"]
    run = subprocess.run([*command, "-sigfile", "signature"], cwd=tmp_path, capture_output=True, check=False)
    assert run.returncode == 0, run.stderr


def test_two_processes_at_once_end_with_one_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "key.pem"
    first = load_or_create_key(place)
    # The other process saw no key, made one, and finds at the end that somebody was faster.
    exists = Path.exists
    monkeypatch.setattr(Path, "exists", lambda self, **_: False if self == place else exists(self))
    assert load_or_create_key(place).key_id == first.key_id
    assert [path.name for path in tmp_path.iterdir()] == ["key.pem"]

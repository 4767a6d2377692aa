"""`dpsynth keys`: a key is made once, shown by its public part, and never replaced."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from dpsynth.ledger.keys import load_or_create_key
from tests.cli.command_line import Run, runner


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    return runner(monkeypatch, capsys, tmp_path)


def test_a_new_key_is_secret_and_signs_what_its_public_part_recognises(run: Run, tmp_path: Path) -> None:
    private, public = tmp_path / "ada.pem", tmp_path / "ada.pub.pem"
    made = run("keys", "new", "--out", private, "--public", public)
    assert made.code == 0
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    key = load_or_create_key(private)
    assert public.read_bytes() == key.public_pem
    assert key.key_id in made.out
    assert "PRIVATE" not in made.out + made.err


def test_without_a_place_it_is_the_key_of_releases(run: Run, tmp_path: Path) -> None:
    assert run("keys", "new").code == 0
    key = load_or_create_key()
    assert run("keys", "show").out == key.public_pem.decode()
    assert (tmp_path / "keys" / "signing-key.pem").is_file()


@pytest.mark.parametrize("taken", ["ada.pem", "ada.pub.pem"])
def test_nothing_is_replaced(run: Run, tmp_path: Path, taken: str) -> None:
    (tmp_path / taken).write_text("what was here before")
    refused = run("keys", "new", "--out", tmp_path / "ada.pem", "--public", tmp_path / "ada.pub.pem")
    assert refused.code == 2
    assert "exists already" in refused.err
    assert (tmp_path / taken).read_text() == "what was here before"
    assert [path.name for path in tmp_path.glob("*.pem")] == [taken]


@pytest.mark.parametrize("form", ["private", "public", "folder"])
def test_private_key_public_key_and_release_folder_show_the_same(run: Run, tmp_path: Path, form: str) -> None:
    private, public = tmp_path / "ada.pem", tmp_path / "public_key.pem"
    run("keys", "new", "--out", private, "--public", public)
    key = load_or_create_key(private)
    shown = run("keys", "show", {"private": private, "public": public, "folder": tmp_path}[form], "--json")
    assert json.loads(shown.out)["key_id"] == key.key_id
    assert json.loads(shown.out)["public_key"] == key.public_pem.decode()
    assert "PRIVATE" not in shown.out + shown.err


def test_what_is_no_key_is_refused(run: Run, tmp_path: Path) -> None:
    assert "dpsynth keys new" in " ".join(run("keys", "show").err.split())
    (tmp_path / "letter.pem").write_text("-----BEGIN PUBLIC KEY-----\nnot one\n-----END PUBLIC KEY-----\n")
    assert run("keys", "show", tmp_path / "letter.pem").code == 2
    assert run("keys", "show", tmp_path / "absent.pem").code == 2
    (tmp_path / "note.txt").write_text("hello")
    (tmp_path / "note.txt").chmod(0o600)
    refused = run("keys", "show", tmp_path / "note.txt")
    assert refused.code == 2
    assert "does not hold an unencrypted private key" in refused.err


def test_a_key_that_others_can_read_is_not_shown(run: Run, tmp_path: Path) -> None:
    run("keys", "new", "--out", tmp_path / "ada.pem")
    (tmp_path / "ada.pem").chmod(0o644)
    refused = run("keys", "show", tmp_path / "ada.pem")
    assert refused.code == 2
    assert "chmod 600" in refused.err

"""The digest of what a fit runs: it moves with every module that a fit can reach, and with no other."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dpsynth.certification import source_digest
from tests.architecture.source_tree import PACKAGE

MST = "dpsynth.generators.mst"


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("copied") / "dpsynth"
    shutil.copytree(PACKAGE, place, ignore=shutil.ignore_patterns("__pycache__"))
    return place


@pytest.fixture
def copied(package: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(source_digest, "_PACKAGE", package)
    return package


@contextmanager
def another_line(file: Path) -> Iterator[None]:
    before = file.read_bytes()
    file.write_bytes(before + b"\n# another line\n")
    yield
    file.write_bytes(before)


def digest(module: str = MST) -> str:
    return source_digest.source_sha256.__wrapped__(module)


@pytest.mark.parametrize(
    "place",
    [
        "generators/mst.py",
        "curator/gate.py",
        "curator/gradients.py",
        "mechanisms/rounded_gaussian.py",
        "randomness.py",
        "ledger/journal.py",
        "accounting/gaussian_dp.py",
        "models/mirror_descent.py",
    ],
)
def test_it_moves_with_what_a_fit_runs(copied: Path, place: str) -> None:
    before = digest()
    with another_line(copied / place):
        assert digest() != before
    assert digest() == before


@pytest.mark.parametrize("place", ["generators/aim.py", "report/html.py", "attacks/suite.py", "cli/app.py"])
def test_it_stays_with_what_no_fit_runs(copied: Path, place: str) -> None:
    before = digest()
    with another_line(copied / place):
        assert digest() == before
    assert digest() == before


def test_generators_have_digests_of_their_own_and_line_endings_do_not_count(copied: Path) -> None:
    assert digest() != digest("dpsynth.generators.aim")
    before = digest()
    file = copied / "curator" / "gate.py"
    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    assert digest() == before

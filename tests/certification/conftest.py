from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from dpsynth.certification import verify
from dpsynth.certification.signing import SigningKey, load_or_create_key
from tests.certification.made_releases import ISSUED, MadeRelease, honest_release


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Certificates are read the day after they were issued, whenever the tests run."""
    monkeypatch.setattr(verify, "current_time", lambda: ISSUED + timedelta(days=1))


@pytest.fixture(scope="session")
def key(tmp_path_factory: pytest.TempPathFactory) -> SigningKey:
    return load_or_create_key(tmp_path_factory.mktemp("home") / "key.pem")


@pytest.fixture(scope="session")
def made() -> MadeRelease:
    return honest_release(rows=400)


@pytest.fixture(scope="session")
def released(made: MadeRelease, key: SigningKey, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release folder; tests that change it work on a copy."""
    return made.write(tmp_path_factory.mktemp("releases") / "release", key)

"""Settings that every test shares: one thread per process, and no deadlines because tests do not measure speed."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from functools import partial

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "agg")

from hypothesis import HealthCheck, settings

settings.register_profile("fast", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("thorough", deadline=None, max_examples=1000, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fast"))


@pytest.fixture(scope="session", autouse=True)
def _home_of_its_own() -> Iterator[None]:
    """Keep the keys that tests make out of the folder of whoever runs them."""
    with tempfile.TemporaryDirectory(prefix="dpsynth-tests-") as home, pytest.MonkeyPatch.context() as patched:
        patched.setenv("DPSYNTH_HOME", home)
        yield


@pytest.fixture(scope="session", autouse=True)
def _audits_on_record() -> Iterator[None]:
    """Let the code under test count as audited; tests of the register put their own in its place."""
    from tests.current_register import in_place_of_the_shipped_one

    with in_place_of_the_shipped_one():
        yield


@pytest.fixture
def deterministic_on_the_processor() -> Iterator[None]:
    """Let PyTorch run on the processor, by algorithms that give the same bits every time: for replays."""
    from tests.conformance.deterministic import deterministic

    with deterministic():
        yield


@pytest.fixture
def few_attacks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the internal audit and its negative controls try two attacks: for tests of all else in a release."""
    from dpsynth.attacks.suite import attack_release

    few = ("exact-match", "nearest-neighbour-ratio")
    monkeypatch.setattr("dpsynth.certification.audit.attack_release", partial(attack_release, attacks=few))
    monkeypatch.setattr("dpsynth.certification.negative_control.membership_attacks", lambda: few)

"""The registry is complete, documented and light."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from dpsynth.attacks import ATTACKS, Statistic
from dpsynth.attacks.registry import DEEP_ATTACKS, attack_entry
from dpsynth.errors import InvalidInput

DOCS = Path(__file__).resolve().parents[2] / "docs" / "attacks"


@pytest.mark.parametrize("name", ATTACKS)
def test_an_entry_says_who_attacks_and_where_it_comes_from(name: str) -> None:
    entry = attack_entry(name)
    assert entry.name == name
    assert entry.source
    assert entry.threat_model.auxiliary
    assert entry.statistics


@pytest.mark.parametrize("name", ATTACKS)
def test_every_attack_has_a_page_with_its_threat_model_source_and_deviations(name: str) -> None:
    page = (DOCS / ATTACKS[name].documentation).read_text(encoding="utf-8")
    assert f"`{name}`" in page
    for heading in ("## Threat model", "## Source", "## Deviations"):
        assert heading in page


@pytest.mark.parametrize("name", DEEP_ATTACKS)
def test_an_attack_of_the_deep_tier_is_documented_and_in_no_suite(name: str) -> None:
    page = (DOCS / DEEP_ATTACKS[name].documentation).read_text(encoding="utf-8")
    assert f"`{name}`" in page
    for heading in ("## Threat model", "## Source", "## Deviations"):
        assert heading in page
    assert name not in ATTACKS


def test_every_statistic_is_used() -> None:
    assert {statistic for entry in ATTACKS.values() for statistic in entry.statistics} == set(Statistic)


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(InvalidInput, match="exact-match"):
        attack_entry("exact")


def test_importing_the_attacks_loads_nothing_heavy() -> None:
    heavy = ("sklearn", "torch", "matplotlib", "sqlalchemy")
    program = f"import sys, dpsynth.attacks; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

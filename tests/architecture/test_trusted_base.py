"""The code that privacy rests on is small, and docs/trust.md says how small.

The table in docs/trust.md is the budget; these tests count. Raising a budget is a change to the trust model and shows
up as one in review.
"""

from __future__ import annotations

import re

import pytest

from tests.architecture.source_tree import PACKAGE, PROJECT, lines_of_code, modules

LONGEST_TRUSTED_FILE = 300
ROW = re.compile(r"^\|\s*`dpsynth\.([\w.]+)`\s*\|[^|]*\|\s*([\d,]+)\s*\|\s*([\d,]+)\s*\|$", re.MULTILINE)


def rows() -> dict[str, tuple[int, int]]:
    """Return the stated number of lines of code of each trusted part and the largest, as docs/trust.md has them."""
    text = (PROJECT / "docs" / "trust.md").read_text(encoding="utf-8")
    return {name: (int(now.replace(",", "")), int(limit.replace(",", ""))) for name, now, limit in ROW.findall(text)}


def budgets() -> dict[str, int]:
    return {name: limit for name, (_, limit) in rows().items()}


def lines_in(part: str) -> int:
    place = PACKAGE.joinpath(*part.split("."))
    return sum(lines_of_code(module) for module in modules(place if place.is_dir() else place.with_suffix(".py")))


def test_the_trusted_base_is_what_the_design_says() -> None:
    assert set(budgets()) == {
        "randomness",
        "accounting",
        "schema",
        "mechanisms",
        "ledger",
        "curator",
        "certification.certificate",
        "certification.bundle",
    }


@pytest.mark.parametrize(("part", "budget"), sorted(budgets().items()))
def test_a_trusted_part_stays_within_its_budget(part: str, budget: int) -> None:
    lines = lines_in(part)
    print(f"{part}: {lines} of {budget} lines of code")
    assert 0 < lines <= budget


@pytest.mark.parametrize("part", sorted(rows()))
def test_the_stated_number_of_lines_is_that_of_the_part(part: str) -> None:
    stated = rows()[part][0]
    assert abs(stated - lines_in(part)) <= max(5, stated / 50), f"docs/trust.md: {lines_in(part)} in place of {stated}"


@pytest.mark.parametrize("part", sorted(budgets()))
def test_no_trusted_file_is_long(part: str) -> None:
    place = PACKAGE.joinpath(*part.split("."))
    for module in modules(place if place.is_dir() else place.with_suffix(".py")):
        assert lines_of_code(module) <= LONGEST_TRUSTED_FILE, module.name

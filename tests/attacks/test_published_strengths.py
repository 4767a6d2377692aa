"""The strengths that the pages publish, measured again: an attack that becomes weaker or stronger has a page to fill.

On coded Adult at 1,000 rows per table, against tables on the pages that took up to 2,000. The bands are .06 around a
published AUC and .04 around one half: three standard deviations of a draw of this size, and what size and coding
change. A fresh draw lies outside the bands of strong leaks, and these leaks outside the band of a fresh draw.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from dpsynth.attacks import ATTACKS, Attack, Records
from dpsynth.attacks.distance import remembered_distances
from dpsynth.attacks.leaky_twins import LEAKY_TWINS, LeakSource
from dpsynth.attacks.ranking import auc_evidence
from tests.attacks.populations import Codes, PlainColumn, PlainSchema
from tests.attacks.test_suite_on_adult import FOLDER, LEFT_OUT, ORDERED, PROJECT

ROWS = 1000
BAND, BAND_OF_CHANCE = 0.06, 0.04

RELEASES = {
    "fresh draw": "",
    "identity": "copy",
    "bootstrap": "bootstrap",
    "noisy copy: 1 % jitter, 5 % flips": "noisy-copy",
    "noisy copy: 5 %, 20 %": "noisier-copy",
    "SMOTE, 5 neighbours": "smote",
}
"""Rows of the pages, and the twins that make them."""

COLUMNS = {
    "nearest-neighbour": ("nearest_neighbour.md", 1),
    "nearest-neighbour-difference": ("nearest_neighbour.md", 2),
    "nearest-neighbour-ratio": ("nearest_neighbour.md", 3),
    "membership-classifier": ("membership_classifier.md", 1),
    "exact-match": ("match_excess.md", 1),
}
"""Page of each attack, and the column of its table."""

pytestmark = pytest.mark.skipif(
    not (FOLDER / "adult_coded.csv").is_file(), reason="the coded Adult table is not beside this checkout"
)

Aucs = dict[str, dict[str, float]]


def published(page: Path, column: int) -> dict[str, float]:
    """Return the AUC of each release in one column of the table of a page."""
    cells = [re.split(r"\s*\|\s*", line.strip("| \n")) for line in page.read_text(encoding="utf-8").splitlines()]
    return {row[0]: float(row[column].split(" / ")[0]) for row in cells if row[0] in RELEASES and len(row) > column}


@pytest.fixture(scope="module")
def measured() -> Aucs:
    sizes = json.loads((FOLDER / "adult_coded_domain.json").read_text(encoding="utf-8"))
    names = list(sizes)
    schema = PlainSchema([PlainColumn(sizes[name], name in ORDERED) for name in names if name != LEFT_OUT])
    table = np.loadtxt(FOLDER / "adult_coded.csv", delimiter=",", skiprows=1, dtype=np.int64)
    people = np.unique(np.delete(table, names.index(LEFT_OUT), axis=1), axis=0)
    draws = np.random.default_rng(1)
    members, controls, reference, fresh = np.split(draws.permutation(people)[: 4 * ROWS], 4)
    source = LeakSource(members, fresh, schema)

    def records(codes: Codes) -> Records:
        return Records.from_codes(codes, schema)

    def auc(attack: Attack, synthetic: Records) -> float:
        scores = attack.score(targets, synthetic, population, rng=np.random.default_rng(0))
        return auc_evidence(scores[:ROWS], scores[ROWS:], confidence=0.95).interval.estimate

    targets, population = records(np.concatenate([members, controls])), records(reference)
    found: Aucs = {name: {} for name in COLUMNS}
    for release, twin in RELEASES.items():
        synthetic = records(LEAKY_TWINS[twin].make(source, draws) if twin else fresh)
        with remembered_distances():
            for name in COLUMNS:
                attack = ATTACKS[name].load()
                assert isinstance(attack, Attack)
                found[name][release] = auc(attack, synthetic)
    return found


def within(value: float, expected: float) -> bool:
    return abs(value - expected) <= (BAND_OF_CHANCE if abs(expected - 0.5) <= 0.01 else BAND)


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("name", COLUMNS)
def test_an_attack_is_as_strong_as_its_page_says(name: str, release: str, measured: Aucs) -> None:
    page, column = COLUMNS[name]
    expected = published(PROJECT / "docs" / "attacks" / page, column)[release]
    assert within(measured[name][release], expected), (measured[name][release], expected)


@pytest.mark.parametrize("name", COLUMNS)
def test_no_band_holds_both_a_strong_leak_and_a_fresh_draw(name: str, measured: Aucs) -> None:
    page, column = COLUMNS[name]
    expected = published(PROJECT / "docs" / "attacks" / page, column)
    assert expected.keys() == RELEASES.keys()
    strong = [release for release, value in expected.items() if value > 0.61]
    assert {"identity", "bootstrap"} <= set(strong)
    for release in strong:
        assert not within(measured[name]["fresh draw"], expected[release])
        assert not within(measured[name][release], expected["fresh draw"])

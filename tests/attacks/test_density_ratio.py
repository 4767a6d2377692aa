"""Density ratios by hand: equal sizes, repeated rows, crowded places."""

from __future__ import annotations

import numpy as np

from dpsynth.attacks import Records
from dpsynth.attacks.density_ratio import RADIUS, DensityRatio
from dpsynth.attacks.distance import OFFSET
from tests.attacks.four_rows import NOTHING, REFERENCE, SYNTHETIC, TARGETS, rng

LINE = np.array([True])


def line(*positions: float) -> Records:
    return Records(np.array(positions)[:, None], LINE)


def scores(attack: DensityRatio, targets: Records, synthetic: Records, reference: Records) -> dict[str, list[float]]:
    names = [f"column {place}" for place in range(targets.width)]
    found = attack.scores(targets, synthetic, reference, names=names, rng=rng())
    return {label: list(values) for label, values in found.items()}


def test_the_second_neighbour_by_hand() -> None:
    attack = DensityRatio(neighbours=(1, 2), plagiarism_neighbours=2)
    found = scores(attack, line(0.0), line(0.0, 0.25), line(0.5, 1.0))
    np.testing.assert_allclose(found["1 neighbours"], [np.log(0.5 + OFFSET) - np.log(OFFSET)])
    np.testing.assert_allclose(found["2 neighbours"], [np.log(1 + OFFSET) - np.log(0.25 + OFFSET)])


def test_a_smaller_table_counts_as_if_it_were_repeated() -> None:
    # Four synthetic rows, two reference rows: the third neighbour of the repeated reference is its second row.
    synthetic, reference = line(0.125, 0.25, 0.375, 1.0), line(0.5, 0.75)
    attack = DensityRatio(neighbours=(3, 2), plagiarism_neighbours=4)
    found = scores(attack, line(0.0), synthetic, reference)
    repeated = scores(attack, line(0.0), synthetic, reference.followed_by(reference))
    for label in ("2 neighbours", "3 neighbours", "share of 4 neighbours"):
        assert found[label] == repeated[label]
    np.testing.assert_allclose(found["3 neighbours"], [np.log(0.75 + OFFSET) - np.log(0.375 + OFFSET)])
    # Three synthetic rows come first; the reference row at 1/2 counts twice.
    assert found["share of 4 neighbours"] == [3 / 5]


def test_rows_within_the_median_gap_are_all_counted_in_crowded_places() -> None:
    # Gaps of the reference: 1/4, 1/4, 1/2. Thirty of forty synthetic rows are within 1/4 of the first target.
    synthetic = line(*[0.125] * 30, *[0.75] * 10)
    found = scores(DensityRatio(), line(0.0, 0.75, 0.5), synthetic, line(0.0, 0.25, 0.75))
    assert found[RADIUS] == [30 / 40, 10 / 40, 10 / 40]


def test_ties_at_the_last_place_all_count() -> None:
    found = scores(DensityRatio(neighbours=(1,), plagiarism_neighbours=2), line(0.0), line(0.5, 0.5), line(0.5, 0.25))
    assert found["share of 2 neighbours"] == [2 / 4]


def test_empty_tables_say_nothing() -> None:
    for synthetic, reference in ((NOTHING, NOTHING), (NOTHING, REFERENCE), (SYNTHETIC, NOTHING)):
        for values in scores(DensityRatio(), TARGETS, synthetic, reference).values():
            assert np.isfinite(values).all()
    assert all(not values for values in scores(DensityRatio(), NOTHING, SYNTHETIC, REFERENCE).values())

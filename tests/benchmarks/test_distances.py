"""The distances of the benchmark against a slow twin, and against tables whose answer is known."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from benchmarks.distances import mean_distance
from dpsynth.evaluation.fidelity import marginal_distances
from dpsynth.schema.domain import Domain

SIZES = (2, 3, 4, 5)


def table(seed: int, rows: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.column_stack([rng.integers(size, size=rows) for size in SIZES])


def by_dictionaries(real: np.ndarray, made: np.ndarray, order: int) -> float:
    """The same in plain Python, cell by cell."""
    found = []
    for places in combinations(range(len(SIZES)), order):
        shares: list[dict[tuple[int, ...], float]] = []
        for rows in (real, made):
            counts: dict[tuple[int, ...], float] = {}
            for row in rows.tolist():
                cell = tuple(row[place] for place in places)
                counts[cell] = counts.get(cell, 0.0) + 1 / len(rows)
            shares.append(counts)
        cells = shares[0].keys() | shares[1].keys()
        found.append(sum(abs(shares[0].get(cell, 0.0) - shares[1].get(cell, 0.0)) for cell in cells) / 2)
    return sum(found) / len(found)


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("rows", [7, 300])
def test_the_mean_distance_is_that_of_two_slow_ways(order: int, rows: int) -> None:
    real, made = table(0, rows), table(1, rows + 5)
    domain = Domain(tuple("abcd"), SIZES)
    fast = mean_distance(real, made, SIZES, order)
    assert fast == pytest.approx(by_dictionaries(real, made, order))
    assert fast == pytest.approx(marginal_distances(real, made, domain, order=order).mean)


def test_a_marginal_far_larger_than_the_rows_is_compared_too() -> None:
    real, made = np.array([[0, 0], [9_999, 9_999]]), np.array([[0, 0], [1, 9_999]])
    assert mean_distance(real, made, (10_000, 10_000), 2) == 0.5


def test_a_sample_of_marginals_is_the_same_every_time_and_no_larger_than_asked() -> None:
    real, made = table(0, 50), table(1, 50)
    assert mean_distance(real, made, SIZES, 2, at_most=3) == mean_distance(real, made, SIZES, 2, at_most=3)
    assert mean_distance(real, made, SIZES, 2, at_most=6) == mean_distance(real, made, SIZES, 2)

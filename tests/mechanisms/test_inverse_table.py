"""The table against integer bisection, at every boundary, with ties of any number."""

from __future__ import annotations

from bisect import bisect_right
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpsynth.errors import InvalidInput
from dpsynth.mechanisms.inverse_table import InverseTable
from dpsynth.randomness import SeededNoise
from tests.mechanisms.crafted_noise import CraftedNoise, at_quantiles, words

WHOLE = 2**128

# Weights of every size: tails far below 2**-64 put many thresholds under the same high word.
weights_lists = st.lists(
    st.one_of(st.integers(0, 2**224), st.integers(0, 200).map(lambda bits: 2**bits)), min_size=0, max_size=12
).flatmap(lambda rest: st.integers(2**100, 2**224).map(lambda first: [first, *rest]))


def probability_units(table: InverseTable) -> list[int]:
    return [upper - lower for lower, upper in pairwise([0, *table.thresholds, WHOLE])]


@given(weights_lists)
def test_one_sided_masses_are_the_weights_and_add_up(weights: list[int]) -> None:
    table = InverseTable.one_sided(weights)
    masses = probability_units(table)
    assert table.smallest == 0
    assert sum(masses) == WHOLE
    assert min(masses) >= 0
    masses += [0] * (len(weights) - len(masses))
    for mass, weight in zip(masses, weights, strict=True):
        assert abs(mass * sum(weights) - weight * WHOLE) <= sum(weights)


@given(weights_lists)
def test_symmetric_masses_are_symmetric_and_add_up(weights: list[int]) -> None:
    table = InverseTable.symmetric(weights)
    masses = probability_units(table)
    assert sum(masses) == WHOLE
    assert min(masses) >= 0
    assert masses == masses[::-1]
    assert len(masses) == 1 - 2 * table.smallest
    total = 2 * sum(weights) - weights[0]
    for value, weight in enumerate(weights[: 1 - table.smallest]):
        assert abs(masses[value - table.smallest] * total - weight * WHOLE) <= 2 * total


@given(weights_lists, st.booleans(), st.lists(st.integers(0, WHOLE - 1), max_size=5))
def test_draws_agree_with_bisection_at_and_around_every_threshold(
    weights: list[int], symmetric: bool, others: list[int]
) -> None:
    table = InverseTable.symmetric(weights) if symmetric else InverseTable.one_sided(weights)
    thresholds = table.thresholds
    assert thresholds == sorted(thresholds)
    near = [threshold + step for threshold in thresholds for step in (-1, 0, 1)]
    quantiles = [0, WHOLE - 1, *others, *(quantile for quantile in near if 0 <= quantile < WHOLE)]
    noise = at_quantiles(table, quantiles)
    drawn = table.draw(noise, len(quantiles))
    assert drawn.tolist() == [table.smallest + bisect_right(thresholds, quantile) for quantile in quantiles]
    assert not thresholds or noise.answers == []


def test_many_thresholds_under_one_high_word() -> None:
    # Tails of 1, 2, ..., 40 units: forty thresholds share the high word 2**64 - 1, mirrored forty share 0.
    table = InverseTable.symmetric([2**128 - 2 * 40, *([1] * 40)])
    assert set(table.high.tolist()) == {0, 2**64 - 1}
    assert table.thresholds[:40] == list(range(1, 41))
    drawn = table.draw(CraftedNoise([words([0] * 42), words(list(range(42)))]), 42)
    assert drawn.tolist() == [min(low, 40) - 40 for low in range(42)]


def test_low_words_are_drawn_for_ties_only() -> None:
    table = InverseTable.one_sided([1, 1])  # one threshold, at one half
    assert table.thresholds == [2**127]
    noise = CraftedNoise([words([2**63 - 1, 2**63, 2**63 + 1]), words([0])])
    assert table.draw(noise, 3).tolist() == [0, 1, 1]


def test_tails_lighter_than_one_unit_are_cut() -> None:
    assert InverseTable.symmetric([2**200, 2**70]).thresholds == []
    assert InverseTable.one_sided([2**200, 2**70]).thresholds == []
    assert InverseTable.symmetric([2**200]).draw(SeededNoise(1), 3).tolist() == [0, 0, 0]


def test_draws_longer_than_a_block_differ_between_blocks() -> None:
    drawn = InverseTable.one_sided([1] * 1000).draw(SeededNoise(2), 3 * 2**16 + 5)
    assert drawn.shape == (3 * 2**16 + 5,)
    assert drawn.min() == 0
    assert drawn.max() == 999
    assert not np.array_equal(drawn[: 2**16], drawn[2**16 : 2 * 2**16])


def test_no_draws() -> None:
    assert InverseTable.one_sided([1, 1]).draw(SeededNoise(3), 0).shape == (0,)


def test_shared_tables_cannot_be_changed() -> None:
    table = InverseTable.one_sided([1, 1])
    with pytest.raises(ValueError, match="read-only"):
        table.high[0] = 0


@pytest.mark.parametrize("weights", [[], [0, 1], [-1], [1, -1]])
def test_what_is_no_distribution_is_refused(weights: list[int]) -> None:
    for build in (InverseTable.one_sided, InverseTable.symmetric):
        with pytest.raises(InvalidInput):
            build(weights)

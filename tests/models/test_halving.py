"""Halving records: what it keeps, that it prefers nobody, and that it misses far less than a random half.

A random half misses a cell that holds c records by a normal error of standard deviation sqrt(c) / 2, of 0.4 sqrt(c) on
average. False alarms of the tests of means: they are 4.9 standard errors from their limits, one in a million.
"""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from dpsynth.models.halving import halved
from dpsynth.schema.domain import Clique, Domain

DOMAIN = Domain(("a", "b", "c", "d"), (4, 3, 5, 2))
PAIRS = dict.fromkeys(itertools.combinations(DOMAIN.names, 2), 1)
Records = NDArray[np.int32]


def records(rows: int, seed: int) -> Records:
    """Return skewed records: each code half as frequent as the one before, columns tied to their neighbours."""
    rng = np.random.default_rng(seed)
    columns: list[NDArray[np.int64]] = []
    for size in DOMAIN.sizes:
        own = np.minimum(rng.geometric(0.5, rows) - 1, size - 1)
        columns.append(np.where(rng.random(rows) < 0.4, columns[-1] % size, own) if columns else own)
    return np.column_stack(columns).astype(np.int32)


def counts(codes: Records, clique: Clique) -> NDArray[np.float64]:
    shape = DOMAIN.shape(clique)
    cells = np.ravel_multi_index(tuple(codes[:, DOMAIN.position(name)] for name in clique), shape)
    return np.bincount(cells, minlength=DOMAIN.cells(clique)).astype(float)


def missed(whole: Records, half: Records, cliques: list[Clique]) -> float:
    """Return the mean over cells of |2 x half - whole| / sqrt(whole), about .8 for a random half."""
    ratios = []
    for clique in cliques:
        there = counts(whole, clique)
        ratios.append(np.abs(2 * counts(half, clique) - there)[there > 0] / np.sqrt(there[there > 0]))
    return float(np.concatenate(ratios).mean())


def random_half(codes: Records, seed: int) -> Records:
    pairs = len(codes) // 2
    return codes[np.arange(0, 2 * pairs, 2) + np.random.default_rng(seed).integers(0, 2, pairs)]


@given(rows=st.integers(0, 41), seed=st.integers(0, 100))
def test_one_of_each_two_neighbours_is_kept(rows: int, seed: int) -> None:
    codes = records(rows, seed)
    half = halved(codes, DOMAIN, PAIRS)
    assert half.shape == (rows // 2, 4)
    assert half.dtype == np.int32
    for place, kept in enumerate(half):
        assert any(np.array_equal(kept, one) for one in codes[2 * place : 2 * place + 2])


@given(pairs=st.integers(0, 90), seed=st.integers(0, 100))
def test_with_all_neighbours_exchanged_exactly_the_others_are_kept(pairs: int, seed: int) -> None:
    """So a record that is kept and one that is not have the same distribution, and each has that of both."""
    codes = records(2 * pairs, seed)
    exchanged = codes.reshape(-1, 2, 4)[:, ::-1].reshape(-1, 4)
    both = halved(codes, DOMAIN, PAIRS) + halved(exchanged, DOMAIN, PAIRS)
    np.testing.assert_array_equal(both, codes[::2] + codes[1::2])


@given(fours=st.integers(0, 45), seed=st.integers(0, 100))
def test_a_half_has_its_neighbours_by_chance_too_and_can_be_halved_again(fours: int, seed: int) -> None:
    codes = records(4 * fours, seed)
    exchanged = codes.reshape(-1, 2, 2, 4)[:, ::-1].reshape(-1, 4)
    half = halved(codes, DOMAIN, PAIRS)
    np.testing.assert_array_equal(halved(exchanged, DOMAIN, PAIRS), half.reshape(-1, 2, 4)[:, ::-1].reshape(-1, 4))


def test_pairs_are_missed_by_a_small_part_of_what_a_random_half_misses() -> None:
    whole = records(20_000, 1)
    assert 0.7 < missed(whole, random_half(whole, 2), [*PAIRS]) < 0.9
    assert missed(whole, halved(whole, DOMAIN, PAIRS), [*PAIRS]) < 0.25


def test_only_what_is_asked_for_is_kept_in_balance() -> None:
    """Power of the test above: the sum over pairs falls because of the pairs, not because of anything else."""
    whole = records(20_000, 3)
    half = halved(whole, DOMAIN, {("a", "b"): 1})
    assert missed(whole, half, [("a", "b")]) < 0.1
    assert missed(whole, half, [("c", "d")]) > 0.3


def test_importance_decides_where_two_marginals_compete() -> None:
    whole = records(4000, 4)
    first, second = ("a", "b"), ("c", "d")
    of_first, of_second = (
        missed(whole, halved(whole, DOMAIN, {first: weight, second: 1}), [first]) for weight in (100, 1)
    )
    assert of_first < of_second


def test_nobody_is_preferred() -> None:
    """Every kind of record is kept as often as it occurs: over 400 halvings its mean share is the mean share of all."""
    kinds = [np.ravel_multi_index(tuple(records(200, seed).T), DOMAIN.sizes) for seed in range(400)]
    halves = [
        np.ravel_multi_index(tuple(halved(records(200, seed), DOMAIN, PAIRS).T), DOMAIN.sizes) for seed in range(400)
    ]
    size = DOMAIN.cells()
    excess = np.array(
        [
            2 * np.bincount(half, minlength=size) - np.bincount(whole, minlength=size)
            for whole, half in zip(kinds, halves, strict=True)
        ]
    )
    seen = np.abs(excess).sum(axis=0) > 30  # fewer say nothing, and are no normal variables
    assert seen.sum() > 30
    strayed = excess.mean(axis=0) / (excess.std(axis=0, ddof=1) / np.sqrt(len(excess)))
    assert np.abs(strayed[seen]).max() < 4.9 + 0.5  # 0.5: as many kinds are looked at


def test_a_rule_that_prefers_the_first_of_two_unlike_records_would_be_seen() -> None:
    """The same statistic on a half that keeps the record with the smaller first code."""
    excess = []
    for seed in range(400):
        whole = records(200, seed)
        half = np.where(whole[::2, :1] <= whole[1::2, :1], whole[::2], whole[1::2])
        excess.append(2 * counts(half, ("a",)) - counts(whole, ("a",)))
    strayed = np.mean(excess, axis=0) / (np.std(excess, axis=0, ddof=1) / 20)
    assert np.abs(strayed).max() > 50


def test_single_columns_can_be_balanced() -> None:
    found = [
        missed(whole, halved(whole, DOMAIN, {("a",): 1}), [("a",)]) for whole in (records(1000, s) for s in range(20))
    ]
    assert np.mean(found) < 0.2


def test_without_marginals_a_half_is_a_half() -> None:
    whole = records(101, 5)
    np.testing.assert_array_equal(halved(whole, DOMAIN, {}), whole[:100:2])

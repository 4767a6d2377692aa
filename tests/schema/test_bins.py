"""Cutting a number line: every number has one code, every code's numbers are its own."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dpsynth.errors import InvalidInput
from dpsynth.schema.bins import LARGEST_WHOLE, Bins, edged_bins, equal_bins, subdivided

finite = st.floats(-1e300, 1e300)
wholes = st.integers(-(2**53) + 1, 2**53 - 1).map(float)


@st.composite
def cuts(draw: st.DrawFn) -> Bins:
    whole = draw(st.booleans())
    numbers = wholes if whole else finite
    spikes = draw(st.lists(numbers, max_size=4))
    try:
        if draw(st.booleans()):
            edges = sorted(draw(st.lists(numbers, min_size=2, max_size=6, unique=True)))
            return edged_bins(edges, spikes, whole=whole)
        low, high = sorted([draw(numbers), draw(numbers)])
        return equal_bins(low, high, draw(st.integers(1, 12)), spikes, whole=whole)
    except InvalidInput:
        assume(False)
        raise


@given(cuts(), st.floats(allow_nan=False))
def test_every_number_has_a_code_and_vectors_agree(bins: Bins, number: float) -> None:
    code = bins.place(number, clip=True)
    assert code is not None
    assert 0 <= code < bins.size
    strict = bins.place(number, clip=False)
    assert strict in {None, code}
    assert bins.place_all(np.array([number]), clip=True).tolist() == [code]
    assert bins.place_all(np.array([number]), clip=False).tolist() == [-1 if strict is None else strict]
    floored = math.floor(number) if bins.whole and math.isfinite(number) else number
    assert (strict is None) == (not bins.minimum <= floored <= bins.maximum and floored not in bins.lows)


@given(cuts(), st.floats(0, 1, exclude_max=True))
def test_numbers_drawn_from_a_code_have_that_code(bins: Bins, uniform: float) -> None:
    codes = np.arange(bins.size, dtype=np.int32)
    assert bins.place_all(bins.spread(codes, np.full(bins.size, uniform)), clip=False).tolist() == codes.tolist()


@given(cuts())
def test_intervals_are_disjoint_and_in_order(bins: Bins) -> None:
    assert all(low <= high for low, high in bins.edges())
    assert all(high < low for high, low in zip(bins.highs, bins.lows[1:], strict=False))


@given(cuts(), st.integers(1, 200))
def test_a_finer_cut_lies_inside_the_coarse_one(bins: Bins, cells: int) -> None:
    finer, codes = subdivided(bins, cells)
    test_intervals_are_disjoint_and_in_order.hypothesis.inner_test(finer)
    assert list(codes) == sorted(codes)
    assert set(codes) == set(range(bins.size))
    assert finer.size <= max(cells, bins.size)
    for (low, high), code in zip(finer.edges(), codes, strict=True):
        assert bins.place(low, clip=False) == bins.place(high, clip=False) == code
    assert (finer.lows[0], finer.highs[-1], finer.spikes) == (bins.lows[0], bins.highs[-1], bins.spikes)
    covered = [finer.place(number, clip=False) for edge in bins.edges() for number in edge]
    assert None not in covered


def test_equal_bins_of_whole_numbers_differ_by_at_most_one() -> None:
    bins = equal_bins(17, 90, 20, (), whole=True)
    widths = {high - low + 1 for low, high in bins.edges()}
    assert bins.size == 20
    assert widths == {3.0, 4.0}
    assert (bins.lows[0], bins.highs[-1]) == (17, 90)
    assert equal_bins(1, 5, 20, (), whole=True).edges() == tuple(
        (number, number) for number in (1.0, 2.0, 3.0, 4.0, 5.0)
    )


def test_a_bin_holds_its_lower_edge_and_the_last_one_both() -> None:
    bins = edged_bins([0, 1, 2.5], (), whole=False)
    assert [bins.place(number, clip=False) for number in (-0.1, 0, 0.99, 1, 2.4, 2.5, 2.6)] == [
        None,
        0,
        0,
        1,
        1,
        1,
        None,
    ]


def test_spikes_cut_bins_open_and_may_lie_beyond_the_range() -> None:
    bins = edged_bins([0, 10, 20], [0, 5, 10, 20, -9, 99], whole=True)
    assert bins.edges() == (
        (-9, -9), (0, 0), (1, 4), (5, 5), (6, 9), (10, 10), (11, 19), (20, 20), (99, 99)
    )  # fmt: skip
    assert [bins.place(number, clip=True) for number in (-9, -8, 98, 99, 100, -100)] == [0, 1, 7, 8, 7, 1]


@pytest.mark.parametrize(
    ("low", "high", "count", "whole"),
    [(1, 0, 2, False), (0, math.inf, 2, False), (math.nan, 1, 2, False), (0, 1, 0, False), (0, 1, 10_001,
    False), (0, 1.5, 2, True),
     (0, LARGEST_WHOLE * 2, 2, True), (0, 5e-324, 3, False), (1, 1 + 2**-52, 5, False)],
)  # fmt: skip
def test_ranges_that_cannot_be_cut_are_refused(low: float, high: float, count: int, whole: bool) -> None:
    with pytest.raises(InvalidInput):
        equal_bins(low, high, count, (), whole=whole)


@pytest.mark.parametrize("edges", [[], [1], [1, 1], [2, 1], [0, 2, 1], [0, 1.5], [0, math.nan, 2]])
def test_edges_that_do_not_increase_are_refused(edges: list[float]) -> None:
    with pytest.raises(InvalidInput):
        edged_bins(edges, (), whole=True)

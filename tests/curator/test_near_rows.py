"""Nearest rows, by blocks and by sorting: the same whole numbers as comparing everything with everything."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpsynth.curator import near_rows
from dpsynth.curator.near_rows import nearest, nearest_within

FAR = 2**29


def by_hand(rows: list[np.ndarray], others: list[np.ndarray], reach: int) -> list[int]:
    """Return the distances, pair by pair, in Python's own whole numbers."""
    pairs = [list(zip(*table, strict=True)) for table in (rows, others)]
    return [
        min((sum(min(abs(int(x) - int(y)), reach) for x, y in zip(row, other, strict=True)) for other in pairs[1]),
            default=reach * len(rows))
        for row in pairs[0]
    ]  # fmt: skip


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[np.ndarray], list[np.ndarray], list[np.ndarray], int, int]:
    """Draw columns with their scales: unordered ones, whose codes are a reach apart, and ordered ones of any places."""
    reach = draw(st.integers(1, 12))
    width = draw(st.integers(1, 6))
    unordered = [np.arange(size, dtype=np.int32) * reach for size in (2, 3)]
    ordered = st.lists(st.integers(-20, 20) | st.sampled_from([-FAR, FAR]), min_size=1, max_size=6)
    scales = [
        draw(st.sampled_from(unordered) | ordered.map(lambda places: np.array(places, dtype=np.int32)))
        for _ in range(width)
    ]
    sizes = draw(st.integers(0, 12)), draw(st.integers(0, 40))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    rows, others = ([scale[rng.integers(0, len(scale), size)] for scale in scales] for size in sizes)
    return rows, others, scales, reach, draw(st.integers(0, reach * width + 1))


@pytest.mark.parametrize("sorting", [0.0, np.inf], ids=["all pairs", "sorted"])
@settings(deadline=None, max_examples=50)
@given(drawn=tables(), at_once=st.sampled_from([1, 7, 4096]))
def test_near_distances_are_those_of_all_pairs(
    drawn: tuple[list[np.ndarray], list[np.ndarray], list[np.ndarray], int, int], at_once: int, sorting: float
) -> None:
    rows, others, scales, reach, near = drawn
    wanted = np.array(by_hand(rows, others, reach), dtype=np.int64)
    with pytest.MonkeyPatch.context() as small:
        small.setattr(near_rows, "_ROWS_AT_ONCE", at_once)
        small.setattr(near_rows, "_OTHERS_AT_ONCE", at_once)
        small.setattr(near_rows, "_PAIRS_AT_ONCE", at_once)
        small.setattr(near_rows, "_WORTH_SORTING", sorting)
        assert nearest(rows, others, reach).tolist() == wanted.tolist()
        found = nearest_within(rows, others, scales, reach, near)
    is_near = wanted <= near
    if len(others[0]):  # without any the distance is that of no row, and says nothing about near ones
        assert (found[is_near] == wanted[is_near]).all()
        assert (found[~is_near] > near).all()


def test_a_row_is_not_its_own_neighbour_in_any_block(monkeypatch: pytest.MonkeyPatch) -> None:
    column = np.array([0, 1, 3, 7, 7, 20], dtype=np.int32)
    for at_once in (1, 2, 5, 100):
        monkeypatch.setattr(near_rows, "_ROWS_AT_ONCE", at_once)
        monkeypatch.setattr(near_rows, "_OTHERS_AT_ONCE", max(1, at_once // 2))
        assert nearest([column], [column], 10, skip_equal_index=True).tolist() == [1, 1, 2, 0, 0, 10]
    assert nearest([column[:1]], [column[:1]], 10, skip_equal_index=True).tolist() == [10]


def test_large_tables_are_sorted_and_small_scales_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """The choice is made by the table alone, so which rows ask has no part in it."""
    rng = np.random.default_rng(0)
    scales = [np.arange(50, dtype=np.int32) * 10, np.arange(2, dtype=np.int32) * 10]
    others = [scale[rng.integers(0, len(scale), 300)] for scale in scales]
    monkeypatch.setattr(near_rows, "nearest", lambda *_: pytest.fail("all pairs were compared"))
    assert nearest_within([column[:9] for column in others], others, scales, 10, 5).tolist() == [0] * 9
    monkeypatch.setattr(near_rows, "nearest", lambda *_: np.array([1]))
    assert nearest_within([column[:9] for column in others], others, scales, 10, 12).tolist() == [1]


@pytest.mark.parametrize("steps", [(1, 1, 1), (3, 1, 2), (3, 3, 1), (2, 3, 3)])
def test_every_row_of_a_small_domain_has_its_distance(steps: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """Distances of exactly as much as is near stand at the ends of what is looked up."""
    monkeypatch.setattr(near_rows, "_WORTH_SORTING", np.inf)
    scales = [np.arange(5, dtype=np.int32) * step for step in steps]
    everything = [column.reshape(-1) for column in np.meshgrid(*scales, indexing="ij")]
    others = [column[[7, 62, 110]] for column in everything]
    wanted = nearest(everything, others, 3)
    assert wanted.tolist() == by_hand(everything, others, 3)
    for near in range(10):
        found = nearest_within(everything, others, scales, 3, near)
        assert (found[wanted <= near] == wanted[wanted <= near]).all()
        assert (found[wanted > near] > near).all()

"""Noisy counts are exact or at a limit, never wrapped, and never an exception."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dpsynth.mechanisms.saturation import add_saturating

SMALLEST, LARGEST = -(2**63), 2**63 - 1
entries = st.one_of(
    st.integers(SMALLEST, LARGEST), st.integers(LARGEST - 5, LARGEST), st.integers(SMALLEST, SMALLEST + 5)
)


@given(st.lists(st.tuples(entries, entries)))
def test_agrees_with_unbounded_integers(pairs: list[tuple[int, int]]) -> None:
    value = np.array([first for first, _ in pairs], dtype=np.int64)
    noise = np.array([second for _, second in pairs], dtype=np.int64)
    expected = [min(max(first + second, SMALLEST), LARGEST) for first, second in pairs]
    assert add_saturating(value, noise).tolist() == expected


def test_keeps_the_shape_and_leaves_its_input_alone() -> None:
    for shape in [(), (0,), (2, 3), (1, 2, 0)]:
        value = np.full(shape, LARGEST, dtype=np.int64)
        noisy = add_saturating(value, np.ones(value.size, dtype=np.int64))
        assert noisy.shape == shape
        assert (value == LARGEST).all()
        assert (noisy == LARGEST).all()

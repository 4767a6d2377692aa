"""Clipping as laws, for gradients written out and as outer products; every planted fault is caught."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from dpsynth.curator.clipping import LATTICE, OuterProducts, clipped, per_unit, total, whole
from tests.curator.training_room import LEVELS

Floats = NDArray[np.float64]
SIZE = 6
SHAPES = ((2, 3), (1, 4), (5, 1))
WIDTH = sum(n + m for n, m in SHAPES)

NUMBERS = st.one_of(
    st.floats(-10, 10),
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from([0.0, 2.0, 5e-324, 1e-160, 1e160, 1.7e308, float("nan"), float("inf"), -float("inf")]),
)
TABLES = hnp.arrays(np.float64, (LEVELS, SIZE), elements=NUMBERS)
FACTORS = hnp.arrays(np.float64, (LEVELS, WIDTH), elements=NUMBERS)
NORMS = st.sampled_from([1e-9, 1e-3, 1.0, 2.0, 1e9])


def cut(gradients: Floats, norm: float) -> Floats:
    return whole(clipped((OuterProducts.of_vectors(gradients),), norm))


def products(factors: Floats) -> tuple[OuterProducts, ...]:
    """Return as outer products what a line of `WIDTH` numbers says: the factors of three parameters."""
    vectors = np.split(factors, np.cumsum([size for shape in SHAPES for size in shape])[:-1], axis=1)
    return tuple(OuterProducts(left, right) for left, right in zip(vectors[::2], vectors[1::2], strict=True))


def squared_norms(part: OuterProducts) -> Floats:
    return (part.left**2).sum(axis=1) * (part.right**2).sum(axis=1)


# --------------------------------------------------------------------------------------------------------- one gradient


def is_within_the_ball(lines: Floats) -> None:
    assert np.array_equal(lines, np.trunc(lines))
    assert all(sum(int(entry) ** 2 for entry in line) <= LATTICE**2 for line in lines)


@given(TABLES, NORMS)
def test_no_gradient_is_longer_than_the_clipping_norm_exactly(gradients: Floats, norm: float) -> None:
    is_within_the_ball(cut(gradients, norm))


@given(FACTORS, NORMS)
def test_no_outer_products_are_longer_than_the_clipping_norm_exactly(factors: Floats, norm: float) -> None:
    is_within_the_ball(whole(clipped(products(factors), norm)))


@given(hnp.arrays(np.float64, (LEVELS, SIZE), elements=st.floats(-1, 1)), NORMS)
def test_clipping_keeps_directions_and_short_gradients(gradients: Floats, norm: float) -> None:
    back = cut(gradients, norm) * norm / LATTICE
    lengths = np.sqrt((gradients**2).sum(axis=1))[:, None]
    wanted = gradients * (norm / np.maximum(lengths, norm))
    np.testing.assert_allclose(back, wanted, rtol=0, atol=1.51 * norm / LATTICE)


@given(hnp.arrays(np.float64, (LEVELS, WIDTH), elements=st.floats(-1, 1)), st.sampled_from([1e-3, 0.3, 2.0, 1e3]))
def test_outer_products_agree_with_gradients_written_out(factors: Floats, norm: float) -> None:
    parts = products(np.where(np.abs(factors) < 1e-60, 0.0, factors))  # squares of less are no numbers
    found, wanted = whole(clipped(parts, norm)), cut(whole(parts), norm)
    # Left factors are off by up to 1.5 steps of 2**-14 an entry, right ones by half a step of 2**-12 of their length.
    errors = np.linalg.norm(found - wanted, axis=1)
    assert (errors <= 4 * LATTICE * 2.0**-14 + 3e-4 * np.linalg.norm(wanted, axis=1)).all()


@pytest.mark.parametrize(("rows", "norms"), [(1, (1.0, 100.0)), (500, (1.0, 100.0, 1000.0))])
def test_sums_of_a_wide_network_agree_to_a_thousandth(rows: int, norms: tuple[float, ...]) -> None:
    rng = np.random.default_rng(3)
    shapes = ((64, 90), (64, 1), (32, 64), (32, 1), (1, 32))
    parts = tuple(OuterProducts(rng.normal(size=(rows, n)) + 1, rng.normal(size=(rows, m)) + 1) for n, m in shapes)
    for norm in norms:
        found = total(clipped(parts, norm))
        wanted = total(clipped((OuterProducts.of_vectors(whole(parts)),), norm))
        assert np.linalg.norm(found - wanted) < 1e-3 * np.linalg.norm(wanted)


def test_short_gradients_are_not_biased_toward_zero() -> None:
    """Of a gradient of a thousandth of the clipping norm little is left; the sum of many is right all the same."""
    rng = np.random.default_rng(4)
    parts = (OuterProducts(rng.normal(size=(4000, 64)) + 0.5, rng.normal(size=(4000, 90)) + 0.5),)
    found = total(clipped(parts, 1e5))
    wanted = total(clipped((OuterProducts.of_vectors(whole(parts)),), 1e5))
    assert np.linalg.norm(found - wanted) < 0.02 * np.linalg.norm(wanted)
    assert abs(found.sum() / wanted.sum() - 1) < 2e-3


def test_lines_of_zeros_and_ones_lose_next_to_nothing() -> None:
    """One-hot rows: what rounding does to the length of a right factor, the left one makes up for."""
    right = np.zeros((3, 20))
    right[0, [1, 7, 12]] = right[1, [0, 19]] = right[2, :14] = 1
    parts = (OuterProducts(np.array([[3.0, 4.0]] * 3), right),)
    found, wanted = whole(clipped(parts, 5.0)), cut(whole(parts), 5.0)
    np.testing.assert_allclose(found, wanted, rtol=2e-4)


@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf, 1e200])
def test_a_gradient_that_is_not_finite_counts_as_zero_and_touches_nobody_else(poison: float) -> None:
    gradients = np.ones((3, 4))
    clean = cut(gradients, 1.0)
    gradients[1, 2] = poison
    spoilt = cut(gradients, 1.0)
    assert not spoilt[1].any()
    np.testing.assert_array_equal(spoilt[[0, 2]], clean[[0, 2]])


@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf, 1e200])
@pytest.mark.parametrize("place", [0, 3, WIDTH - 1])
def test_factors_that_are_not_finite_make_zero_and_touch_nobody_else(poison: float, place: int) -> None:
    factors = np.ones((3, WIDTH))
    clean = whole(clipped(products(factors), 1.0))
    factors[1, place] = poison
    made = clipped(products(factors), 1.0)
    assert not whole(made)[1].any()
    np.testing.assert_array_equal(whole(made)[[0, 2]], clean[[0, 2]])
    np.testing.assert_array_equal(total(made), clean[[0, 2]].sum(axis=0))


def test_a_layer_without_input_leaves_the_others_alone() -> None:
    factors = np.ones((1, WIDTH))
    factors[0, 2:5] = 0
    made = whole(clipped(products(factors), 100.0))
    assert not made[0, :6].any()
    np.testing.assert_allclose(made[0, 6:] * 100 / LATTICE, 1, rtol=1e-3)


# --------------------------------------------------------------------------------------------------- one unit, and sums

Sum = Callable[[Floats, NDArray[np.intp], int, float], Floats]
"""Of row gradients, their units, number of units and clipping norm; returns the sum in LATTICE steps."""


def the_sum(gradients: Floats, owner: NDArray[np.intp], units: int, norm: float) -> Floats:
    return total(clipped((OuterProducts.of_vectors(per_unit(gradients, owner, units)),), norm)).astype(np.float64)


def moves_by_at_most_the_clipping_norm(make_sum: Sum) -> None:
    """Add one unit of up to three rows to others, at any place: the sum moves by at most one clipping norm, exactly."""

    @settings(max_examples=40, derandomize=True, database=None)
    @given(TABLES, NORMS, st.integers(1, 3), st.integers(1, 4))
    def law(gradients: Floats, norm: float, mine: int, others: int) -> None:
        theirs = gradients[3 : 3 + 2 * others]
        both = np.concatenate([theirs, gradients[:mine]])
        owner = np.r_[np.repeat(np.arange(others), 2), np.full(mine, others)]
        with np.errstate(all="ignore"):
            moved = make_sum(both, owner, others + 1, norm) - make_sum(theirs, owner[: 2 * others], others, norm)
            assert (moved**2).sum() <= float(LATTICE) ** 2
            assert np.isfinite(moved).all()

    law()


def test_one_unit_more_moves_the_sum_by_at_most_the_clipping_norm() -> None:
    moves_by_at_most_the_clipping_norm(the_sum)


def per_layer(gradients: Floats, owner: NDArray[np.intp], units: int, norm: float) -> Floats:
    both = per_unit(gradients, owner, units)
    return np.concatenate([cut(both[:, :3], norm).sum(axis=0), cut(both[:, 3:], norm).sum(axis=0)])


def per_row(gradients: Floats, owner: NDArray[np.intp], units: int, norm: float) -> Floats:
    return cut(gradients, norm).sum(axis=0)


def past_clipping(gradients: Floats, owner: NDArray[np.intp], units: int, norm: float) -> Floats:
    both = per_unit(gradients, owner, units)
    lengths = np.sqrt((both**2).sum(axis=1))
    return np.trunc(both * LATTICE / np.maximum(lengths, norm)[:, None]).sum(axis=0)


def of_the_batch(gradients: Floats, owner: NDArray[np.intp], units: int, norm: float) -> Floats:
    """Clip the sum of everybody by a factor that depends on everybody."""
    return cut(gradients.sum(axis=0, keepdims=True), norm)[0] * units


@pytest.mark.parametrize("planted", [per_layer, per_row, past_clipping, of_the_batch])
def test_a_planted_way_of_clipping_is_caught(planted: Sum) -> None:
    with pytest.raises(AssertionError):
        moves_by_at_most_the_clipping_norm(planted)


SumOfProducts = Callable[[Sequence[OuterProducts], float], NDArray[np.number]]


def the_sum_of_products(parts: Sequence[OuterProducts], norm: float) -> NDArray[np.int64]:
    return total(clipped(parts, norm))


def products_move_by_at_most_the_clipping_norm(make_sum: SumOfProducts) -> None:
    """Take one unit out of some, wherever it stands: the sum moves by at most one clipping norm, exactly."""

    @settings(max_examples=60, derandomize=True, database=None)
    @given(FACTORS, NORMS, st.integers(0, LEVELS - 1))
    def law(factors: Floats, norm: float, gone: int) -> None:
        with np.errstate(all="ignore"):
            moved = make_sum(products(factors), norm) - make_sum(products(np.delete(factors, gone, axis=0)), norm)
        assert np.isfinite(moved).all()
        assert sum(int(entry) ** 2 for entry in moved) <= LATTICE**2

    law()


def test_one_unit_more_moves_the_sum_of_outer_products_by_at_most_the_clipping_norm() -> None:
    products_move_by_at_most_the_clipping_norm(the_sum_of_products)


def products_per_layer(parts: Sequence[OuterProducts], norm: float) -> NDArray[np.int64]:
    return np.concatenate([total(clipped((part,), norm)) for part in parts])


def products_of_clipped_factors(parts: Sequence[OuterProducts], norm: float) -> NDArray[np.int64]:
    """Clip the backpropagated vectors and forget how long the inputs are."""
    lefts = clipped([OuterProducts.of_vectors(part.left) for part in parts], norm)
    return total([OuterProducts(left.left, np.nan_to_num(part.right)) for left, part in zip(lefts, parts, strict=True)])


def products_untested(parts: Sequence[OuterProducts], norm: float) -> NDArray[np.float64]:
    """Scale by a factor for each row and round both factors, without a look at what became of their length."""
    scale = LATTICE / np.maximum(np.sqrt(sum(squared_norms(part) for part in parts)), norm)
    return np.concatenate([(np.rint(p.left * scale[:, None]).T @ np.rint(p.right)).ravel() for p in parts])


def products_of_the_batch(parts: Sequence[OuterProducts], norm: float) -> NDArray[np.int64]:
    """Find one factor for everybody: the mean norm."""
    norms = np.sqrt(sum(squared_norms(part) for part in parts))
    finite = np.where(np.isfinite(norms), norms, 0.0)
    scale = LATTICE / max(float(np.mean(finite)), norm)
    return np.trunc(np.nan_to_num(whole(parts)) * scale).clip(-1e15, 1e15).sum(axis=0).astype(np.int64)


@pytest.mark.parametrize(
    "planted", [products_per_layer, products_of_clipped_factors, products_untested, products_of_the_batch]
)
def test_a_planted_way_of_clipping_outer_products_is_caught(planted: SumOfProducts) -> None:
    with pytest.raises((AssertionError, OverflowError, ValueError)):
        products_move_by_at_most_the_clipping_norm(planted)


def test_sums_do_not_depend_on_the_order_or_on_the_pieces() -> None:
    rng = np.random.default_rng(5)
    factors = rng.normal(size=(3000, WIDTH))
    everybody = total(clipped(products(factors), 0.01))
    for cuts in (1, 7, 1000):
        shuffled = np.array_split(rng.permutation(factors), cuts)
        np.testing.assert_array_equal(sum(total(clipped(products(piece), 0.01)) for piece in shuffled), everybody)

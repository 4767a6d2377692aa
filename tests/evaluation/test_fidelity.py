"""Total variation by hand, by its laws, and on code tables."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpsynth.errors import InvalidInput
from dpsynth.evaluation.fidelity import marginal_counts, marginal_distances, total_variation
from dpsynth.schema.domain import Domain

DOMAIN = Domain(("sex", "age", "job"), (2, 3, 1))
ONE = np.array([[0, 0, 0], [0, 1, 0], [1, 2, 0], [1, 2, 0]])
TWO = np.array([[0, 0, 0], [1, 1, 0]])
WEIGHTS = st.lists(st.integers(0, 9), min_size=4, max_size=4).map(np.array)


def test_total_variation_by_hand() -> None:
    assert total_variation([1, 1, 2], [1, 1, 0]) == 0.5
    assert total_variation([1, 0], [0, 7]) == 1
    assert total_variation([[1, 2], [3, 4]], [[10, 20], [30, 40]]) == 0


def test_tables_without_mass() -> None:
    assert total_variation([0, 0], [0, 0]) == 0
    assert total_variation([0, 0], [1, 1]) == 1


@given(WEIGHTS, WEIGHTS, WEIGHTS)
def test_total_variation_is_a_distance(one: np.ndarray, two: np.ndarray, three: np.ndarray) -> None:
    assert total_variation(one, one) == 0
    assert 0 <= total_variation(one, two) <= 1
    assert total_variation(one, two) == total_variation(two, one)
    assert total_variation(one, three) <= total_variation(one, two) + total_variation(two, three) + 1e-12


@given(WEIGHTS, WEIGHTS)
def test_merging_cells_brings_tables_closer(one: np.ndarray, two: np.ndarray) -> None:
    if one.any() and two.any():
        merged = total_variation(one.reshape(2, 2).sum(axis=1), two.reshape(2, 2).sum(axis=1))
        assert merged <= total_variation(one, two) + 1e-12


def test_total_variation_is_the_largest_difference_over_events() -> None:
    one, two = np.array([5, 1, 3, 1]) / 10, np.array([2, 2, 2, 4]) / 10
    events = [[bool(number >> bit & 1) for bit in range(4)] for number in range(16)]
    assert total_variation(one, two) == pytest.approx(max(abs(one[event].sum() - two[event].sum()) for event in events))


def test_marginal_counts_by_hand() -> None:
    np.testing.assert_array_equal(marginal_counts(ONE, DOMAIN, ("sex", "age")), [[1, 1, 0], [0, 0, 2]])
    np.testing.assert_array_equal(marginal_counts(ONE, DOMAIN, ("age",)), [1, 1, 2])
    assert marginal_counts(ONE, DOMAIN, ()) == 4


def test_marginal_distances_by_hand() -> None:
    # sex: equal. age: (1, 1, 2)/4 against (1, 1, 0)/2 is 1/2. job: one value.
    one_way = marginal_distances(ONE, TWO, DOMAIN, order=1)
    assert one_way.distances == {("sex",): 0, ("age",): 0.5, ("job",): 0}
    assert (one_way.mean, one_way.largest) == (pytest.approx(1 / 6), 0.5)
    two_way = marginal_distances(ONE, TWO, DOMAIN, order=2)
    assert two_way.distances == {("sex", "age"): 0.75, ("sex", "job"): 0, ("age", "job"): 0.5}


def test_more_columns_never_look_closer() -> None:
    rng = np.random.default_rng(0)
    domain = Domain(("a", "b", "c"), (3, 4, 5))
    one, two = (np.stack([rng.integers(0, size, 300) for size in domain.sizes], axis=1) for _ in range(2))
    single = marginal_distances(one, two, domain, order=1).distances
    for clique, distance in marginal_distances(one, two, domain, order=2).distances.items():
        assert distance >= max(single[clique[:1]], single[clique[1:]]) - 1e-12


def test_no_rows_and_no_marginals() -> None:
    nothing = ONE[:0]
    assert marginal_distances(nothing, nothing, DOMAIN, order=1).largest == 0
    assert marginal_distances(ONE, nothing, DOMAIN, order=1).mean == 1
    assert marginal_distances(ONE, TWO, DOMAIN, order=4).mean == 0
    assert marginal_distances(ONE, TWO, DOMAIN, order=4).largest == 0


@pytest.mark.parametrize(("one", "two"), [([1], [1, 2]), ([-1, 2], [1, 2]), ([np.nan, 1], [1, 1])])
def test_what_is_no_pair_of_tables_is_refused(one: list[float], two: list[float]) -> None:
    with pytest.raises(InvalidInput):
        total_variation(one, two)


@pytest.mark.parametrize("codes", [ONE[:, :2], ONE + 1, -ONE, ONE[0]])
def test_codes_outside_the_domain_are_refused(codes: np.ndarray) -> None:
    with pytest.raises(InvalidInput):
        marginal_distances(codes, TWO, DOMAIN, order=1)


def test_an_order_below_one_is_refused() -> None:
    with pytest.raises(InvalidInput):
        marginal_distances(ONE, TWO, DOMAIN, order=0)

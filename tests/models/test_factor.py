from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.special import logsumexp

from dpsynth.errors import InvalidInput
from dpsynth.models import Factor
from dpsynth.schema.domain import Domain

DOMAIN = Domain(("x", "y", "z"), (2, 3, 4))
tables = arrays.arrays(np.float64, DOMAIN.sizes, elements=st.floats(-50, 50))
orders = st.sampled_from([names for n in range(4) for names in itertools.permutations(DOMAIN.names, n)])


@given(tables, orders)
def test_project_sums_the_other_columns_in_any_axis_order(values: np.ndarray, names: tuple[str, ...]) -> None:
    factor = Factor(DOMAIN, values).project(names)
    letters = dict(zip(DOMAIN.names, "xyz", strict=True))
    expected = np.einsum(f"xyz->{''.join(letters[name] for name in names)}", values)
    assert factor.domain.names == names
    np.testing.assert_allclose(factor.values, expected, atol=1e-10)


@given(tables, orders)
def test_logsumexp_is_projection_in_log_space(values: np.ndarray, names: tuple[str, ...]) -> None:
    found = Factor(DOMAIN, values).logsumexp(names)
    direct = Factor(DOMAIN, np.exp(values)).project(names)
    np.testing.assert_allclose(np.exp(found.values), direct.values, rtol=1e-9)


def test_logsumexp_neither_overflows_nor_loses_impossible_cells() -> None:
    domain = Domain(("x", "y"), (3, 2))
    values = np.array([[1e4, 1e4], [-np.inf, -1e5], [-np.inf, -np.inf]])
    found = Factor(domain, values).logsumexp(("x",)).values
    np.testing.assert_allclose(found, logsumexp(values, axis=1))


@given(tables, tables, orders)
def test_operations_go_by_name_and_not_by_axis(left: np.ndarray, right: np.ndarray, order: tuple[str, ...]) -> None:
    first, second = Factor(DOMAIN, left), Factor(DOMAIN, right)
    if len(order) == 3:
        second = second.transpose(order)
    for operation, numpy_operation in [
        (Factor.__add__, np.add), (Factor.__sub__, np.subtract), (Factor.__mul__, np.multiply)
    ]:  # fmt: skip
        np.testing.assert_array_equal(operation(first, second).values, numpy_operation(left, right))


def test_factors_over_different_columns_combine_over_the_union() -> None:
    x = Factor(Domain(("x",), (2,)), np.array([1.0, 2.0]))
    yz = Factor(Domain(("z", "y"), (4, 3)), np.arange(12.0).reshape(4, 3))
    product = x * yz
    assert product.domain == Domain(("x", "z", "y"), (2, 4, 3))
    assert product.values[1, 2, 1] == 2.0 * yz.values[2, 1]


@given(tables)
def test_exp_and_log_are_inverse_and_numbers_combine(values: np.ndarray) -> None:
    factor = Factor(DOMAIN, values)
    np.testing.assert_allclose(factor.exp().log().values, values, atol=1e-9)
    np.testing.assert_allclose((factor * 2.0 - 1.0 + 0.5).values, values * 2 - 0.5)
    np.testing.assert_allclose((factor / 4.0).values, values / 4)


def test_log_of_zero_is_minus_infinity_and_zero_over_zero_is_zero() -> None:
    domain = Domain(("x",), (2,))
    zeros = Factor(domain, np.array([0.0, 1.0]))
    assert zeros.log().values.tolist() == [-np.inf, 0.0]
    assert (zeros / zeros).values.tolist() == [0.0, 1.0]


def test_normalize_reaches_the_total_and_makes_nothing_uniform() -> None:
    domain = Domain(("x",), (4,))
    assert Factor(domain, np.array([1.0, 2.0, 3.0, 4.0])).normalize(20.0).values.tolist() == [2.0, 4.0, 6.0, 8.0]
    assert Factor.zeros(domain).normalize(8.0).values.tolist() == [2.0] * 4
    assert Factor(domain, np.ones(4)).total == 4.0


def test_expand_repeats_and_refuses_to_lose_columns() -> None:
    x = Factor(Domain(("x",), (2,)), np.array([1.0, 2.0]))
    assert x.expand(DOMAIN).values[1].tolist() == [[2.0] * 4] * 3
    with pytest.raises(InvalidInput, match="cannot expand"):
        Factor.zeros(DOMAIN).expand(x.domain)


def test_mistakes_are_refused() -> None:
    with pytest.raises(InvalidInput, match="needs shape"):
        Factor(DOMAIN, np.zeros((2, 3)))
    with pytest.raises(InvalidInput, match="another order"):
        Factor.zeros(DOMAIN).transpose(("x", "y"))
    with pytest.raises(InvalidInput, match="not a column"):
        Factor.zeros(DOMAIN).project(("w",))

"""A mixture of products: marginals by brute force, the same as a graphical model, records and conditions."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest

from dpsynth.errors import InvalidInput
from dpsynth.models.mixture_of_products import MixtureOfProducts, column_rows
from dpsynth.schema.domain import Domain

DOMAIN = Domain(("a", "component", "c"), (3, 4, 2))


def mixture(seed: int = 0, components: int = 5) -> MixtureOfProducts:
    rng = np.random.default_rng(seed)
    shares = np.concatenate([rng.dirichlet(np.ones(size), components).T for size in DOMAIN.sizes])
    return MixtureOfProducts(DOMAIN, rng.dirichlet(np.ones(components)), shares)


def joint(made: MixtureOfProducts) -> np.ndarray:
    """Return the whole table, cell by cell and component by component."""
    rows = column_rows(DOMAIN)
    table = np.zeros(DOMAIN.sizes)
    for cell in product(*map(range, DOMAIN.sizes)):
        for component, weight in enumerate(made.weights):
            table[cell] += weight * np.prod(
                [made.shares[rows[name]][code, component] for name, code in zip(DOMAIN.names, cell, strict=True)]
            )
    return table


def test_columns_and_pairs_equal_brute_force_in_either_order() -> None:
    made, table = mixture(), joint(mixture())
    for place, name in enumerate(DOMAIN.names):
        others = tuple(axis for axis in range(3) if axis != place)
        np.testing.assert_allclose(made.marginal((name,)), table.sum(axis=others))
    for first, second in combinations(range(3), 2):
        pair = table.sum(axis=3 - first - second)
        names = (DOMAIN.names[first], DOMAIN.names[second])
        np.testing.assert_allclose(made.marginal(names), pair)
        np.testing.assert_allclose(made.marginal(names[::-1]), pair.T)
    with pytest.raises(InvalidInput, match="repeats"):
        made.marginal(("a", "a"))


def test_the_graphical_model_is_the_same_distribution_under_a_free_name() -> None:
    model = mixture().as_graphical_model(50.0)
    assert model.domain.names == ("component'", *DOMAIN.names)
    np.testing.assert_allclose(model.marginal(DOMAIN.names), 50 * joint(mixture()), rtol=1e-9)
    np.testing.assert_allclose(model.marginal(("component'",)), 50 * mixture().weights, rtol=1e-9)
    assert all(len(node.columns) == 2 for node in model.calibrated.tree.nodes), "a star of pairs"


def test_records_follow_the_mixture_and_conditions_hold_exactly() -> None:
    made = mixture()
    rng, rows = np.random.default_rng(1), 40_000
    codes = made.as_graphical_model(1.0).sample(rows, rng)[:, 1:]
    seen = np.zeros(DOMAIN.sizes)
    np.add.at(seen, tuple(codes.T), 1 / rows)
    cells = seen.size
    assert 0.5 * np.abs(seen - joint(made)).sum() < 1.5 * np.sqrt(cells / (2 * np.pi * rows))
    given = np.array([False, True])
    some = np.concatenate(list(made.as_graphical_model(1.0).sample_chunks(rows, rng, {"c": given})))[:, 1:]
    assert (some[:, 2] == 1).all()
    wanted = joint(made)[:, :, 1] / joint(made)[:, :, 1].sum()
    seen = np.zeros(wanted.shape)
    np.add.at(seen, (some[:, 0], some[:, 1]), 1 / rows)
    assert 0.5 * np.abs(seen - wanted).sum() < 1.5 * np.sqrt(wanted.size / (2 * np.pi * rows))


def test_impossible_records_have_exactly_no_mass_and_the_others_keep_their_proportions() -> None:
    made, table = mixture(), joint(mixture())
    mask = np.zeros((3, 2), dtype=bool)
    mask[0, 1] = mask[2, 0] = True
    model = made.as_graphical_model(1.0, {("a", "c"): mask})
    table[0, :, 1] = table[2, :, 0] = 0
    found = model.marginal(DOMAIN.names)
    assert (found[table == 0] == 0).all()
    np.testing.assert_allclose(found, table / table.sum(), rtol=1e-9)


def test_a_share_of_zero_stays_practically_zero() -> None:
    made = mixture()
    shares = made.shares.copy()
    shares[:3] = np.array([[0.0], [0.25], [0.75]])
    model = MixtureOfProducts(DOMAIN, made.weights, shares).as_graphical_model(1.0)
    assert model.marginal(("a",))[0] < 1e-25


@pytest.mark.parametrize("fault", ["shape", "sum", "negative", "weights"])
def test_arrays_that_are_no_mixture_are_refused(fault: str) -> None:
    made = mixture()
    weights, shares = made.weights.copy(), made.shares.copy()
    if fault == "shape":
        shares = shares[1:]
    elif fault == "sum":
        shares[0] += 0.1
    elif fault == "negative":
        shares[0] -= 2
        shares[1] += 2
    else:
        weights[0] += 0.1
    with pytest.raises(InvalidInput, match=r"mixture|sum to 1"):
        MixtureOfProducts(DOMAIN, weights, shares)

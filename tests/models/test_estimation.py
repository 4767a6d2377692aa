"""Estimation against closed forms, against a slow twin, and under every change that must not matter."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpsynth.errors import InvalidInput
from dpsynth.models import GraphicalModel, Measurement, estimate
from dpsynth.schema.domain import Clique, Domain
from tests.models.brute_force import (
    ALL_CLIQUES,
    CLIQUE_SETS,
    DOMAIN,
    Floats,
    joint_distribution,
    least_squares,
    loss,
    project,
    random_potentials,
    slow_mirror_descent,
)

EXACT = {"iterations": 20_000, "tolerance": 1e-13, "fit_fraction": 0.0}
"""Settings under which estimation runs until nothing moves."""

FITTED_SETS = {name: cliques for name, cliques in CLIQUE_SETS.items() if any(cliques)}


def truth(rows: float = 4800.0, seed: int = 0) -> Floats:
    """Return a joint table in rows without small cells."""
    return joint_distribution(random_potentials([("a", "b", "c"), ("c", "d"), ("a", "d")], seed, 0.4)) * rows


def measure(
    joint: Floats, cliques: Sequence[Clique], stddevs: Sequence[float], seed: int, domain: Domain = DOMAIN
) -> list[Measurement]:
    rng = np.random.default_rng(seed)
    return [
        Measurement(clique, project(joint, clique, domain) + rng.normal(0, stddev, domain.shape(clique)), stddev)
        for clique, stddev in zip(cliques, itertools.cycle(stddevs), strict=False)
    ]


def joint_of(model: GraphicalModel) -> Floats:
    return joint_distribution(model.potentials) * model.total


@pytest.mark.parametrize("cliques", FITTED_SETS.values(), ids=FITTED_SETS.keys())
def test_unequal_noise_is_weighted_as_closed_form_least_squares_does(cliques: tuple[Clique, ...]) -> None:
    joint = truth()
    measurements = measure(joint, cliques, [1.0, 4.0, 2.0], seed=1)
    best = least_squares(measurements, joint)
    assert best.min() > 0, "the closed form needs an interior answer"
    model = estimate(DOMAIN, measurements, total=float(joint.sum()), **EXACT)
    for clique in cliques:
        np.testing.assert_allclose(model.marginal(clique), project(best, clique), atol=1e-3)
    assert loss(joint_of(model), measurements) == pytest.approx(loss(best, measurements), rel=1e-6, abs=1e-6)


def test_one_clique_measured_twice_gives_the_inverse_variance_mean() -> None:
    first, second = np.array([100.0, 220.0, 310.0]), np.array([130.0, 200.0, 330.0])
    measurements = [Measurement(("b",), first, 3.0), Measurement(("b",), second, 6.0)]
    model = estimate(DOMAIN, measurements, **EXACT)
    weights = np.array([1 / 9, 1 / 36])
    mean = (first * weights[0] + second * weights[1]) / weights.sum()
    assert model.total == pytest.approx(mean.sum())
    np.testing.assert_allclose(model.marginal(("b",)), mean, atol=1e-4)
    # Weighting by 1 / stddev, a mistake seen in the field, would be off by thousands of times that tolerance.
    mistaken = (first * 2 + second) / 3
    assert np.abs(mistaken - mean).min() > 1.0


def test_a_coarse_and_a_fine_table_meet_where_their_noise_says() -> None:
    # The total is exact. x0 is measured as 30 with variance 1 by (x), as 10 + 10 with variance 4 + 4 by (x, y).
    domain = Domain(("x", "y"), (2, 2))
    measurements = [
        Measurement(("x",), np.array([30.0, 70.0]), 1.0),
        Measurement(("x", "y"), np.array([[10.0, 10.0], [40.0, 40.0]]), 2.0),
    ]
    model = estimate(domain, measurements, total=100.0, **EXACT)
    # Both tables sum to the total, so x0 is the mean of 30 and 20 weighted by 1 and 1/8.
    assert model.marginal(("x",))[0] == pytest.approx((30 + 20 / 8) / (1 + 1 / 8), abs=1e-4)


@pytest.mark.parametrize("stddev", [30.0, 300.0])
@pytest.mark.parametrize("cliques", FITTED_SETS.values(), ids=FITTED_SETS.keys())
def test_no_worse_than_a_long_slow_run_over_the_full_table(cliques: tuple[Clique, ...], stddev: float) -> None:
    joint = joint_distribution(random_potentials([("a", "b", "c"), ("c", "d")], 2, 2.0)) * 1000.0
    measurements = measure(joint, cliques, [stddev, 3 * stddev], seed=3)
    model = estimate(DOMAIN, measurements, total=1000.0, iterations=3000, tolerance=1e-9, fit_fraction=0.0)
    slow = slow_mirror_descent(measurements, 1000.0, 3000)
    cells = sum(measured.counts.size for measured in measurements)
    assert loss(joint_of(model), measurements) <= loss(slow, measurements) + 1e-4 * cells


@pytest.mark.parametrize("stddev", [1.0, 30.0, 300.0])
def test_the_default_stop_costs_little_of_the_noise(stddev: float) -> None:
    joint = joint_distribution(random_potentials([("a", "b", "c"), ("c", "d")], 2, 2.0)) * 1000.0
    measurements = measure(joint, CLIQUE_SETS["two cycles"], [stddev], seed=4)
    cells = sum(measured.counts.size for measured in measurements)
    default = estimate(DOMAIN, measurements, total=1000.0)
    exact = estimate(DOMAIN, measurements, total=1000.0, **EXACT)
    assert loss(joint_of(default), measurements) <= loss(joint_of(exact), measurements) + 0.02 * cells / 2


@pytest.mark.parametrize("stddev", [100.0, 10.0, 1.0, 0.1])
def test_consistency_as_the_noise_vanishes(stddev: float) -> None:
    joint = truth()
    cliques = CLIQUE_SETS["cycle of four"]
    model = estimate(DOMAIN, measure(joint, cliques, [stddev], seed=5), **EXACT)
    for clique in cliques:
        # Six standard deviations per cell; the fit itself moves towards the truth, never away in norm.
        assert np.abs(model.marginal(clique) - project(joint, clique)).max() < 6 * stddev


def test_what_was_not_measured_has_maximum_entropy() -> None:
    a, b = np.array([30.0, 70.0]), np.array([20.0, 50.0, 30.0])
    model = estimate(DOMAIN, [Measurement(("a",), a, 1.0), Measurement(("b",), b, 1.0)], **EXACT)
    np.testing.assert_allclose(model.marginal(("a", "b")), np.outer(a, b) / 100, atol=1e-4)
    np.testing.assert_allclose(model.marginal(("d",)), 25.0, atol=1e-9)
    np.testing.assert_allclose(model.marginal(("e",)), 100.0, atol=1e-9)


def test_no_measurement_at_all_is_uniform() -> None:
    for measurements in ([], [Measurement((), np.array(48.0), 1.0)]):
        model = estimate(DOMAIN, measurements, total=48.0)
        np.testing.assert_allclose(model.marginal(DOMAIN.names), 1.0)


def test_the_empty_clique_measures_the_total() -> None:
    measurements = [Measurement((), np.array(480.0), 1.0), Measurement(("e",), np.array([9000.0]), 1e4)]
    model = estimate(DOMAIN, measurements)
    assert model.total == pytest.approx(480.0, abs=1e-3)


@pytest.mark.parametrize("counts", [[0.0, 0.0], [-5.0, -9.0], [-5.0, 3.0], [1e-9, 0.0]])
def test_no_rows_give_a_usable_model(counts: list[float]) -> None:
    measurements = [Measurement(("a",), np.array(counts), 2.0), Measurement(("a", "b"), np.full((2, 3), -1.0), 2.0)]
    model = estimate(DOMAIN, measurements)
    assert model.total == 1.0
    for clique in (("a",), ("a", "b"), ("d", "a")):
        table = model.marginal(clique)
        assert table.min() >= 0
        assert table.sum() == pytest.approx(1.0)
    assert model.sample(0, np.random.default_rng(0)).shape == (0, 5)


@settings(max_examples=15)
@given(st.permutations(range(6)), st.integers(0, 1000))
def test_the_order_of_measurements_and_of_axes_does_not_matter(order: list[int], seed: int) -> None:
    cliques = [("a", "b"), ("b", "c"), ("a", "c"), ("a",), ("b", "a"), ("c", "d")]
    measurements = measure(truth(), cliques, [5.0, 20.0], seed)
    flipped = [
        Measurement(measured.clique[::-1], measured.counts.T, measured.stddev)
        for measured in (measurements[place] for place in order)
    ]
    first, second = (estimate(DOMAIN, given, iterations=2000, tolerance=1e-11) for given in (measurements, flipped))
    for clique in ALL_CLIQUES:
        np.testing.assert_allclose(first.marginal(clique), second.marginal(clique), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("order", list(itertools.permutations("abcde"))[::17])
def test_renaming_and_reordering_columns_changes_names_only(order: tuple[str, ...]) -> None:
    measurements = measure(truth(), CLIQUE_SETS["two cycles"], [5.0, 20.0], seed=6)
    names = dict(zip(DOMAIN.names, ("v", "w", "x", "y", "z"), strict=True))
    relabelled = Domain(tuple(names[name] for name in order), DOMAIN.shape(order))
    renamed = [
        Measurement(tuple(names[name] for name in measured.clique), measured.counts, measured.stddev)
        for measured in measurements
    ]
    first, second = estimate(DOMAIN, measurements, **EXACT), estimate(relabelled, renamed, **EXACT)
    for clique in ALL_CLIQUES:
        other = second.marginal(tuple(names[name] for name in clique))
        np.testing.assert_allclose(first.marginal(clique), other, rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize("before", [(), (("a", "b"),), (("a", "b", "c"),), (("c", "d"), ("a", "e"))])
def test_a_warm_start_changes_the_time_and_not_the_aim(before: tuple[Clique, ...]) -> None:
    joint = truth()
    measurements = measure(joint, CLIQUE_SETS["cycle of four"], [5.0, 20.0], seed=7)
    earlier = estimate(DOMAIN, measure(joint, before, [5.0], seed=8), total=3000.0)
    warm = estimate(DOMAIN, measurements, warm_start=earlier, **EXACT)
    cold = estimate(DOMAIN, measurements, **EXACT)
    for clique in CLIQUE_SETS["cycle of four"]:
        np.testing.assert_allclose(warm.marginal(clique), cold.marginal(clique), atol=1e-2)


def test_a_finished_model_is_left_after_few_iterations() -> None:
    measurements = measure(truth(), CLIQUE_SETS["cycle of four"], [5.0], seed=9)
    done = estimate(DOMAIN, measurements, **EXACT)
    again = estimate(DOMAIN, measurements, warm_start=done, iterations=15)
    for clique in CLIQUE_SETS["cycle of four"]:
        np.testing.assert_allclose(again.marginal(clique), done.marginal(clique), atol=0.05)


@pytest.mark.parametrize(("stddev", "rows"), [(1e-6, 1e6), (1e6, 100.0), (1.0, 1e12), (1e-150, 100.0), (1e150, 100.0)])
def test_extreme_scales_stay_finite(stddev: float, rows: float) -> None:
    measurements = measure(truth(rows), CLIQUE_SETS["two cycles"], [stddev], seed=10)
    model = estimate(DOMAIN, measurements, total=rows)
    assert np.isfinite(model.potentials.buffer).all()
    for clique in CLIQUE_SETS["two cycles"]:
        assert model.marginal(clique).sum() == pytest.approx(rows)


def test_potentials_do_not_drift_over_rounds() -> None:
    measurements = measure(truth(), CLIQUE_SETS["cycle of three"], [50.0], seed=11)
    model = estimate(DOMAIN, measurements)
    for _ in range(20):
        model = estimate(DOMAIN, measurements, warm_start=model, iterations=50)
    assert all(factor.values.max() == 0 for factor in model.potentials.values())


def test_a_model_with_impossible_cells_can_be_started_from() -> None:
    potentials = random_potentials([("a", "b")], 0)
    potentials["a", "b"].values[0, 0] = -np.inf
    earlier = GraphicalModel.from_potentials(potentials, 10.0)
    counts = np.array([[50.0, 20.0, 30.0], [10.0, 40.0, 60.0]])
    model = estimate(DOMAIN, [Measurement(("a", "b"), counts, 1.0)], warm_start=earlier, iterations=3000)
    np.testing.assert_allclose(model.marginal(("a", "b")), counts, atol=0.5)


def test_mistakes_are_refused() -> None:
    good = Measurement(("a",), np.array([1.0, 2.0]), 1.0)
    with pytest.raises(InvalidInput, match="not a column"):
        estimate(DOMAIN, [Measurement(("z",), np.zeros(2), 1.0)])
    with pytest.raises(InvalidInput, match="needs shape"):
        estimate(DOMAIN, [Measurement(("a",), np.zeros(3), 1.0)])
    with pytest.raises(InvalidInput, match="another domain"):
        estimate(DOMAIN, [good], warm_start=estimate(Domain(("a",), (2,)), [good]))
    with pytest.raises(InvalidInput, match="iterations"):
        estimate(DOMAIN, [good], iterations=0)
    with pytest.raises(InvalidInput, match="tolerance"):
        estimate(DOMAIN, [good], tolerance=float("nan"))
    with pytest.raises(InvalidInput, match="finite number"):
        estimate(DOMAIN, [good], total=float("inf"))


# --------------------------------------------------------------------------------------------------- structural zeros

MASKED: dict[str, dict[Clique, np.ndarray]] = {
    "a pair that is not measured": {("b", "d"): np.arange(12).reshape(3, 4) % 5 == 2},
    "a pair in the other order": {("d", "b"): (np.arange(12).reshape(4, 3) % 5 == 2)},
    "a measured pair": {("a", "b"): np.array([[True, False, False], [False, False, True]])},
    "a column is a function of another": {("b", "d"): np.arange(3)[:, None] != np.array([0, 0, 1, 2])[None, :]},
    "two pairs": {
        ("a", "b"): np.array([[True, False, False], [False, False, True]]),
        ("c", "d"): np.array([[False, True, True, False], [True, False, False, False]]),
    },
}


@pytest.mark.parametrize("impossible", MASKED.values(), ids=MASKED.keys())
def test_impossible_cells_get_no_mass_and_the_rest_fits_as_well_as_it_can(impossible: dict[Clique, np.ndarray]) -> None:
    allowed = np.ones(DOMAIN.sizes)
    for clique, mask in impossible.items():
        grid = np.indices(DOMAIN.sizes)
        allowed[mask[tuple(grid[DOMAIN.position(name)] for name in clique)]] = 0
    joint = truth() * allowed
    measurements = measure(joint, [("a", "b"), ("b", "c"), ("d",)], [2.0], seed=5)
    model = estimate(DOMAIN, measurements, impossible=impossible, total=float(joint.sum()), **EXACT)
    made = model.marginal(DOMAIN.names)
    assert made[allowed == 0].max() == 0
    for clique, mask in impossible.items():
        assert model.marginal(clique)[mask].max() == 0
    # Brute force: exponentiated gradient on the allowed cells of the full joint reaches no smaller loss.
    best = allowed / allowed.sum() * joint.sum()
    step = 0.5 * measurements[0].stddev ** 2 / joint.sum()
    for _ in range(20_000):
        gradient = np.zeros(DOMAIN.sizes)
        for measured in measurements:
            residual = (project(best, measured.clique) - measured.counts) / measured.stddev**2
            gradient += residual[tuple(np.indices(DOMAIN.sizes)[DOMAIN.position(name)] for name in measured.clique)]
        best = best * np.exp(-step * gradient)
        best *= joint.sum() / best.sum()
    assert loss(made, measurements) == pytest.approx(loss(best, measurements), rel=1e-3, abs=1e-3)
    records = model.sample(500, rng=np.random.default_rng(0))
    assert (allowed[tuple(records.T)] == 1).all()


def test_structural_zeros_survive_a_warm_start_and_an_empty_set_of_measurements() -> None:
    mask = MASKED["a column is a function of another"]
    measurements = measure(truth(), [("a", "b"), ("b", "d")], [3.0], seed=2)
    first = estimate(DOMAIN, measurements[:1], impossible=mask, **EXACT)
    warm = estimate(DOMAIN, measurements, impossible=mask, warm_start=first, total=4800.0, **EXACT)
    cold = estimate(DOMAIN, measurements, impossible=mask, total=4800.0, **EXACT)
    np.testing.assert_allclose(warm.marginal(DOMAIN.names), cold.marginal(DOMAIN.names), atol=0.05)
    empty = estimate(DOMAIN, [], impossible=mask, total=24.0)
    np.testing.assert_allclose(empty.marginal(("b", "d")), 6.0 * ~mask["b", "d"])


@pytest.mark.parametrize("mask", [np.ones((3, 4), dtype=bool), np.zeros((4, 3), dtype=bool)])
def test_masks_that_leave_nothing_or_have_another_shape_are_refused(mask: np.ndarray) -> None:
    with pytest.raises(InvalidInput, match="impossible"):
        estimate(DOMAIN, [], impossible={("b", "d"): mask})

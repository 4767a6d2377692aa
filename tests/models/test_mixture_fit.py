"""The fit of a mixture: derivatives by finite differences, recovery of a known mixture, unequal noise, the price."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from dpsynth.errors import InvalidInput
from dpsynth.models.measurement import Measurement
from dpsynth.models.mixture_fit import ColumnCounts, MixtureLoss, fit_mixture
from dpsynth.models.mixture_of_products import MixtureOfProducts
from dpsynth.schema.domain import Domain

DOMAIN = Domain(("a", "b", "c", "d"), (3, 4, 2, 5))
CELLS = sum(DOMAIN.sizes)
TOTAL = 1000.0


def mixture(seed: int = 0, components: int = 3) -> MixtureOfProducts:
    rng = np.random.default_rng(seed)
    shares = np.concatenate([rng.dirichlet(np.full(size, 0.5), components).T for size in DOMAIN.sizes])
    return MixtureOfProducts(DOMAIN, rng.dirichlet(np.ones(components)), shares)


def columns_of(made: MixtureOfProducts, stddev: float = 1.0) -> ColumnCounts:
    counts = np.concatenate([TOTAL * made.marginal((name,)) for name in DOMAIN.names])
    return ColumnCounts(counts, np.full(CELLS, stddev))


def pair_of(made: MixtureOfProducts, clique: tuple[str, str], stddev: float = 1.0) -> Measurement:
    return Measurement(clique, TOTAL * made.marginal(clique), stddev)


def pairs_of(made: MixtureOfProducts) -> list[Measurement]:
    return [pair_of(made, clique) for clique in combinations(DOMAIN.names, 2)]


def distance(made: MixtureOfProducts, other: MixtureOfProducts, clique: tuple[str, ...]) -> float:
    return float(0.5 * np.abs(made.marginal(clique) - other.marginal(clique)).sum())


@pytest.mark.parametrize("price", [0.0, 40.0])
@pytest.mark.parametrize("missing", [(), (("a", "c"), ("b", "d"))])
def test_the_gradient_agrees_with_finite_differences(price: float, missing: tuple[tuple[str, str], ...]) -> None:
    rng = np.random.default_rng(3)
    pairs = [
        Measurement(clique, rng.normal(50, 40, DOMAIN.shape(clique)), stddev)
        for clique, stddev in zip(combinations(DOMAIN.names, 2), rng.uniform(5, 50, 6), strict=True)
        if clique not in missing
    ]
    pairs.append(Measurement(("b", "a"), rng.normal(80, 40, (4, 3)), 17.0))  # repeated, in the other order
    columns = ColumnCounts(rng.normal(200, 100, CELLS), rng.uniform(5, 50, CELLS))
    loss = MixtureLoss(DOMAIN, columns, pairs, total=TOTAL, information_price=price, dtype=np.float64)
    parameters = rng.standard_normal((CELLS + 1, 6))
    gradient = loss.gradient(parameters)[1]
    step = 1e-5
    for row, component in [(0, 0), (2, 5), (4, 1), (7, 3), (9, 2), (13, 4), (CELLS, 0), (CELLS, 5)]:
        moved = np.zeros_like(parameters)
        moved[row, component] = step
        slope = (loss.gradient(parameters + moved)[0] - loss.gradient(parameters - moved)[0]) / (2 * step)
        assert gradient[row, component] == pytest.approx(slope, rel=1e-6, abs=1e-9)


def test_the_loss_is_half_the_squared_error_in_units_of_the_noise_plus_priced_information() -> None:
    made, other = mixture(0), mixture(1)
    loss = MixtureLoss(DOMAIN, columns_of(other, 3.0), pairs_of(other), total=TOTAL, information_price=7.0)
    parameters = np.log(np.concatenate([made.shares, made.weights[None, :]]))
    errors = [(pair.counts - TOTAL * made.marginal(pair.clique)) / pair.stddev for pair in pairs_of(other)]
    errors += [(TOTAL * (other.marginal((name,)) - made.marginal((name,)))) / 3.0 for name in DOMAIN.names]
    mean = (made.shares @ made.weights)[:, None]
    information = float((made.weights * made.shares * np.log(made.shares / mean)).sum())
    cells = sum(error.size for error in errors)
    wanted = (0.5 * sum(float((error**2).sum()) for error in errors) + 7.0 * information) / cells
    assert loss.gradient(parameters)[0] == pytest.approx(wanted, rel=1e-5)


def test_a_known_mixture_is_recovered_from_its_exact_pairs() -> None:
    real = mixture()
    made = fit_mixture(
        DOMAIN, columns_of(real), pairs_of(real), total=TOTAL, rng=np.random.default_rng(0), components=16
    )
    for clique in combinations(DOMAIN.names, 2):
        assert distance(made, real, clique) < 0.004
    start = fit_mixture(
        DOMAIN, columns_of(real), [], total=TOTAL, rng=np.random.default_rng(0), components=16, information_price=1e3
    )
    assert max(distance(start, real, clique) for clique in combinations(DOMAIN.names, 2)) > 0.05, "a task"


def test_the_less_noisy_of_two_contradicting_tables_counts_more() -> None:
    precise, vague = mixture(0), mixture(1)
    pairs = [pair_of(precise, ("a", "b"), 2.0), pair_of(vague, ("a", "b"), 20.0)]
    columns = ColumnCounts(columns_of(precise).counts, np.full(CELLS, 1e3))
    made = fit_mixture(DOMAIN, columns, pairs, total=TOTAL, rng=np.random.default_rng(0), components=16)
    mean = (precise.marginal(("a", "b")) + vague.marginal(("a", "b")) / 100) / 1.01
    np.testing.assert_allclose(made.marginal(("a", "b")), mean, atol=2e-3)
    different = [pair_of(precise, ("a", "b"), 2.0), pair_of(vague, ("b", "c"), 200.0)]
    made = fit_mixture(DOMAIN, columns, different, total=TOTAL, rng=np.random.default_rng(0), components=16)
    shared = made.marginal(("a", "b")).sum(axis=0)
    near, far = (0.5 * np.abs(shared - other.marginal(("b",))).sum() for other in (precise, vague))
    assert near < 0.05 * far


def test_an_enormous_price_makes_columns_independent_and_keeps_their_counts() -> None:
    real = mixture()
    made = fit_mixture(
        DOMAIN,
        columns_of(real),
        pairs_of(real),
        total=TOTAL,
        rng=np.random.default_rng(0),
        components=16,
        information_price=1e6,
    )
    for name in DOMAIN.names:
        assert distance(made, real, (name,)) < 0.02
    for first, second in combinations(DOMAIN.names, 2):
        independent = np.outer(made.marginal((first,)), made.marginal((second,)))
        assert 0.5 * np.abs(made.marginal((first, second)) - independent).sum() < 1e-3


def test_with_a_price_noise_is_followed_less() -> None:
    """The truth is independent columns; what the fit adds to them is noise."""
    real = mixture(components=1)
    rng, stddev = np.random.default_rng(5), 20.0
    pairs = [
        Measurement(pair.clique, pair.counts + rng.normal(0, stddev, pair.counts.shape), stddev)
        for pair in pairs_of(real)
    ]
    errors = {
        price: np.mean(
            [
                distance(
                    fit_mixture(
                        DOMAIN,
                        columns_of(real),
                        pairs,
                        total=TOTAL,
                        rng=np.random.default_rng(0),
                        components=32,
                        information_price=price,
                    ),
                    real,
                    clique,
                )
                for clique in [("a", "b"), ("c", "d")]
            ]
        )
        for price in (0.0, 100.0)
    }
    assert errors[100.0] < 0.4 * errors[0.0]


def test_cells_that_are_known_to_be_empty_come_out_nearly_empty_whatever_was_measured() -> None:
    real = mixture()
    noisy = [Measurement(pair.clique, pair.counts + 20.0, 20.0) for pair in pairs_of(real)]
    empty = np.zeros((3, 4), dtype=bool)
    empty[1] = [True, False, True, False]
    never = np.array([False, False, True, False, False])
    mass = {}
    for impossible in ({}, {("a", "b"): empty, ("d",): never}):
        made = fit_mixture(
            DOMAIN,
            columns_of(real, 20.0),
            noisy,
            total=TOTAL,
            rng=np.random.default_rng(0),
            components=32,
            impossible=impossible,
        )
        mass[bool(impossible)] = made.marginal(("a", "b"))[empty].sum(), made.marginal(("d",))[never].sum()
    assert mass[True][0] < 0.1 * mass[False][0]
    assert mass[True][1] < 0.1 * mass[False][1]


@pytest.mark.parametrize(
    "pairs",
    [
        [Measurement(("a",), np.ones(3), 1.0)],
        [Measurement(("a", "b"), np.ones((3, 3)), 1.0)],
        [Measurement(("a", "b", "c"), np.ones((3, 4, 2)), 1.0)],
    ],
)
def test_what_is_no_pair_of_the_domain_is_refused(pairs: list[Measurement]) -> None:
    with pytest.raises(InvalidInput, match="pairs of columns"):
        MixtureLoss(DOMAIN, columns_of(mixture()), pairs, total=TOTAL)
    with pytest.raises(InvalidInput, match="every code"):
        MixtureLoss(DOMAIN, ColumnCounts(np.ones(3), np.ones(3)), [], total=TOTAL)

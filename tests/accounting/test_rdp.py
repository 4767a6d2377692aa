"""Renyi divergences against their definition, by numerical integration and by sums."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import comb, logsumexp

from dpsynth.accounting.events import (
    ApproximateDpEvent,
    DiscreteGaussianDpEvent,
    DiscreteLaplaceDpEvent,
    DpEvent,
    ExponentialDpEvent,
    GaussianDpEvent,
    LaplaceDpEvent,
    PoissonSampledDpEvent,
    SelfComposedDpEvent,
)
from dpsynth.accounting.rdp import RdpAccountant
from tests.accounting import slow_methods as slow

ORDERS = [1.001, 1.5, 2.0, 3.7, 16.0, 200.0]


def divergence_of(law: slow.Law, order: float) -> float:
    losses, masses = law
    with np.errstate(divide="ignore"):
        return float(logsumexp(np.log(masses) + (order - 1) * losses)) / (order - 1)


def found(event: DpEvent, order: float) -> float:
    return RdpAccountant().compose(event).get_renyi_divergence(order)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("epsilon", [0.01, 1.0, 4.0])
def test_laplace(order: float, epsilon: float) -> None:
    exact = divergence_of(slow.laplace_law(epsilon), order)
    assert found(LaplaceDpEvent(1 / epsilon), order) == pytest.approx(exact, rel=1e-5)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(("scale", "sensitivity"), [(1, 1), (10, 1), (10, 7), (3, 12)])
def test_discrete_laplace(order: float, scale: int, sensitivity: int) -> None:
    exact = divergence_of(slow.discrete_laplace_law(float(scale), sensitivity), order)
    assert found(DiscreteLaplaceDpEvent(Fraction(scale), sensitivity), order) == pytest.approx(exact, rel=1e-6)


@pytest.mark.parametrize("order", ORDERS)
def test_pure(order: float) -> None:
    losses = np.array([0.7, -0.7])
    exact = divergence_of((losses, 1 / (1 + np.exp(-losses))), order)
    assert found(ApproximateDpEvent(Decimal("0.7"), Decimal(0)), order) == pytest.approx(exact, rel=1e-8)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("vector", [(1,), (2,), (1, 1), (2, 1), (1, 1, 1, 1)])
@pytest.mark.parametrize("variance", [0.3, 1.0, 20.0])
def test_discrete_gaussian_is_never_below_and_exact_at_whole_orders(
    order: float, vector: tuple[int, ...], variance: float
) -> None:
    law = slow.discrete_gaussian_law(variance, vector)
    squared = sum(entry**2 for entry in vector)
    bound = found(DiscreteGaussianDpEvent(Fraction(variance).limit_denominator(100), squared), order)
    exact = divergence_of(law, order)
    assert bound >= exact * (1 - 1e-6)
    if order == 2.0:
        assert bound == pytest.approx(exact, rel=1e-6)


@pytest.mark.parametrize("order", [2, 3, 8, 32])
@pytest.mark.parametrize(("probability", "noise"), [(0.01, 1.0), (0.3, 0.7), (0.001, 4.0), (0.9, 2.0)])
def test_sampled_gaussian_at_whole_orders_is_the_binomial_sum(order: int, probability: float, noise: float) -> None:
    k = np.arange(order + 1)
    terms = np.log(comb(order, k)) + (order - k) * math.log1p(-probability) + k * math.log(probability)
    exact = float(logsumexp(terms + k * (k - 1) / (2 * noise**2))) / (order - 1)
    event = PoissonSampledDpEvent(probability, GaussianDpEvent(noise))
    assert found(event, order) == pytest.approx(exact, rel=1e-9, abs=1e-12)
    assert found(event, order) >= exact * (1 - 1e-12)


@pytest.mark.parametrize("order", [1.3, 2.5, 7.9])
@pytest.mark.parametrize(("probability", "noise"), [(0.01, 1.0), (0.3, 0.7)])
def test_sampled_gaussian_at_other_orders_and_in_the_other_direction(
    order: float, probability: float, noise: float
) -> None:
    def moment(point: float, power: float) -> float:
        loss = np.logaddexp(math.log1p(-probability), math.log(probability) + point / noise - 1 / (2 * noise**2))
        return math.exp(power * loss - point * point / 2) / math.sqrt(2 * math.pi)

    exact = math.log(quad(moment, -12, order / noise + 12, args=(order,), epsabs=0, limit=500)[0]) / (order - 1)
    other = math.log(quad(moment, -12, 12, args=(1 - order,), epsabs=0, limit=500)[0]) / (order - 1)
    event = PoissonSampledDpEvent(probability, GaussianDpEvent(noise))
    assert found(event, order) == pytest.approx(exact, rel=1e-7)
    assert other <= exact


def test_bounded_range_draws_count_as_an_eighth() -> None:
    assert found(ExponentialDpEvent(Fraction(1, 5)), 3.0) == pytest.approx(3 * 0.04 / 8, rel=1e-9)


def test_a_self_composed_response_keeps_its_count() -> None:
    """A trap in other libraries: ten answers counted as one give 1.0987 here."""
    response = ApproximateDpEvent(Decimal("1.0987"), Decimal(0))
    assert RdpAccountant().compose(SelfComposedDpEvent(response, 10)).get_epsilon(1e-9) == pytest.approx(
        10.987, rel=1e-3
    )


def test_very_small_and_very_large_noise_take_no_time_and_no_memory() -> None:
    for noise in (1e-9, 1e-3, 1e6, 1e12):
        assert math.isfinite(RdpAccountant().compose(GaussianDpEvent(noise)).get_epsilon(1e-6))
    assert RdpAccountant().compose(PoissonSampledDpEvent(0.1, GaussianDpEvent(1e-9))).get_epsilon(1e-6) == math.inf
    assert RdpAccountant().compose(DiscreteLaplaceDpEvent(Fraction(10**20), 10**18)).get_epsilon(1e-6) <= 0.01
    assert RdpAccountant().compose(ExponentialDpEvent(Fraction(10**30)), 10).get_epsilon(1e-6) == pytest.approx(1e31)

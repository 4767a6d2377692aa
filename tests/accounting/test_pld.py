"""The privacy-loss accountant between the truth and the moment bound, and the traps of other libraries."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpsynth.accounting.cost import cost_of
from dpsynth.accounting.events import (
    ApproximateDpEvent,
    ComposedDpEvent,
    DiscreteGaussianDpEvent,
    DpEvent,
    ExponentialDpEvent,
    GaussianDpEvent,
    LaplaceDpEvent,
    PoissonSampledDpEvent,
    SelfComposedDpEvent,
    ZCDpEvent,
)
from dpsynth.accounting.gaussian import gaussian_epsilon
from dpsynth.accounting.pld import PldAccountant
from dpsynth.accounting.rdp import RdpAccountant
from dpsynth.accounting.zcdp import epsilon_from_rho
from tests.accounting import slow_methods as slow
from tests.accounting.events_drawn import simple_events


@settings(max_examples=30)
@given(st.lists(simple_events, min_size=1, max_size=5), st.sampled_from([1e-3, 1e-6, 1e-10]))
def test_the_three_values_are_ordered(events: list[DpEvent], delta: float) -> None:
    event = ComposedDpEvent(tuple(events))
    pld = PldAccountant().compose(event).get_epsilon(delta)
    rdp = RdpAccountant().compose(event).get_epsilon(delta)
    assert pld <= rdp * (1 + 1e-5) + 1e-6
    cost = cost_of(event)
    assert cost.rho is not None
    sums = [epsilon_from_rho(cost.rho, delta), *([] if cost.epsilon is None else [float(cost.epsilon)])]
    assert rdp <= min(sums) * (1 + 1e-9) + 1e-9


@settings(max_examples=10)
@given(st.floats(min_value=2.0, max_value=20.0), st.floats(min_value=0.02, max_value=0.3), st.integers(1, 8))
def test_never_below_a_plain_transform(noise: float, epsilon: float, count: int) -> None:
    event = ComposedDpEvent((GaussianDpEvent(noise), SelfComposedDpEvent(LaplaceDpEvent(1 / epsilon), count)))
    found = PldAccountant().compose(event).get_epsilon(1e-5)
    laws = [(slow.gaussian_law(noise), 1), (slow.laplace_law(epsilon), count)]
    second = slow.fourier_epsilon(laws, 1e-5, spacing=1e-4, reach=2 * count * epsilon + 30 / noise)
    assert found >= second * (1 - 1e-4)
    assert found <= second * (1 + 1e-3)


def test_a_self_composed_response_keeps_its_count() -> None:
    """A trap: dp-accounting's PLD accountant answers 1.0987 here, because it forgets the count."""
    response = ApproximateDpEvent(Decimal("1.0987"), Decimal(0))
    found = PldAccountant().compose(SelfComposedDpEvent(response, 10)).get_epsilon(1e-9)
    exact = slow.epsilon_of(lambda epsilon: slow.composed_pure_delta(epsilon, 1.0987, 10), 1e-9, 10.987)
    assert exact * (1 - 1e-9) <= found <= exact * (1 + 1e-5)


def test_substitution_is_twice_the_shift_and_costs_more_than_twice() -> None:
    """A trap: dp-accounting's RDP accountant answers 4.73 for substitution, where the truth is 9.997."""
    assert PldAccountant().compose(GaussianDpEvent(0.5)).get_epsilon(1e-5) == pytest.approx(9.997, rel=1e-4)


def test_no_central_limit_is_taken() -> None:
    """A trap: a central-limit accountant answers 6.007 where at least 6.1877 was spent."""
    event = PoissonSampledDpEvent(0.01, GaussianDpEvent(1.0))
    assert PldAccountant().compose(event, 10_000).get_epsilon(1e-5) > 6.1877


def test_large_epsilon_neither_fails_nor_hangs() -> None:
    """A trap: another accountant fails or hangs in calibration, where noise is small and epsilon large."""
    event = PoissonSampledDpEvent(0.01, GaussianDpEvent(0.1))
    found = PldAccountant().compose(event, 1000).get_epsilon(1e-5)
    assert 1000 < found <= RdpAccountant().compose(event, 1000).get_epsilon(1e-5)


@pytest.mark.parametrize("noise", [0.02, 0.05, 0.1, 0.5, 1.0, 20.0, 1e3])
@pytest.mark.parametrize("delta", [1e-2, 1e-6, 1e-12, 1e-30])
def test_one_gaussian_at_any_noise_is_within_a_twentieth_of_a_percent(noise: float, delta: float) -> None:
    exact = gaussian_epsilon(delta, noise)
    found = PldAccountant().compose(GaussianDpEvent(noise)).get_epsilon(delta)
    assert exact * (1 - 1e-8) <= found <= exact * (1 + 5e-4) + 1e-9


def test_few_exponential_draws_profit_from_their_worst_pair() -> None:
    few = PldAccountant().compose(ExponentialDpEvent(Fraction(2)), 2).get_epsilon(1e-6)
    assert few < RdpAccountant().compose(ExponentialDpEvent(Fraction(2)), 2).get_epsilon(1e-6)
    assert few < 4


def test_the_smallest_of_pure_sum_and_laws_is_given() -> None:
    assert PldAccountant().compose(LaplaceDpEvent(10.0)).get_epsilon(1e-300) == 0.1
    assert PldAccountant().compose(LaplaceDpEvent(10.0)).get_epsilon(1e-3) < 0.1


def test_a_mixture_of_everything_is_one_number() -> None:
    event = ComposedDpEvent(
        (
            GaussianDpEvent(5.0),
            DiscreteGaussianDpEvent(Fraction(400), 4),
            LaplaceDpEvent(20.0),
            ExponentialDpEvent(Fraction(1, 10)),
            ZCDpEvent(Fraction(1, 1000)),
            ApproximateDpEvent(Decimal("0.05"), Decimal("1e-8")),
            SelfComposedDpEvent(PoissonSampledDpEvent(0.01, GaussianDpEvent(2.0)), 50),
            PoissonSampledDpEvent(0.1, LaplaceDpEvent(1.0)),
        )
    )
    pld, rdp = (engine().compose(event).get_epsilon(1e-6) for engine in (PldAccountant, RdpAccountant))
    assert 0.9 < pld < rdp < 1.6
    assert PldAccountant().compose(event).get_delta(pld) == pytest.approx(1e-6, rel=1e-2)


def test_divergence_of_order_two_agrees_with_closed_forms() -> None:
    event = ComposedDpEvent((GaussianDpEvent(5.0), DiscreteGaussianDpEvent(Fraction(9), 1), LaplaceDpEvent(10.0)))
    found = PldAccountant().compose(event).get_renyi_divergence(2.0)
    assert found == pytest.approx(RdpAccountant().compose(event).get_renyi_divergence(2.0), rel=1e-4)
    only_moments = PldAccountant().compose(ZCDpEvent(Fraction(1, 10)))
    assert only_moments.get_renyi_divergence(2.0) == pytest.approx(0.2, rel=1e-12)
    assert math.isfinite(PldAccountant().compose(GaussianDpEvent(1e-9)).get_renyi_divergence(2.0))

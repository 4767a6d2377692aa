"""The discrete Gaussian: tables to the last unit, the convolution exactly, quantiles from crafted bytes."""

from __future__ import annotations

from decimal import Context, Decimal, localcontext
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpsynth.errors import InvalidInput
from dpsynth.mechanisms import DiscreteGaussianMechanism, Sensitivity
from dpsynth.mechanisms.discrete_gaussian import (
    CONVOLUTION_DISTANCE,
    LARGEST_TABLE_VARIANCE,
    LARGEST_VARIANCE,
    convolution_parts,
    gaussian_table,
    split_variance,
)
from dpsynth.randomness import SeededNoise
from tests.mechanisms.crafted_noise import CraftedNoise, at_quantiles, words

WHOLE = 2**128
ONE_ROW = Sensitivity(1, 1, 1)

# floor(2**128 * P(X <= -j)) of variance 1, summed from exp(-x*x/2) over |x| <= 40 with 120 digits by mpmath:
# independent of the recurrence and of its fixed-point format.
GOLDEN_VARIANCE_ONE = {
    1: 102264672103729547067791651850652972270,
    2: 19926301679338795665630842192555408009,
    4: 46048040803777646937677550400943066,
    8: 1719548582183893997667521,
}


def gaussian_weights(variance: Fraction, reach: int) -> list[Decimal]:
    """exp(-x**2 / (2 variance)) for x = 0 .. reach, each on its own, to 90 digits."""
    context = Context(prec=90)
    return [
        context.exp(context.divide(Decimal(-(x**2) * variance.denominator), Decimal(2 * variance.numerator)))
        for x in range(reach + 1)
    ]


def test_golden_thresholds_of_variance_one() -> None:
    thresholds = gaussian_table(Fraction(1)).thresholds
    side = len(thresholds) // 2
    for tail, expected in GOLDEN_VARIANCE_ONE.items():
        assert abs(thresholds[side - tail] - expected) <= 1


@pytest.mark.parametrize("variance", [Fraction(1, 50), Fraction(1, 3), Fraction(1), Fraction(22, 7), Fraction(2500)])
def test_every_threshold_is_within_a_unit_of_direct_summation(variance: Fraction) -> None:
    thresholds = gaussian_table(variance).thresholds
    side = len(thresholds) // 2
    reach = side + int(5 * float(variance) ** 0.5) + 5
    with localcontext(Context(prec=90)):
        weights = gaussian_weights(variance, reach)
        total = weights[0] + 2 * sum(weights[1:])
        tail = Decimal(0)
        for x in range(reach, 0, -1):
            tail += weights[x]
            exact = tail * WHOLE / total
            if x > side:
                assert exact < 1 + Decimal("1e-9")  # what was cut is lighter than 2**-128
            else:
                assert abs(thresholds[side - x] - exact) <= 1 + Decimal("1e-9")


def test_crafted_bytes_give_known_quantiles() -> None:
    table = gaussian_table(Fraction(1))
    largest = -table.smallest
    threshold = table.thresholds[largest - 1]  # P(X <= -1)
    quantiles = [0, threshold - 1, threshold, WHOLE // 2, WHOLE - threshold - 1, WHOLE - threshold, WHOLE - 1]
    expected = [-largest, -1, 0, 0, 0, 1, largest]
    mechanism = DiscreteGaussianMechanism(Fraction(1))
    noisy = mechanism(np.full(7, 100, dtype=np.int64), sensitivity=ONE_ROW, noise=at_quantiles(table, quantiles))
    assert (noisy - 100).tolist() == expected


def test_the_reach_is_where_the_tail_passes_one_unit() -> None:
    # For sigma 1: P(X >= 13) = 8.0e-38 > 2**-128 = 2.9e-39 > P(X >= 14) = 1.1e-43.
    assert gaussian_table(Fraction(1)).smallest == -13
    # For sigma 500: the quantile of 2**-128 of the normal distribution is -13.0559.
    assert gaussian_table(Fraction(250_000)).smallest == pytest.approx(-13.0559 * 500, abs=2)


def test_tiny_variance_draws_nothing_and_charges_for_it() -> None:
    mechanism = DiscreteGaussianMechanism(Fraction(1, 1000))
    value = np.arange(5, dtype=np.int64)
    assert mechanism(value, sensitivity=ONE_ROW, noise=SeededNoise(1)).tolist() == value.tolist()
    assert mechanism.event(ONE_ROW).squared_sensitivity / (2 * mechanism.event(ONE_ROW).variance) == 500


@given(st.fractions(LARGEST_TABLE_VARIANCE, LARGEST_VARIANCE, max_denominator=4096))
def test_splitting_keeps_the_variance_and_the_overlap(variance: Fraction) -> None:
    factor, narrow, wide = split_variance(variance)
    assert factor >= 1
    assert narrow + factor**2 * wide == variance
    assert narrow >= wide
    assert narrow * wide / variance >= 6
    parts = convolution_parts(variance)
    assert sum(factor**2 * part for factor, part in parts) == variance
    assert all(part <= LARGEST_TABLE_VARIANCE for _, part in parts)
    assert len(parts) <= 8


@pytest.mark.parametrize("variance", [Fraction(24), Fraction(151), Fraction(1201, 2)])
def test_the_sum_of_two_draws_is_the_wide_gaussian(variance: Fraction) -> None:
    """Exact probabilities of X + k Y by direct summation, against those of the Gaussian they stand for."""
    factor, narrow, wide = split_variance(variance)
    reach = int(25 * float(variance) ** 0.5)
    with localcontext(Context(prec=90)):
        narrow_weights = gaussian_weights(narrow, 2 * reach)
        wide_weights = gaussian_weights(wide, reach // factor)
        target = gaussian_weights(variance, 40)
        ratios = []
        for z in range(41):
            mass = sum(
                narrow_weights[abs(z - factor * y)] * wide_weights[abs(y)]
                for y in range(-(reach // factor), reach // factor + 1)
            )
            ratios.append(mass / target[z])
        assert max(ratios) / min(ratios) - 1 < Decimal(2) ** -160
    assert Fraction(1, 2**160) <= CONVOLUTION_DISTANCE


def test_wide_noise_is_the_weighted_sum_of_its_parts() -> None:
    variance = Fraction(513**2)
    (one, narrow), (factor, wide) = convolution_parts(variance)
    assert one == 1
    zero = words([2**63])  # the median of any symmetric table
    top = words([2**64 - 1])
    mechanism = DiscreteGaussianMechanism(variance)
    value = np.zeros(1, dtype=np.int64)
    largest = {
        "narrow": -gaussian_table(narrow).smallest,
        "wide": -gaussian_table(wide).smallest,
    }
    for first, second, expected in [
        ([zero], [zero], 0),
        ([top, top], [zero], largest["narrow"]),
        ([zero], [top, top], factor * largest["wide"]),
    ]:
        assert mechanism(value, sensitivity=ONE_ROW, noise=CraftedNoise(first + second)).tolist() == [expected]


@given(st.fractions(Fraction(1, 10**9), 10), st.integers(1, 50))
def test_for_rho_costs_at_most_what_was_asked_and_nearly_all_of_it(rho: Fraction, rows: int) -> None:
    sensitivity = Sensitivity(rows, rows**2, rows)
    event = DiscreteGaussianMechanism.for_rho(rho, sensitivity).event(sensitivity)
    cost = Fraction(event.squared_sensitivity) / (2 * event.variance)
    charged = Fraction(-(-cost * 10**12 // 1), 10**12)
    assert cost <= charged <= rho
    assert cost >= (rho - Fraction(1, 10**12)) * Fraction(9995, 10_000)


def test_noise_is_never_refused_because_of_the_values() -> None:
    value = np.array([2**63 - 1, -(2**63), 0], dtype=np.int64)
    for variance in (Fraction(100), Fraction(LARGEST_VARIANCE)):
        noisy = DiscreteGaussianMechanism(variance)(value, sensitivity=ONE_ROW, noise=SeededNoise(3))
        assert noisy[0] > 0 > noisy[1]


@pytest.mark.parametrize("variance", [Fraction(0), Fraction(-1), Fraction(LARGEST_VARIANCE + 1), 1.0, 4, None])
def test_unusable_variances_are_refused(variance: object) -> None:
    with pytest.raises(InvalidInput):
        DiscreteGaussianMechanism(variance)  # type: ignore[arg-type]


def test_distance_from_the_ideal_is_far_below_any_delta() -> None:
    for variance in (Fraction(1), Fraction(100), Fraction(10**6), Fraction(LARGEST_VARIANCE)):
        assert 0 < DiscreteGaussianMechanism(variance).distance_from_ideal(10**6) < Fraction(1, 10**27)
    one, many = (DiscreteGaussianMechanism(Fraction(9)).distance_from_ideal(cells) for cells in (1, 1000))
    assert many == 1000 * one

"""The rounded Gaussian: tables to the last unit, the sum of two draws, quantiles from crafted bytes, exact cost."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpsynth.accounting.cost import cost_of
from dpsynth.errors import InvalidInput
from dpsynth.mechanisms import RoundedGaussianMechanism, Sensitivity
from dpsynth.mechanisms.rounded_gaussian import (
    LARGEST_TABLE_VARIANCE,
    LARGEST_VARIANCE,
    SPLIT_DISTANCE,
    gaussian_table,
    split_parts,
    split_variance,
)
from dpsynth.randomness import SeededNoise
from tests.mechanisms.crafted_noise import CraftedNoise, at_quantiles, words

WHOLE = 2**128
ONE_ROW = Sensitivity(1, 1, 1)

# floor(2**128 * (1 - Phi(j - 1/2))), from a table of the complementary error function to 60 digits by mpmath.
GOLDEN_VARIANCE_ONE = {
    1: 104989883961639533614240479672236901655,
    2: 22733312575130546103023956630440120221,
    4: 79159573628846524025265142209866727,
    8: 10858041710464327498937654,
}


def upper_tail(edge: Fraction, variance: Fraction) -> mpmath.mpf:
    """Return the normal mass above `edge`, to 300 binary digits."""
    scaled = mpmath.mpf(edge.numerator) / edge.denominator
    return mpmath.erfc(scaled / mpmath.sqrt(2 * mpmath.mpf(variance.numerator) / variance.denominator)) / 2


def cell_masses(variance: Fraction, reach: int) -> list[mpmath.mpf]:
    """Return the normal masses of the cells around 0 .. reach."""
    tails = [upper_tail(place - Fraction(1, 2), variance) for place in range(reach + 2)]
    return [low - high for low, high in pairwise(tails)]


def test_golden_thresholds_of_variance_one() -> None:
    thresholds = gaussian_table(Fraction(1)).thresholds
    side = len(thresholds) // 2
    for tail, expected in GOLDEN_VARIANCE_ONE.items():
        assert abs(thresholds[side - tail] - expected) <= 1


@pytest.mark.parametrize(
    "variance",
    [Fraction(1, 900), Fraction(1, 50), Fraction(1, 3), Fraction(1), Fraction(22, 7), Fraction(1499, 3)],
    ids=str,
)
def test_every_threshold_is_within_a_unit_of_the_error_function(variance: Fraction) -> None:
    thresholds = gaussian_table(variance).thresholds
    side = len(thresholds) // 2
    with mpmath.workprec(300):
        for x in range(1, side + 1):
            exact = upper_tail(x - Fraction(1, 2), variance) * WHOLE
            assert abs(thresholds[side - x] - exact) <= 1 + mpmath.mpf("1e-9")
        assert upper_tail(side + Fraction(1, 2), variance) * WHOLE < 1 + mpmath.mpf("1e-9")


def test_the_widest_table_is_right_too() -> None:
    variance = Fraction(LARGEST_TABLE_VARIANCE)
    thresholds = gaussian_table(variance).thresholds
    side = len(thresholds) // 2
    with mpmath.workprec(300):
        for x in (1, 2, 255, 256, 257, 1000, 2000, 3000, side - 1, side):
            exact = upper_tail(x - Fraction(1, 2), variance) * WHOLE
            assert abs(thresholds[side - x] - exact) <= 1 + mpmath.mpf("1e-9")


def test_crafted_bytes_give_known_quantiles() -> None:
    table = gaussian_table(Fraction(1))
    largest = -table.smallest
    threshold = table.thresholds[largest - 1]  # P(X <= -1)
    quantiles = [0, threshold - 1, threshold, WHOLE // 2, WHOLE - threshold - 1, WHOLE - threshold, WHOLE - 1]
    expected = [-largest, -1, 0, 0, 0, 1, largest]
    mechanism = RoundedGaussianMechanism(Fraction(1))
    noisy = mechanism(np.full(7, 100, dtype=np.int64), sensitivity=ONE_ROW, noise=at_quantiles(table, quantiles))
    assert (noisy - 100).tolist() == expected


def test_the_reach_is_where_the_tail_passes_one_unit() -> None:
    # The quantile of 2**-128 of the normal distribution is -13.0559.
    assert gaussian_table(Fraction(1)).smallest == -13
    assert gaussian_table(Fraction(2**14)).smallest == pytest.approx(-13.0559 * 128, abs=1)


def test_tiny_variance_draws_nothing_and_charges_for_it() -> None:
    mechanism = RoundedGaussianMechanism(Fraction(1, 4096))
    value = np.arange(5, dtype=np.int64)
    assert mechanism(value, sensitivity=ONE_ROW, noise=SeededNoise(1)).tolist() == value.tolist()
    assert cost_of(mechanism.event(ONE_ROW)).mu_squared == 4096


@given(st.fractions(LARGEST_TABLE_VARIANCE, LARGEST_VARIANCE, max_denominator=4096))
def test_splitting_keeps_the_variance_and_the_overlap(variance: Fraction) -> None:
    factor, narrow, wide = split_variance(variance)
    assert factor >= 1
    assert narrow + factor**2 * wide == variance
    assert narrow >= wide
    assert narrow * wide / variance >= 6
    parts = split_parts(variance)
    assert sum(factor**2 * part for factor, part in parts) == variance
    assert all(part <= LARGEST_TABLE_VARIANCE for _, part in parts)
    assert len(parts) <= 8


@pytest.mark.parametrize("variance", [Fraction(24), Fraction(151), Fraction(1201, 2)], ids=str)
def test_the_sum_of_two_draws_is_a_wide_gaussian_and_something_independent(variance: Fraction) -> None:
    """Exact probabilities of X + k Y against those of round(Z + k U), Z of `variance`, U uniform on a unit interval.

    P(X + k Y = z) sums, over y, the mass of a cell of X times the mass of a cell of Y. The other side integrates the
    normal distribution function over U: in closed form, by its antiderivative x Phi(x) + phi(x).
    """
    factor, narrow, wide = split_variance(variance)
    with mpmath.workprec(300):
        reach = int(20 * float(variance) ** 0.5)
        steps = reach // factor
        narrow_masses, wide_masses = cell_masses(narrow, 2 * reach), cell_masses(wide, steps)
        deviation = mpmath.sqrt(mpmath.mpf(variance.numerator) / variance.denominator)

        def antiderivative(point: Fraction) -> mpmath.mpf:
            scaled = mpmath.mpf(point.numerator) / point.denominator / deviation
            return deviation * (scaled * mpmath.ncdf(scaled) + mpmath.npdf(scaled))

        distance = mpmath.mpf(0)
        for z in range(0, reach, reach // 20):
            drawn = sum(narrow_masses[abs(z - factor * y)] * wide_masses[abs(y)] for y in range(-steps, steps + 1))
            half, spread = Fraction(1, 2), Fraction(factor, 2)
            corners = [(half, spread, 1), (half, -spread, -1), (-half, spread, -1), (-half, -spread, 1)]
            ideal = sum(sign * antiderivative(z + cell + uniform) for cell, uniform, sign in corners) / factor
            distance = max(distance, abs(drawn - ideal))
        assert distance < mpmath.mpf(2) ** -165
    assert Fraction(1, 2**160) <= SPLIT_DISTANCE


def test_wide_noise_is_the_weighted_sum_of_its_parts() -> None:
    variance = Fraction(300**2)
    (one, narrow), (factor, wide) = split_parts(variance)
    assert one == 1
    zero = words([2**63])  # the median of any symmetric table
    top = words([2**64 - 1])
    mechanism = RoundedGaussianMechanism(variance)
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
def test_for_mu_squared_costs_at_most_what_was_asked_and_nearly_all_of_it(mu_squared: Fraction, rows: int) -> None:
    sensitivity = Sensitivity(rows, rows**2, rows)
    mechanism = RoundedGaussianMechanism.for_mu_squared(mu_squared, sensitivity)
    charged = cost_of(mechanism.event(sensitivity)).mu_squared
    assert charged is not None
    assert rows**2 / mechanism.variance <= charged <= mu_squared
    assert charged >= (mu_squared - Fraction(1, 10**12)) * Fraction(999, 1000)


@given(st.fractions(Fraction(1, 1000), 2**70), st.integers(1, 10**6))
def test_the_noise_multiplier_is_rounded_down_and_by_less_than_a_float(variance: Fraction, squared: int) -> None:
    rows = 1 if squared == 1 else squared
    event = RoundedGaussianMechanism(variance).event(Sensitivity(rows, squared, 1))
    exact = variance / squared
    assert Fraction(event.noise_multiplier) ** 2 <= exact <= Fraction(event.noise_multiplier * (1 + 2**-51)) ** 2


def test_the_standard_deviation_counts_the_rounding() -> None:
    mechanism = RoundedGaussianMechanism(Fraction(3))
    table = gaussian_table(Fraction(3))
    edges = [0, *table.thresholds, WHOLE]
    moment = sum(
        (table.smallest + place) ** 2 * (above - below) for place, (below, above) in enumerate(pairwise(edges))
    )
    assert mechanism.stddev == pytest.approx((moment / WHOLE) ** 0.5, rel=1e-12)


def test_noise_is_never_refused_because_of_the_values() -> None:
    value = np.array([2**63 - 1, -(2**63), 0], dtype=np.int64)
    for variance in (Fraction(100), Fraction(LARGEST_VARIANCE)):
        noisy = RoundedGaussianMechanism(variance)(value, sensitivity=ONE_ROW, noise=SeededNoise(3))
        assert noisy[0] > 0 > noisy[1]


@pytest.mark.parametrize("variance", [Fraction(0), Fraction(-1), Fraction(LARGEST_VARIANCE + 1), 1.0, 4, None])
def test_unusable_variances_are_refused(variance: object) -> None:
    with pytest.raises(InvalidInput):
        RoundedGaussianMechanism(variance)  # type: ignore[arg-type]


def test_distance_from_the_ideal_is_far_below_any_delta() -> None:
    for variance in (Fraction(1), Fraction(100), Fraction(10**6), Fraction(LARGEST_VARIANCE)):
        assert 0 < RoundedGaussianMechanism(variance).distance_from_ideal(10**6) < Fraction(1, 10**27)
    one, many = (RoundedGaussianMechanism(Fraction(9)).distance_from_ideal(cells) for cells in (1, 1000))
    assert many == 1000 * one

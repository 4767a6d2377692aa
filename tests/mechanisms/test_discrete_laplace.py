"""Discrete Laplace: closed-form thresholds, exact digits, quantiles from crafted bytes."""

from __future__ import annotations

from decimal import Context, Decimal, localcontext
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpsynth.errors import InvalidInput
from dpsynth.mechanisms import DiscreteLaplaceMechanism, Sensitivity
from dpsynth.mechanisms.discrete_laplace import (
    DIGIT,
    LARGEST_SCALE,
    LARGEST_TABLE_SCALE,
    geometric_digits,
    laplace_table,
)
from dpsynth.randomness import SeededNoise
from tests.mechanisms.crafted_noise import CraftedNoise, at_quantiles, words

WHOLE = 2**128
ONE_ROW = Sensitivity(1, 1, 1)


def ratio_of(scale: Fraction) -> Decimal:
    context = Context(prec=90)
    return context.exp(context.divide(Decimal(-scale.denominator), Decimal(scale.numerator)))


@pytest.mark.parametrize("scale", [Fraction(1, 10), Fraction(1), Fraction(10, 3), Fraction(LARGEST_TABLE_SCALE)])
def test_thresholds_are_the_closed_form(scale: Fraction) -> None:
    # P(X <= -j) = r**j / (1 + r) with r = exp(-1 / scale).
    thresholds = laplace_table(scale).thresholds
    side = len(thresholds) // 2
    with localcontext(Context(prec=90)):
        ratio = ratio_of(scale)
        for tail in {1, 2, 3, side // 2 + 1, side}:
            exact = WHOLE * ratio**tail / (1 + ratio)
            assert abs(thresholds[side - tail] - exact) <= 1 + Decimal("1e-9")
        assert WHOLE * ratio ** (side + 1) / (1 + ratio) < 1 + Decimal("1e-9")


@pytest.mark.parametrize("scale", [Fraction(LARGEST_TABLE_SCALE * 3), Fraction(10**7, 3), Fraction(LARGEST_SCALE)])
def test_digits_are_the_closed_form(scale: Fraction) -> None:
    # A digit of place p is d or more with probability (q**d - q**DIGIT) / (1 - q**DIGIT), q = exp(-p / scale).
    *digits, (top_place, top) = geometric_digits(scale)
    assert [place for place, _ in digits] == [DIGIT**order for order in range(len(digits))]
    with localcontext(Context(prec=90)):
        for place, table in digits:
            ratio = ratio_of(scale / place)
            assert table.high.size == DIGIT - 1
            for digit in (1, 2, DIGIT // 2, DIGIT - 1):
                exact = WHOLE * (ratio**digit - ratio**DIGIT) / (1 - ratio**DIGIT)
                assert abs(WHOLE - table.thresholds[digit - 1] - exact) <= 1 + Decimal("1e-9")
        ratio = ratio_of(scale / top_place)
        for digit in (1, top.high.size // 2 + 1, top.high.size):
            assert abs(WHOLE - top.thresholds[digit - 1] - WHOLE * ratio**digit) <= 1 + Decimal("1e-9")
        assert WHOLE * ratio ** (top.high.size + 1) < 1 + Decimal("1e-9")


def test_crafted_bytes_give_known_quantiles() -> None:
    # At scale 1 / log 2 the ratio is one half; a rational scale near it keeps P(X = 0) = (1 - r) / (1 + r) near 1/3.
    scale = Fraction(1442695041, 10**9)
    table = laplace_table(scale)
    assert table.thresholds[-table.smallest - 1] == pytest.approx(WHOLE / 3, rel=1e-8)
    quantiles = [
        0,
        WHOLE // 3 - WHOLE // 10**6,
        WHOLE // 3 + WHOLE // 10**6,
        2 * WHOLE // 3 + WHOLE // 10**6,
        WHOLE - 1,
    ]
    noisy = DiscreteLaplaceMechanism(scale)(
        np.zeros(5, dtype=np.int64), sensitivity=ONE_ROW, noise=at_quantiles(table, quantiles)
    )
    assert noisy.tolist() == [table.smallest, -1, 0, 1, -table.smallest]


def test_wide_noise_is_the_difference_of_two_numbers_in_digits() -> None:
    scale = Fraction(1000)
    (one, low), (place, top) = geometric_digits(scale)
    assert (one, place) == (1, DIGIT)
    nothing, everything = words([0]), words([2**64 - 1])
    largest = low.high.size + DIGIT * top.high.size

    def most(table: object) -> list[bytes]:
        # The low word is asked for only where the last threshold has the same high word.
        return [everything, everything] if table.high[-1] == 2**64 - 1 else [everything]  # type: ignore[attr-defined]

    mechanism, value = DiscreteLaplaceMechanism(scale), np.zeros(1, dtype=np.int64)
    for answers, expected in [
        ([nothing] * 4, 0),
        ([*most(low), *most(top), nothing, nothing], largest),
        ([nothing, nothing, *most(low), *most(top)], -largest),
        ([nothing, nothing, *most(low), nothing], -(DIGIT - 1)),
    ]:
        assert mechanism(value, sensitivity=ONE_ROW, noise=CraftedNoise(answers)).tolist() == [expected]


@given(st.fractions(Fraction(1, 10**9), 100), st.integers(1, 50))
def test_for_epsilon_costs_at_most_what_was_asked_and_nearly_all_of_it(epsilon: Fraction, l1: int) -> None:
    sensitivity = Sensitivity(l1, l1, 1)
    event = DiscreteLaplaceMechanism.for_epsilon(epsilon, sensitivity).event(sensitivity)
    assert Fraction(9995, 10_000) * epsilon <= event.sensitivity / event.scale <= epsilon


def test_round_budgets_are_met_exactly() -> None:
    for epsilon in (Fraction(1), Fraction(1, 10), Fraction(1, 4), Fraction(2)):
        assert DiscreteLaplaceMechanism.for_epsilon(epsilon, ONE_ROW).scale == 1 / epsilon


@pytest.mark.parametrize("scale", [Fraction(0), Fraction(-1), Fraction(LARGEST_SCALE + 1), 1.0, 4])
def test_unusable_scales_are_refused(scale: object) -> None:
    with pytest.raises(InvalidInput):
        DiscreteLaplaceMechanism(scale)  # type: ignore[arg-type]


@pytest.mark.parametrize("epsilon", [Fraction(0), Fraction(-1), Fraction(1, 10**30)])
def test_unusable_epsilons_are_refused(epsilon: Fraction) -> None:
    with pytest.raises(InvalidInput):
        DiscreteLaplaceMechanism.for_epsilon(epsilon, ONE_ROW)


def test_noise_is_never_refused_because_of_the_values() -> None:
    value = np.array([2**63 - 1, -(2**63)], dtype=np.int64)
    noisy = DiscreteLaplaceMechanism(Fraction(LARGEST_SCALE))(value, sensitivity=ONE_ROW, noise=SeededNoise(3))
    assert noisy[0] > 0 > noisy[1]


def test_distance_from_the_ideal_is_far_below_any_delta() -> None:
    for scale in (Fraction(1), Fraction(128), Fraction(10**6), Fraction(LARGEST_SCALE)):
        assert 0 < DiscreteLaplaceMechanism(scale).distance_from_ideal(10**6) < Fraction(1, 10**27)

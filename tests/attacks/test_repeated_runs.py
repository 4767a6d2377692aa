"""Bounds from paired runs: exact where they can be computed, not above the truth more often than stated, and tight."""

from __future__ import annotations

import math
from decimal import Decimal

import numpy as np
import pytest
import scipy
from hypothesis import given
from hypothesis import strategies as st

from dpsynth.attacks.repeated_runs import PairedRuns, epsilon_lower, mu_of_order
from dpsynth.errors import InvalidInput


def test_the_share_of_right_pairs_is_that_of_two_normal_laws() -> None:
    # P[N(mu, 1) > N(0, 1)] = Phi(mu / sqrt 2): at mu = 1 that is 0.7602499389.
    assert mu_of_order(0.7602499389065233) == pytest.approx(1.0, abs=1e-9)
    assert mu_of_order(0.5) == 0.0
    assert mu_of_order(0.3) == 0.0


def test_a_bound_with_its_derivation() -> None:
    # 90 of 100: Clopper-Pearson's lower 95 % end is the 5 % quantile of Beta(90, 11) = 0.8362767; times Phi^-1, sqrt 2.
    lower = float(scipy.stats.beta.ppf(0.05, 90, 11))
    assert PairedRuns(100, 90).mu_lower() == pytest.approx(math.sqrt(2) * scipy.stats.norm.ppf(lower), abs=1e-9)


@given(st.integers(1, 300), st.data())
def test_what_is_refuted_lies_below_the_bound(pairs: int, data: st.DataObject) -> None:
    order = PairedRuns(pairs, data.draw(st.integers(0, pairs)))
    lower = order.mu_lower(confidence=0.95)
    if lower > 1e-6:
        assert order.refutes(lower * 0.999, significance=0.05)
    assert not order.refutes(lower * 1.001 + 1e-9, significance=0.05)


def test_the_bound_holds_as_often_as_stated_and_is_tight() -> None:
    # 400 audits of a mechanism with mu = 0.5, 2,000 pairs each. At 95 % a bound is wrong 20 times on average; 38 times
    # or more with probability 1e-4. The mean bound is 0.5 less 1.645 standard deviations of
    # sqrt 2 * sqrt(0.638 * 0.362 / 2000) / phi(0.3536) = 0.0406, so 0.433.
    rng = np.random.default_rng(3)
    lowers = []
    for _ in range(400):
        without, with_unit = rng.normal(0, 1, 2000), rng.normal(0.5, 1, 2000)
        lowers.append(PairedRuns.of(without, with_unit, rng=rng).mu_lower())
    assert sum(lower > 0.5 for lower in lowers) < 38
    assert np.mean(lowers) == pytest.approx(0.433, abs=0.01)


def test_ties_say_nothing() -> None:
    rng = np.random.default_rng(4)
    order = PairedRuns.of(np.zeros(4000), np.zeros(4000), rng=rng)
    # Half of them right; 150 from the middle has probability 2e-6.
    assert abs(order.right - 2000) < 150


def test_impossible_counts_are_refused() -> None:
    with pytest.raises(InvalidInput):
        PairedRuns(3, 4)
    with pytest.raises(InvalidInput):
        PairedRuns.of(np.zeros(3), np.zeros(4), rng=np.random.default_rng(0))


def test_an_epsilon_from_rates_with_its_derivation() -> None:
    # 95 of 100 runs with the unit lie above 0 and 5 of 100 without. Two 97.5 % bounds: TPR above 0.8871651, FPR below
    # 0.1128349 (Clopper-Pearson), so epsilon is above ln((0.8871651 - 0.01) / 0.1128349) = 2.0507.
    without = np.concatenate([np.full(95, -1.0), np.full(5, 1.0)])
    assert epsilon_lower(without, -without, delta=Decimal("0.01"), threshold=0.0) == pytest.approx(2.0507, abs=1e-3)


def test_an_epsilon_is_bounded_from_both_ends() -> None:
    # 50 of 100 with the unit above the threshold, none without: the lower tail alone says ln(0.5) < 0.
    without, with_unit = np.zeros(100), np.repeat([0.0, 1.0], 50)
    up = epsilon_lower(without, with_unit, delta=Decimal(0), threshold=0.5)
    assert up == pytest.approx(epsilon_lower(-with_unit, -without, delta=Decimal(0), threshold=-0.5), abs=1e-9)
    assert up > 2


def test_worlds_that_are_alike_refute_nothing() -> None:
    rng = np.random.default_rng(5)
    found = [
        epsilon_lower(rng.normal(size=500), rng.normal(size=500), delta=Decimal(0), threshold=1.0) > 0
        for _ in range(200)
    ]
    # 5 % of 200 is 10; 22 or more have probability 5e-4.
    assert sum(found) < 22

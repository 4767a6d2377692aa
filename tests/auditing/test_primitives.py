"""Samplers have their exact laws, doubles are told apart, and the sequential test may be looked at after every pair."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from privacy_audits.primitives.campaign import DUE
from privacy_audits.primitives.sampler_tests import counted, problems, sequential, spread, timing
from privacy_audits.primitives.samplers import Sampler, choice, doubles, gaussian, honest, laplace
from privacy_audits.tried_twin import TriedTwin

SIGNIFICANCE = 1e-6
RNG = np.random.default_rng(0)


@pytest.mark.parametrize("sampler", honest(), ids=lambda sampler: sampler.name)
def test_an_honest_sampler_passes(sampler: Sampler) -> None:
    assert problems(sampler, counted(sampler, 2_000 if sampler.cost > 100 else 20_000, rng=RNG), SIGNIFICANCE) == ()
    assert sequential(sampler, significance=SIGNIFICANCE, rng=RNG, most=20_000)[0] != "refuted"


@pytest.mark.parametrize(("name", "double"), doubles(), ids=lambda given: given if isinstance(given, str) else "")
def test_a_double_is_caught(name: str, double: Sampler) -> None:
    found = problems(double, counted(double, 6_000 if double.cost > 100 else 40_000, rng=RNG), SIGNIFICANCE)
    assert TriedTwin(name, (DUE[name],), found).caught


def test_the_sequential_test_stops_early_on_a_gross_violation() -> None:
    fair = gaussian(Fraction(4))
    worse = Sampler("half", gaussian(Fraction(1)).draw, fair.values, fair.probabilities, fair.order)
    verdict, pairs = sequential(worse, significance=SIGNIFICANCE, rng=RNG)
    assert verdict == "refuted"
    assert pairs < 5_000


def test_what_a_thousand_draws_show_has_an_interval_for_each_law() -> None:
    reach = {sampler.name: spread(sampler, 1000)[1] - 1 for sampler in (gaussian(Fraction(400)), laplace(Fraction(20)))}
    # Half of 1.96 sqrt((kurtosis - 1) / 1000): 4.4 % of kurtosis 3, 6.9 % of kurtosis 6.
    assert list(reach.values()) == pytest.approx([0.0429, 0.0671], abs=1e-3)
    low, high = spread(choice(Fraction(1)), 1000)
    assert low < 0.83
    assert high > 1.15


def test_time_is_reported_with_an_interval() -> None:
    took = timing(gaussian(Fraction(4)), 200)
    assert took["low"] < took["correlation"] < took["high"]

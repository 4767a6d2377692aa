"""Samplers have their exact laws, doubles are told apart, and the sequential test may be looked at after every pair."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from privacy_audits.primitives.sampler_tests import counted, problems, sequential, timing
from privacy_audits.primitives.samplers import Sampler, doubles, gaussian, honest

SIGNIFICANCE = 1e-6
RNG = np.random.default_rng(0)


@pytest.mark.parametrize("sampler", honest(), ids=lambda sampler: sampler.name)
def test_an_honest_sampler_passes(sampler: Sampler) -> None:
    assert problems(sampler, counted(sampler, 2_000 if sampler.cost > 100 else 20_000, rng=RNG), SIGNIFICANCE) == ()
    assert sequential(sampler, significance=SIGNIFICANCE, rng=RNG, most=20_000)[0] != "refuted"


@pytest.mark.parametrize(("name", "double"), doubles(), ids=lambda given: given if isinstance(given, str) else "")
def test_a_double_is_caught(name: str, double: Sampler) -> None:
    assert problems(double, counted(double, 6_000 if double.cost > 100 else 40_000, rng=RNG), SIGNIFICANCE), name


def test_the_sequential_test_stops_early_on_a_gross_violation() -> None:
    fair = gaussian(Fraction(4))
    worse = Sampler("half", gaussian(Fraction(1)).draw, fair.values, fair.probabilities, fair.order)
    verdict, pairs = sequential(worse, significance=SIGNIFICANCE, rng=RNG)
    assert verdict == "refuted"
    assert pairs < 5_000


def test_time_is_reported_with_an_interval() -> None:
    took = timing(gaussian(Fraction(4)), 200)
    assert took["low"] < took["correlation"] < took["high"]

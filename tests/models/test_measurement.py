from __future__ import annotations

import numpy as np
import pytest

from dpsynth.errors import InvalidInput
from dpsynth.models import Measurement, estimated_total


def test_the_total_is_the_inverse_variance_mean_of_the_sums() -> None:
    measurements = [
        Measurement((), np.array(90.0), 5.0),  # variance 25
        Measurement(("a",), np.array([40.0, 70.0]), 10.0),  # variance 200
        Measurement(("a", "b"), np.full((2, 3), 20.0), 1.0),  # variance 6
    ]
    expected = (90 / 25 + 110 / 200 + 120 / 6) / (1 / 25 + 1 / 200 + 1 / 6)
    assert estimated_total(measurements) == pytest.approx(expected, rel=1e-12)


def test_the_total_has_the_variance_that_theory_gives_and_not_that_of_a_plain_mean() -> None:
    rng = np.random.default_rng(0)
    stddevs, cells = (1.0, 30.0), (50, 4)
    totals, plain = [], []
    for _ in range(4000):
        tables = [1000 / k + rng.normal(0, s, k) for s, k in zip(stddevs, cells, strict=True)]
        both = [Measurement((name,), table, s) for name, table, s in zip("ab", tables, stddevs, strict=True)]
        totals.append(estimated_total(both))
        plain.append(np.mean([table.sum() for table in tables]))
    theory = 1 / (1 / 50 + 1 / 3600)
    # A sample variance of 4000 draws is within 12 % of its mean but for one time in a million (chi-square).
    assert np.var(totals) == pytest.approx(theory, rel=0.12)
    assert np.var(plain) > 2 * theory
    assert np.mean(totals) == pytest.approx(1000, abs=5 * np.sqrt(theory / 4000))


def test_the_total_may_be_negative_and_survives_extreme_noise() -> None:
    assert estimated_total([Measurement(("a",), np.array([-3.0, -4.0]), 9.0)]) == -7.0
    extreme = [Measurement((), np.array(5.0), 1e-150), Measurement((), np.array(9.0), 1e150)]
    assert estimated_total(extreme) == 5.0
    with pytest.raises(InvalidInput, match="without a measurement"):
        estimated_total([])


@pytest.mark.parametrize("stddev", [0.0, -1.0, np.nan, np.inf])
def test_a_standard_deviation_must_be_a_positive_number(stddev: float) -> None:
    with pytest.raises(InvalidInput, match="standard deviation"):
        Measurement(("a",), np.zeros(2), stddev)


def test_tables_must_fit_their_clique_and_be_finite() -> None:
    with pytest.raises(InvalidInput, match="one axis for each"):
        Measurement(("a", "b"), np.zeros(2), 1.0)
    with pytest.raises(InvalidInput, match="different columns"):
        Measurement(("a", "a"), np.zeros((2, 2)), 1.0)
    with pytest.raises(InvalidInput, match="finite") as refusal:
        Measurement(("a",), np.array([314159.0, np.nan]), 1.0)
    assert "314159" not in str(refusal.value)

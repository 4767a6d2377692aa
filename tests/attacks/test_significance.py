"""Fisher's test and Holm's correction against independent implementations and their laws."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from dpsynth.attacks.significance import fisher_one_sided, holm_adjusted

COUNTS = st.integers(0, 60)
PROBABILITIES = st.lists(st.floats(0, 1), max_size=12)


@given(COUNTS, COUNTS, COUNTS, COUNTS)
def test_fisher_equals_scipy(member_hits: int, member_rest: int, control_hits: int, control_rest: int) -> None:
    found = fisher_one_sided(member_hits, member_hits + member_rest, control_hits, control_hits + control_rest)
    table = [[member_hits, member_rest], [control_hits, control_rest]]
    assert found == pytest.approx(stats.fisher_exact(table, alternative="greater").pvalue, rel=1e-8, abs=1e-12)


def test_fisher_by_hand() -> None:
    # Lady tasting tea with all four right: 1 of the 70 ways to choose 4 of 8.
    assert fisher_one_sided(4, 4, 0, 4) == pytest.approx(1 / 70)
    # Three of four right or better: (16 + 1) / 70.
    assert fisher_one_sided(3, 4, 1, 4) == pytest.approx(17 / 70)


def test_fisher_with_ten_copies_in_two_thousand() -> None:
    # No natural match in 2000 controls: P = C(2000, 10) / C(4000, 10), a little below 2**-10.
    assert fisher_one_sided(10, 2000, 0, 2000) == pytest.approx(0.000966, abs=1e-6)


def test_fisher_keeps_its_meaning_on_large_tables() -> None:
    assert fisher_one_sided(600, 50_000, 400, 50_000) == pytest.approx(
        stats.hypergeom.sf(599, 100_000, 1000, 50_000), rel=1e-6
    )
    assert fisher_one_sided(50_000, 50_000, 0, 50_000) == 0


def test_holm_by_hand() -> None:
    # Sorted: 0.01 * 4, 0.02 * 3, 0.03 * 2, then 0.5 * 1; the third may not fall below the second.
    assert holm_adjusted([0.03, 0.01, 0.5, 0.02]) == pytest.approx((0.06, 0.04, 0.5, 0.06))
    assert holm_adjusted([]) == ()


@given(PROBABILITIES)
def test_holm_lies_between_nothing_and_bonferroni(p_values: list[float]) -> None:
    adjusted = holm_adjusted(p_values)
    for before, after in zip(p_values, adjusted, strict=True):
        assert before <= after <= min(1, len(p_values) * before) + 1e-15


@given(PROBABILITIES)
def test_holm_keeps_the_order(p_values: list[float]) -> None:
    adjusted = holm_adjusted(p_values)
    in_order = [after for _, after in sorted(zip(p_values, adjusted, strict=True))]
    assert in_order == sorted(in_order)


def test_weights_share_the_significance() -> None:
    # By hand: 0.01 / 3 first, times 4 in total; then 0.02 / 1 times the 1 that is left.
    assert holm_adjusted([0.02, 0.01], [1.0, 3.0]) == pytest.approx((0.02, 4 * 0.01 / 3))
    # The weighted order decides: 0.02 with weight 8 comes before 0.01 with weight 1.
    assert holm_adjusted([0.02, 0.01], [8.0, 1.0]) == pytest.approx((9 * 0.02 / 8, 9 * 0.02 / 8))


@given(PROBABILITIES, st.floats(0.1, 10))
def test_equal_weights_are_no_weights(p_values: list[float], weight: float) -> None:
    assert holm_adjusted(p_values, [weight] * len(p_values)) == pytest.approx(holm_adjusted(p_values))


def test_weighted_adjustment_keeps_the_family_error() -> None:
    # 4,000 families of five true hypotheses with unequal weights: 5 % of alarms expected; more than 6.1 % has
    # probability 1e-3 (normal), and with one hypothesis of all the weight the rate must come near 5 %, not far below.
    rng = np.random.default_rng(5)
    weights = [5.0, 2.0, 1.0, 1.0, 0.1]
    alarms = sum(min(holm_adjusted(list(rng.random(5)), weights)) <= 0.05 for _ in range(4000)) / 4000
    assert 0.039 < alarms < 0.061

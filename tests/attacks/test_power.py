"""Power statements against published tables, exact enumeration and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from dpsynth.attacks.power import rows_to_decide, smallest_detectable_auc, smallest_detectable_rate
from dpsynth.attacks.ranking import tpr_evidence
from dpsynth.attacks.significance import fisher_one_sided

BONFERRONI = 0.05 / 16


@pytest.mark.parametrize(
    ("rows", "at_one_percent", "after_bonferroni", "at_one_per_mille", "auc", "auc_after_bonferroni"),
    [
        # Derived independently by simulation of Fisher's test and of the Mann-Whitney test; percentages.
        (200, 5.8, 8.4, 3.7, 0.572, 0.603),
        (500, 3.5, 4.9, 1.6, 0.545, 0.565),
        (1000, 2.5, 3.3, 0.95, 0.532, 0.546),
        (2000, 2.0, 2.5, 0.58, 0.523, 0.533),
        (5000, 1.6, 1.9, 0.35, 0.514, 0.521),
    ],
)
def test_golden_table(
    rows: int,
    at_one_percent: float,
    after_bonferroni: float,
    at_one_per_mille: float,
    auc: float,
    auc_after_bonferroni: float,
) -> None:
    def rate(natural_rate: float, significance: float) -> float:
        return 100 * smallest_detectable_rate(rows, rows, natural_rate=natural_rate, significance=significance)

    assert rate(0.01, 0.05) == pytest.approx(at_one_percent, rel=0.03)
    assert rate(0.01, BONFERRONI) == pytest.approx(after_bonferroni, rel=0.03)
    assert rate(0.001, 0.05) == pytest.approx(at_one_per_mille, rel=0.03)
    assert smallest_detectable_auc(rows, rows, significance=0.05) == pytest.approx(auc, abs=6e-4)
    assert smallest_detectable_auc(rows, rows, significance=BONFERRONI) == pytest.approx(auc_after_bonferroni, abs=6e-4)


def test_the_detectable_rate_has_the_power_it_claims() -> None:
    members, controls, natural_rate = 40, 30, 0.1
    rate = smallest_detectable_rate(members, controls, natural_rate=natural_rate, significance=0.05)

    def power(true_rate: float) -> float:
        return sum(
            stats.binom.pmf(hits, members, true_rate) * stats.binom.pmf(natural, controls, natural_rate)
            for hits in range(members + 1)
            for natural in range(controls + 1)
            if fisher_one_sided(hits, members, natural, controls) <= 0.05
        )

    assert power(rate) == pytest.approx(0.8, abs=1e-3)
    assert power(rate - 0.01) < 0.79


@pytest.mark.parametrize(("members", "controls"), [(0, 100), (100, 0), (2, 2)])
def test_too_few_people_detect_nothing(members: int, controls: int) -> None:
    assert smallest_detectable_rate(members, controls, natural_rate=0.01, significance=0.05) == 1
    if not members or not controls:
        assert smallest_detectable_auc(members, controls, significance=0.05) == 1


def test_no_natural_hits_at_all() -> None:
    # Five hits among 100 against none among 100 are significant at 5 %: P = C(100, 5) / C(200, 5) = 2.9 %, four are
    # not (5.9 %). Binomial(100, p) >= 5 has probability 80 % at p = 6.6 %.
    rate = smallest_detectable_rate(100, 100, natural_rate=0.0, significance=0.05)
    assert stats.binom.sf(4, 100, rate) == pytest.approx(0.8, abs=1e-6)


def test_the_number_of_rows_that_decides_does_decide() -> None:
    # 200 safe releases of the quoted size; each passes with probability 90 %, and fewer than 160 have probability 1e-5.
    # With half of the rows about half of them pass, and more than 130 of 200 would have probability 1e-5.
    rows = rows_to_decide(fpr=0.01, tolerance=0.03)
    draws = np.random.default_rng(9)

    def passes(size: int) -> int:
        evidence = (
            tpr_evidence(draws.random(size), draws.random(size), fpr=0.01, confidence=0.95, rng=draws)
            for _ in range(200)
        )
        return sum(one.interval.upper <= 0.03 for one in evidence)

    assert 1000 < rows < 2500
    assert passes(rows) >= 160
    assert passes(rows // 2) <= 130


def test_a_stricter_limit_needs_more_rows() -> None:
    assert rows_to_decide(fpr=0.01, tolerance=0.02) > 2 * rows_to_decide(fpr=0.01, tolerance=0.03)

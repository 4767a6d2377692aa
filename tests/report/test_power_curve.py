from __future__ import annotations

from xml.etree import ElementTree

import pytest
import scipy

from dpsynth.certification.power import POWER, power_section, smallest_leak
from dpsynth.report.power_curve import power_curve_of, power_picture, power_sentence
from tests.certification.made_releases import honest_release


def test_ten_right_guesses_refute_epsilon_one() -> None:
    """0.7311^9 = 0.0597 and 0.7311^10 = 0.0436: ten right guesses and no wrong one are needed at 95 %."""
    share = smallest_leak(400, 200, epsilon=1.0, delta=0.0, tolerance=None)
    assert share is not None
    assert scipy.stats.binom.sf(9, 200, share) == pytest.approx(POWER)
    assert scipy.stats.binom.sf(9, 200, 0.99 * share) < POWER


def test_the_curve_takes_the_confidence_of_its_gate() -> None:
    """0.7311^8 = 0.0817 and 0.7311^15 = 0.0091: at 10 % eight right guesses are enough, at 1 % it takes fifteen."""
    for significance, needed in ((0.1, 8), (0.01, 15)):
        share = smallest_leak(400, 200, epsilon=1.0, delta=0.0, tolerance=None, significance=significance)
        assert share is not None
        assert scipy.stats.binom.sf(needed - 1, 200, share) == pytest.approx(POWER)
    canaries = honest_release(rows=400).certificate.document.canaries
    sections = [
        power_section(canaries.model_copy(update={"significance": significance}), None, epsilon=1.0, delta=1e-6)
        for significance in (0.1, None, 0.05, 0.01)
    ]
    shares = [section.planted_rows or 0.0 for section in sections]
    assert 0 < shares[0] < shares[1] == shares[2] < shares[3]


def test_without_a_tolerance_large_claims_cannot_be_tested() -> None:
    assert smallest_leak(100, 50, epsilon=8.0, delta=0.0, tolerance=None) is None
    with_tolerance = smallest_leak(100, 50, epsilon=8.0, delta=0.0, tolerance=0.05)
    assert with_tolerance is not None
    assert 0.05 < with_tolerance < 0.3


def test_more_canaries_find_smaller_leaks_and_larger_claims_hide_more() -> None:
    found = [smallest_leak(2 * half, half, epsilon=1.0, delta=1e-6, tolerance=0.05) for half in (25, 100, 400, 1_600)]
    assert all(one is not None for one in found)
    assert sorted(found, reverse=True) == found  # type: ignore[type-var]
    at_two, at_one = (smallest_leak(400, 200, epsilon=epsilon, delta=0.0, tolerance=None) for epsilon in (2.0, 1.0))
    assert at_two is not None
    assert at_one is not None
    assert at_two > at_one


def test_the_release_is_marked_on_the_curve_and_in_the_table() -> None:
    curve = power_curve_of(honest_release(rows=400).certificate.document)
    assert curve is not None
    assert [row.canaries for row in curve.rows if row.this] == [400]
    assert sorted(row.canaries for row in curve.rows) == [row.canaries for row in curve.rows]
    picture = power_picture(curve)
    assert picture == power_picture(curve)
    assert power_sentence(curve) in str(ElementTree.fromstring(picture).get("aria-label"))
    assert "this release" in picture


def test_a_release_without_canaries_has_no_curve() -> None:
    document = honest_release(rows=400).certificate.document
    none = document.canaries.model_copy(update={"drawn": 0, "included": 0})
    assert power_curve_of(document.model_copy(update={"canaries": none})) is None

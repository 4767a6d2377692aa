"""Votes carry the noise that they say: residuals of answers pin its standard deviation, and other noise is seen.

False alarms: each decision of correct software fails with probability `SIGNIFICANCE`, 5e-9.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from dpsynth.accounting.events import DpEvent
from dpsynth.curator.gate import Gate
from dpsynth.curator.vote_queries import NoisyVotes
from dpsynth.curator.votes import Teachers, count_votes, teacher_of
from dpsynth.mechanisms.rounded_gaussian import RoundedGaussianMechanism
from tests.curator.voting_room import OTHER_RECORDS, RECORDS, classroom, rows, teaching
from tests.statistical.goodness_of_fit import chi_square_p
from tests.statistical.significance import SIGNIFICANCE, seeded_noise

PRICE, ANSWERS, TEACHERS = Fraction(1, 50), 800, 7
PINNED = 0.04
NULL_DECISIONS = 2


class Uncounted:
    """Lets noise of any width pass."""

    def charge(self, purpose: str, event: DpEvent) -> None:
        pass


def residuals(monkeypatch: pytest.MonkeyPatch, variance_factor: Fraction) -> tuple[NDArray[np.float64], NoisyVotes]:
    """Return answers minus the votes that were counted, over the standard deviation that the charge stands for."""
    key = bytes(32)
    data = rows(list(range(24)) * 4)
    monkeypatch.setattr("dpsynth.curator.votes.Teachers", lambda given, count, _: Teachers(given, count, key))
    room, gate = classroom(data, seeded_noise(81)), Gate(Uncounted(), seeded_noise(82))
    exact = Teachers(data, TEACHERS, key).votes(teaching(TEACHERS), RECORDS, OTHER_RECORDS).sum(axis=1)
    made = RoundedGaussianMechanism.for_mu_squared

    class Changed:
        @staticmethod
        def for_mu_squared(price: Fraction, sensitivity: Any) -> RoundedGaussianMechanism:
            return RoundedGaussianMechanism(made(price, sensitivity).variance * variance_factor)

    monkeypatch.setattr("dpsynth.curator.votes.RoundedGaussianMechanism", Changed)
    answers = [count_votes(room, gate, teaching(TEACHERS), RECORDS, OTHER_RECORDS, PRICE) for _ in range(ANSWERS)]
    declared = np.sqrt(float(len(RECORDS) / PRICE))  # sensitivity over mu: every one of the labels may change by 1
    return np.concatenate([answer.counts - exact for answer in answers]) / declared, answers[0]


def test_residuals_pin_the_noise_within_four_percent(monkeypatch: pytest.MonkeyPatch) -> None:
    # Of 19,200 residuals the standard error is 0.5 %: an alarm at 4 % is eight of them.
    found, answer = residuals(monkeypatch, Fraction(1))
    assert answer.stddev == pytest.approx(np.sqrt(float(len(RECORDS) / PRICE)), rel=1e-3)
    total = float((found**2).sum())
    assert 2 * min(stats.chi2.sf(total, found.size), stats.chi2.cdf(total, found.size)) > SIGNIFICANCE
    assert abs(np.sqrt((found**2).mean()) - 1) < PINNED


@pytest.mark.parametrize(
    "factor",
    [
        Fraction(92, 100) ** 2,
        Fraction(108, 100) ** 2,
        Fraction(1, len(RECORDS)),  # noise for one label, where there are many
        Fraction(1, 10**6),  # next to none: labels as they are
        1 / (len(RECORDS) / PRICE) ** 2,  # the scale where its inverse belongs
    ],
)
def test_noise_of_another_width_is_seen(monkeypatch: pytest.MonkeyPatch, factor: Fraction) -> None:
    found, _ = residuals(monkeypatch, factor)
    assert abs(np.sqrt((found**2).mean()) - 1) > PINNED


def test_units_are_spread_evenly_over_teachers() -> None:
    dealt = np.array([teacher_of(unit, 50, b"key") for unit in range(20_000)])
    assert chi_square_p(dealt, (np.arange(50), np.full(50, 1 / 50))) > SIGNIFICANCE

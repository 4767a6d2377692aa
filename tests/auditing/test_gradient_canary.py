"""A unit with a coordinate of its own shows what a training hides, and what a broken one does not; votes are booked."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the neural extra")

from privacy_audits.gradient_canary.campaign import EACH, plans
from privacy_audits.gradient_canary.canary import CanaryCounts, canary_game
from privacy_audits.gradient_canary.known_bad import TWINS
from privacy_audits.gradient_canary.votes import vote_books
from privacy_audits.known_bad import noise_scaled, sensitivity_divided

pytestmark = pytest.mark.torch


def test_an_honest_training_keeps_its_claim_and_nearly_reaches_it() -> None:
    counts = canary_game(plans()[0][0], 4, rng=np.random.default_rng())
    assert counts.problems(EACH) == ()
    assert 0.6 < counts.mu_lower() < 1.25  # 400 pairs: the bound lies 0.16 below 1 with a standard deviation of 0.1
    assert CanaryCounts.from_counts({**counts.counts()}) == counts


@pytest.mark.parametrize(("name", "damage"), TWINS, ids=lambda given: given if isinstance(given, str) else "")
def test_a_broken_training_is_caught(name: str, damage: Callable[[], Any]) -> None:
    with damage():
        assert canary_game(plans()[1][0], 6, rng=np.random.default_rng()).problems(EACH), name


def test_votes_are_booked_to_the_last_digit() -> None:
    assert vote_books(2).problems(EACH) == ()


def test_votes_with_other_noise_or_another_price_are_caught() -> None:
    for damage in (noise_scaled(Fraction(1, 2)), sensitivity_divided(4)):
        with damage:
            assert vote_books(1).problems(EACH)

"""A unit with a coordinate of its own shows what a training hides, and what a broken one does not; votes are booked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the neural extra")

from privacy_audits.gradient_canary.campaign import EACH, plans
from privacy_audits.gradient_canary.canary import CanaryCounts, canary_game
from privacy_audits.gradient_canary.known_bad import DUE, TWINS, TWINS_OF_VOTES
from privacy_audits.gradient_canary.votes import vote_books
from privacy_audits.tried_twin import TriedTwin

pytestmark = pytest.mark.torch


def test_an_honest_training_keeps_its_claim_and_nearly_reaches_it() -> None:
    counts = canary_game(plans()[0][0], 4, rng=np.random.default_rng())
    assert counts.problems(EACH) == ()
    assert 0.6 < counts.mu_lower() < 1.25  # 400 pairs: the bound lies 0.16 below 1 with a standard deviation of 0.1
    assert CanaryCounts.from_counts({**counts.counts()}) == counts


@pytest.mark.parametrize(("name", "damage"), TWINS, ids=lambda given: given if isinstance(given, str) else "")
def test_a_broken_training_is_caught(name: str, damage: Callable[[], Any]) -> None:
    # A tenth of the noise is seen in 600 answers of 2 numbers each; everything else is grosser.
    runs = 6 if name == "nine tenths of the noise" else 3
    with damage():
        found = canary_game(plans()[1][0], runs, rng=np.random.default_rng()).problems(EACH)
    assert TriedTwin(name, (DUE[name],), found).caught


def test_votes_are_booked_to_the_last_digit() -> None:
    assert vote_books(2).problems(EACH) == ()


def test_votes_with_other_noise_or_another_price_are_caught() -> None:
    for name, damage in TWINS_OF_VOTES:
        with damage():
            assert TriedTwin(name, (DUE[name],), vote_books(1).problems(EACH)).caught

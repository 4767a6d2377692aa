"""One run of everything lets an honest generator pass, and refutes one that spends more or hands out rows."""

from __future__ import annotations

import numpy as np

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.generators.registry import generator
from privacy_audits.one_run.campaign import EACH, TWINS, tried, twins
from privacy_audits.one_run.pipeline import OneRun, one_run
from privacy_audits.tried_twin import slipped


def test_an_honest_generator_passes_and_shows_what_it_spends() -> None:
    counted = one_run(generator("independent"), PrivacyBudget(5, "1e-2"), rng=np.random.default_rng())
    assert counted.problems(EACH) == ()
    # The bound lies about 0.6 below the mu of 1.6 that tables show.
    assert 0.6 < counted.mu_lower < counted.claimed_mu
    assert OneRun(**counted.counts()) == counted


def test_rows_that_are_handed_out_and_five_spent_for_one_are_refuted() -> None:
    both = tried({"twins": twins(["independent"])})
    assert slipped(both) == ["all_marginals spends 5 and claims 1"]  # which was not tried


def test_a_twin_of_which_nothing_is_guessed_slips_through_whatever_it_was_charged() -> None:
    blind = OneRun("independent", "1", "0.01", 2000, 1000, 240, 120, 120, "1/2")
    assert blind.problems(EACH) != ()
    assert slipped(tried({"twins": [{"name": name, "counts": blind.counts()} for name in TWINS]})) == list(TWINS)


def test_each_count_is_judged_on_its_own() -> None:
    def run(right: int, copies: int = 120, charged: str = "1/10") -> OneRun:
        return OneRun("mst", "1", "0.01", 2000, 1000, 240, right, copies, charged)

    assert run(215).problems(EACH) == ()
    assert "guesses are right" in run(236).problems(EACH)[0]
    assert "guesses are right" in run(120, 236).problems(EACH)[0]
    assert run(120, charged="1/2").problems(EACH) == ("the run was charged more than its budget",)

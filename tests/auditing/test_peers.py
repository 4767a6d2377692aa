"""What is recorded of other people's systems is what their summary says, and nothing is added that was not counted."""

from __future__ import annotations

import math

import numpy as np
import pytest

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.accounting.gaussian_dp import mu_squared_from_budget
from dpsynth.attacks.repeated_runs import PairedRuns
from privacy_audits.peers.campaign import (
    DEAR,
    FOLDER,
    OWN,
    ROWS,
    batch,
    bounds,
    found,
    right_share,
    summary,
    together,
)


def test_the_summary_is_computed_from_the_counts() -> None:
    assert (FOLDER / "summary.md").read_text(encoding="utf-8") == summary(), "run the campaign with --summary"


def test_each_recorded_run_saw_both_worlds_equally_often() -> None:
    for counts in found():
        assert len(counts["without"]) == len(counts["with_unit"])


def test_batches_of_one_game_are_put_together_and_others_are_refused() -> None:
    first = {"system": DEAR[0], "pair": "p", "versions": {"dpmm": "1"}, "processor_seconds": 2, "without": [1, 2]}
    first["with_unit"] = [3, 2]
    both = together(first, {**first, "without": [5], "with_unit": [6]})
    assert (both["without"], both["with_unit"], both["processor_seconds"]) == ([1, 2, 5], [3, 2, 6], 4)
    assert bounds(both)[0] == PairedRuns(3, 2)
    with pytest.raises(SystemExit, match="other versions"):
        together(first, {**first, "versions": {"dpmm": "2"}})


def test_the_allowed_order_is_that_of_randomized_response_and_no_gaussian_passes_it() -> None:
    # Of a coin that tells the world with probability e / (1 + e): right with both, or by half of the ties.
    truth = math.e / (1 + math.e)
    assert right_share(1, 0) == pytest.approx(truth**2 + truth * (1 - truth))
    mu = math.sqrt(mu_squared_from_budget(PrivacyBudget(1, "1e-2")))
    draws = np.random.default_rng().normal(size=(2, 1000)) + np.array([[0], [mu]])
    assert float((draws[0][:, None] < draws[1]).mean()) < right_share(1, 0.01)


def test_our_own_stand_in_the_same_ring() -> None:
    recorded = {counts["system"]: counts for counts in found()}
    assert set(OWN) <= set(recorded)
    assert {recorded[system]["pair"] for system in OWN} == {counts["pair"] for counts in recorded.values()}
    played = batch(OWN[0], 2, FOLDER)
    assert played["pair"] == recorded[OWN[0]]["pair"]
    assert len(played["without"]) == len(played["with_unit"]) == 2
    assert 0 < min(played["without"] + played["with_unit"]) < ROWS

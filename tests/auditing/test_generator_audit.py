"""The game finds what breaks a claim and passes over what keeps it; what it counted can be judged again."""

from __future__ import annotations

import json
from contextlib import nullcontext
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import scipy

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.attacks.repeated_runs import PairedRuns
from dpsynth.auditing.audit_record import AuditRecord, GameCounts, NoiseCounts
from dpsynth.auditing.game import PlayedGame
from dpsynth.auditing.generator_audit import audit_generator
from dpsynth.auditing.neighbors import full_pair
from dpsynth.errors import InvalidInput
from dpsynth.generators.registry import generator
from privacy_audits.known_bad import Spends, door_with_budget, noise_scaled, sensitivity_divided
from privacy_audits.tried_twin import TriedTwin, slipped
from privacy_audits.worst_case_game.known_bad import BLACK_BOX, WHITE_BOX, twins

CLAIM = PrivacyBudget(1, "1e-2")
PAIR = full_pair(2, rows_per_cell=60)


def audit(maker: Any, *, runs: int = 100, damage: Any = None, door: Any = None) -> AuditRecord:
    with damage or nullcontext():
        return audit_generator(maker, CLAIM, runs=runs, rng=np.random.default_rng(), pairs=(PAIR,), door=door)


def test_an_honest_generator_passes_and_its_record_survives_json() -> None:
    # An honest implementation fails with probability 1e-3 at most.
    record = audit(generator("mst"))
    assert record.problems == ()
    (game,) = record.games
    assert game.noise.cells == 2 * 100 * (4 + 4 + 16)
    assert abs(game.noise.ratio - 1) < 0.05  # 4,800 cells: 0.05 is five standard deviations
    assert AuditRecord.from_json(json.loads(json.dumps(record.counts()))) == record
    assert record.audit_id.startswith("game-mst-epsilon-1-")


def test_five_spent_and_one_claimed_is_refuted() -> None:
    # mu of (5, 1e-2) is 1.76: 89 % of the pairs are in the right order where 65 % are allowed.
    spent = PrivacyBudget(5, "1e-2")
    record = audit(Spends(generator("mst"), spent), door=door_with_budget(spent))
    assert not record.passed
    assert any("white-box game refutes" in problem for problem in record.problems)
    assert any("charged more than its budget" in problem for problem in record.problems)


@pytest.mark.parametrize("factor", [Fraction(1, 2), Fraction(9, 10), Fraction(11, 10)])
def test_noise_of_another_size_is_found_from_both_sides(factor: Fraction) -> None:
    # The standard deviation of the ratio is 1 / sqrt(2 * 2400) = 0.0144, so 0.9 and 1.1 lie seven of them away.
    record = audit(generator("mst"), runs=50, damage=noise_scaled(factor))
    assert any("times what is declared" in problem for problem in record.problems)
    assert all(abs(game.noise.ratio - factor) < 0.08 for game in record.games)


def test_a_divided_sensitivity_is_found_by_the_game_alone() -> None:
    record = audit(generator("all_marginals"), damage=sensitivity_divided(4))
    (game,) = record.games
    assert abs(game.noise.ratio - 1) < 0.05
    assert any("white-box game refutes" in problem for problem in record.problems)


def counted(right: int, *, squares: float = 1000.0, charge: str = "1/10") -> AuditRecord:
    game = GameCounts("a pair", 100, PairedRuns(100, right), PairedRuns(60, 30), NoiseCounts(1000, squares), charge)
    return AuditRecord("aim", "1", "0.01", (game,), {}, "0" * 64, "2026-11-22")


def test_each_count_is_judged_on_its_own() -> None:
    # claimed mu 0.5325: 64.7 % may be right. At 1e-3 / 4 that is up to 81 of 100.
    assert counted(70).passed
    assert "white-box" in counted(90).problems[0]
    assert "the noise is 0.837" in counted(60, squares=700.0).problems[0]
    assert "wasted" in counted(60, squares=1300.0).problems[0]
    assert "charged more" in counted(60, charge="1/2").problems[0]


def test_instalments_of_one_campaign_add_up_and_others_do_not() -> None:
    first, second = counted(60), counted(70, squares=1100.0, charge="1/8")
    (both,) = first.with_more(second).games
    assert (both.runs, both.white_box.right) == (200, 130)
    assert (both.white_box.pairs, both.black_box) == (200, PairedRuns(120, 60))
    assert both.noise.sum_of_squares == 2100
    assert both.largest_charge == "1/8"
    for changed in ({"source_sha256": "other"}, {"generator": "other"}, {"epsilon": "2"}):
        with pytest.raises(InvalidInput, match="added up"):
            first.with_more(replace(second, **changed))


def test_generators_of_one_campaign_share_its_false_alarms() -> None:
    # 82 of 100 have a chance of 1.1e-4: too little for one generator, at 2.5e-4, and not for one of nine, at 2.8e-5.
    record = counted(82)
    assert record.problems_among(1) == record.problems != ()
    assert record.problems_among(9) == ()
    assert record.refutable_mu_among(9) > record.refutable_mu


def test_a_twin_is_caught_by_what_is_due_and_by_nothing_else() -> None:
    game = "a pair: the white-box game refutes the claim. 90 of 100 pairs are in the right order"
    charge = "a pair: a run was charged more than its budget"
    assert TriedTwin("spends 5", (WHITE_BOX,), (charge, game)).caught
    assert TriedTwin("spends 5", (WHITE_BOX,), (charge, game)).reasons == (game,)
    for found in ((charge,), ()):
        assert not TriedTwin("spends 5", (WHITE_BOX,), found).caught
    assert not TriedTwin("spends 50", (WHITE_BOX, BLACK_BOX), (game,)).caught
    assert not TriedTwin("nothing is due", (), (game,)).caught
    assert slipped([TriedTwin("spends 5", (WHITE_BOX,), (charge,))]) == ["spends 5"]


def test_a_powerless_game_lets_twins_slip_through() -> None:
    # Charged beyond the claim, and told apart by nobody.
    blind = counted(60, charge="1/2")
    (spends, *_) = twins()
    assert blind.problems != ()
    assert slipped([TriedTwin(spends.name, spends.due, blind.problems)]) == [spends.name]


@pytest.mark.parametrize("name", ["noise on a copy", "hands out the rows of the table"])
def test_what_only_tables_show_is_found_in_tables(name: str) -> None:
    (twin,) = (each for each in twins() if each.name == name)
    assert TriedTwin(name, twin.due, twin.audit(100).problems).caught


def test_the_power_is_the_power_of_the_rule() -> None:
    record = counted(60)
    share = float(scipy.stats.norm.cdf(record.refutable_mu / np.sqrt(2)))
    rng = np.random.default_rng(1)
    refuted = [not counted(int(rng.binomial(100, share))).passed for _ in range(300)]
    # 90 % of 300 is 270, standard deviation 5.2.
    assert 248 < sum(refuted) < 292


def test_the_black_box_learns_from_likelihoods_where_worlds_teach_little() -> None:
    rng = np.random.default_rng(2)
    # Every feature shows the likelihood ratio through noise of its own; together they show 10 / 11 of it.
    likelihoods = rng.normal(0, 0.5, (2, 1000)) + np.array([[-0.125], [0.125]])
    features = likelihoods[:, :, None] + rng.normal(0, 0.5, (2, 1000, 10))
    without, with_unit = PlayedGame(likelihoods, features, np.empty(0), Fraction(0), 1, 1).black_box(training=0.05)
    assert without.shape == with_unit.shape == (950,)
    assert np.corrcoef(without, likelihoods[0, 50:])[0, 1] > 0.9
    nothing = PlayedGame(np.zeros((2, 1000)), features, np.empty(0), Fraction(0), 1, 1).black_box()
    assert nothing[1].mean() > nothing[0].mean()

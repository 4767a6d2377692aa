"""A generator that copies outliers is caught by the runs it made, one with differential privacy is not.

The attack is asked whether anything at all can be seen (a claimed mu of 0): at most one attack in twenty may say so
of a pipeline that does not depend on the target. Runs are seeded, so no test here is a matter of luck.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
import scipy

from dpsynth.attacks.canaries import draw_canaries
from dpsynth.attacks.leaky_twins import LEAKY_TWINS, LeakSource
from dpsynth.attacks.repeated_runs import PairedRuns
from dpsynth.attacks.shadow_targets import ShadowTarget, choose_targets
from dpsynth.attacks.targeted_shadow import (
    SMOKE,
    FitAndSample,
    Repetitions,
    ShadowFinding,
    ShadowResult,
    TargetedShadow,
    weighed,
)
from dpsynth.errors import InvalidInput
from tests.attacks.populations import MIXED, Codes, mixed_rows

ROWS = 300
EPSILON = 1.0
DELTA = Decimal("1e-5")


def leaking(twin: str) -> FitAndSample:
    """Return the pipeline that leaks like a twin, with as many rows whether or not there was one more."""
    fresh = mixed_rows(5_000, np.random.default_rng(99))

    def run(rows: Codes, rng: np.random.Generator) -> Codes:
        honest = fresh[rng.choice(len(fresh), size=ROWS, replace=False)]
        return rng.permutation(LEAKY_TWINS[twin].make(LeakSource(rows, honest, MIXED), rng))[:ROWS]

    return run


def private_marginals(rows: Codes, rng: np.random.Generator) -> Codes:
    """Independent columns from noisy histograms: epsilon 1 in all, by Laplace noise of scale 1 / (1 / columns)."""
    columns = []
    for place, column in enumerate(MIXED.columns):
        counts = np.bincount(rows[:, place], minlength=column.size) + rng.laplace(
            scale=rows.shape[1] / EPSILON, size=column.size
        )
        weights = np.maximum(counts, 1e-9)
        columns.append(rng.choice(column.size, size=ROWS, p=weights / weights.sum()))
    return np.stack(columns, axis=1)


def attacked(
    pipeline: FitAndSample, *, seed: int = 0, isolated: int = 2, typical: int = 1, canaries: int = 1, planned: int = 4
) -> tuple[ShadowResult, ...]:
    """Return what is found about some of the planned targets; those that are left out count in the correction."""
    rng = np.random.default_rng(seed)
    auxiliary = mixed_rows(900, rng)
    planted = draw_canaries(MIXED.columns, canaries, rng=rng)
    targets = choose_targets(auxiliary, MIXED, canaries=planted, isolated=isolated, typical=typical)
    attack = TargetedShadow(pipeline, MIXED, auxiliary, ROWS, SMOKE)
    return weighed([*attack.findings(targets, rng=rng)], planned=planned, delta=DELTA)


def test_one_percent_of_outliers_copied_with_noise_is_caught() -> None:
    # Five in every hundred honest pipelines would be caught too. Three of three hundred rows are copies here.
    results = attacked(leaking("few-noisy-outliers"))
    caught = {result.kind for result in results if result.is_caught}
    assert caught & {"most isolated", "canary"}
    assert "typical" not in caught
    assert max(result.mu_lower for result in results) > 0


def test_differential_privacy_is_not_caught_and_no_bound_exceeds_it() -> None:
    for result in attacked(private_marginals, isolated=1):
        assert not result.is_caught
        assert result.epsilon_lower <= EPSILON
        assert result.auc.lower <= 0.5 <= result.auc.upper


@pytest.mark.parametrize(("twin", "epsilon"), [("noisy-copy", 1.0), ("smote", 0.5), ("row-swap", 1.0)])
def test_a_generator_that_overfits_gives_isolated_people_away(twin: str, epsilon: float) -> None:
    results = attacked(leaking(twin), isolated=1, typical=0, canaries=0, planned=3)
    assert [(result.kind, result.is_caught) for result in results] == [("most isolated", True)]
    assert max(result.epsilon_lower for result in results) > epsilon


def finding(without: list[float], with_target: list[float]) -> ShadowFinding:
    low, high = np.array(without), np.array(with_target)
    pairs = PairedRuns.of(low, high, rng=np.random.default_rng(0))
    return ShadowFinding(ShadowTarget("by hand", np.zeros(1, dtype=np.int64)), "none", low, high, 0.5, pairs)


def test_evidence_by_hand() -> None:
    (result, lost) = weighed(
        [finding([0.0] * 30, [1.0] * 30), finding([0.0, 1.0] * 15, [1.0, 0.0] * 15)], planned=2, delta=DELTA
    )
    assert result.p_value == pytest.approx(2.0**-30)
    assert result.adjusted_p_value == pytest.approx(2.0**-29)
    assert result.is_caught
    assert not lost.is_caught
    # Each of two targets at 97.5 %: 30 of 30 pairs bound the share of right orders by 0.025 ** (1 / 30).
    share = 0.025 ** (1 / 30)
    assert result.mu_lower == pytest.approx(math.sqrt(2) * scipy.special.ndtri(share))
    # Rates at 98.75 % each.
    rate = 0.0125 ** (1 / 30)
    assert result.epsilon_lower == pytest.approx(math.log((rate - 1e-5) / (1 - rate)))
    assert result.advantage.estimate == 1
    assert "CAUGHT" in result.sentence
    assert "not caught" in lost.sentence
    assert (lost.mu_lower, lost.epsilon_lower) == (0, 0)


def test_a_claim_that_allows_what_was_seen_is_not_refuted() -> None:
    seen = [finding([0.0] * 30, [1.0] * 27 + [-1.0] * 3)]
    assert weighed(seen, planned=1, delta=DELTA)[0].is_caught
    assert not weighed(seen, planned=1, delta=DELTA, claimed_mu=2.0)[0].is_caught


def test_targets_that_were_not_reached_still_count() -> None:
    seen = [finding([0.0] * 5, [1.0] * 5)]
    assert weighed(seen, planned=1, delta=DELTA)[0].is_caught
    assert not weighed(seen, planned=20, delta=DELTA)[0].is_caught
    with pytest.raises(InvalidInput, match="planned"):
        weighed(seen, planned=0, delta=DELTA)


@pytest.fixture
def recorded() -> tuple[list[Codes], Callable[[Codes, np.random.Generator], Codes]]:
    seen: list[Codes] = []

    def run(rows: Codes, rng: np.random.Generator) -> Codes:
        seen.append(rows.copy())
        return rows[:20]

    return seen, run


def test_worlds_differ_by_the_target_alone(recorded: tuple[list[Codes], FitAndSample]) -> None:
    seen, run = recorded
    auxiliary = mixed_rows(100, np.random.default_rng(0))
    targets = choose_targets(auxiliary, MIXED, canaries=auxiliary[:0], isolated=2, typical=1)
    plan = Repetitions(3, 2, 2)
    attack = TargetedShadow(run, MIXED, auxiliary, 40, plan)
    reached = attack.findings(targets, rng=np.random.default_rng(0))
    next(reached)
    # Whoever stops after the first target has paid for the runs without and for those with it.
    assert len(seen) == 2 * plan.total
    assert len([*reached]) == 2
    assert len(seen) == 4 * plan.total
    worlds = [seen[start : start + plan.total] for start in range(0, len(seen), plan.total)]
    rows = {tuple(target.row) for target in targets}
    for number, target in enumerate(targets):
        for without, with_target in zip(worlds[0], worlds[number + 1], strict=True):
            assert not rows & {tuple(row) for row in without}
            expected = sorted([*(tuple(row) for row in without), tuple(target.row)])
            assert sorted(tuple(row) for row in with_target) == expected


def test_targets_are_chosen_by_isolation() -> None:
    auxiliary = mixed_rows(60, np.random.default_rng(0))
    auxiliary[7] = [39, 0, 39, 0, 39, 0, 39, 0, 0, 0, 0, 0, 0]
    targets = choose_targets(auxiliary, MIXED, canaries=auxiliary[:2], isolated=1, typical=3)
    assert [target.kind for target in targets] == ["most isolated", *["typical"] * 3, *["canary"] * 2]
    assert targets[0].place == 7
    assert [target.place for target in targets[4:]] == [None, None]
    with pytest.raises(InvalidInput, match="fewer auxiliary rows"):
        choose_targets(auxiliary[:3], MIXED, canaries=auxiliary[:0])


def test_what_cannot_be_run_is_refused(recorded: tuple[list[Codes], FitAndSample]) -> None:
    with pytest.raises(InvalidInput, match="two runs"):
        Repetitions(1, 2, 2)
    attack = TargetedShadow(recorded[1], MIXED, mixed_rows(10, np.random.default_rng(0)), 11)
    with pytest.raises(InvalidInput, match="fewer auxiliary rows"):
        next(replace(attack).findings((), rng=np.random.default_rng(0)))

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import binom

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.certification.canaries import CanaryPlan, draw_canaries
from dpsynth.certification.canary_count import most_canaries, units_for
from dpsynth.certification.policy import Verdict
from dpsynth.errors import InvalidInput
from dpsynth.randomness import SeededNoise, SystemNoise
from dpsynth.schema.schema import Schema
from tests.certification.made_releases import (
    CLAIM,
    POLICY,
    drawn,
    survey_rows,
    survey_schema,
    table_of,
    training_rows,
)

ROWS = 4_000


def verdict_of(plan: CanaryPlan, codes: NDArray[np.int32]) -> Verdict:
    return plan.judge(table_of(codes, plan.schema), CLAIM, POLICY).evidence.verdict


@pytest.fixture(params=[1, 2, 3])
def plan(request: pytest.FixtureRequest) -> CanaryPlan:
    return drawn(request.param)


def test_generators_that_copy_fail(plan: CanaryPlan) -> None:
    rng = np.random.default_rng(11)
    rows = training_rows(plan, ROWS, rng)
    bootstrap = rows[rng.integers(len(rows), size=len(rows))]
    assert verdict_of(plan, rows) is Verdict.FAIL
    assert verdict_of(plan, rng.permutation(rows)) is Verdict.FAIL
    assert verdict_of(plan, bootstrap) is Verdict.FAIL


def test_one_copied_row_in_ten_fails(plan: CanaryPlan) -> None:
    rng = np.random.default_rng(12)
    # The canaries are 1 % of so many declared units; they stay that rare among the rows of the test.
    rows = training_rows(plan, 20_000, rng)
    copied = rows[rng.permutation(len(rows))[: len(rows) // 10]]
    partly = np.concatenate([copied, survey_rows(len(rows) - len(copied), rng)])
    assert verdict_of(plan, partly) is Verdict.FAIL


def test_tables_that_know_nothing_pass_or_stay_undecided(plan: CanaryPlan) -> None:
    rng = np.random.default_rng(13)
    sizes = [column.size for column in survey_schema().columns]
    noise = np.stack([rng.integers(0, size, ROWS) for size in sizes], axis=1).astype(np.int32)
    assert verdict_of(plan, noise) is Verdict.PASS
    assert verdict_of(plan, survey_rows(ROWS, rng)) is Verdict.PASS
    assert verdict_of(plan, noise[:0]) is Verdict.PASS


def test_fresh_draws_hardly_ever_fail() -> None:
    """Forty honest releases; each may fail with a chance of 5 %, and then more than 7 are one in a thousand.

    Nearly all of them pass: an honest table is not sent back for lack of power.
    """
    verdicts = [
        verdict_of(drawn(seed % 10), survey_rows(4_000, np.random.default_rng(1000 + seed))) for seed in range(40)
    ]
    assert verdicts.count(Verdict.FAIL) <= 7
    assert verdicts.count(Verdict.PASS) >= 36


def test_a_small_table_is_never_passed() -> None:
    for units in (100, 1_000, 5_000):
        plan = drawn(1, units=units)
        assert verdict_of(plan, survey_rows(units, np.random.default_rng(1))) is Verdict.INCONCLUSIVE


def test_a_small_table_that_copies_is_never_passed() -> None:
    plan = drawn(1, units=1_000)
    assert verdict_of(plan, training_rows(plan, 1_000, np.random.default_rng(1))) is not Verdict.PASS


def test_canaries_are_ordinary_rows_and_few(plan: CanaryPlan) -> None:
    schema = survey_schema()
    assert plan.rows.shape == (400, len(schema.columns))
    for place, column in enumerate(schema.columns):
        assert plan.rows[:, place].max() < column.declared_size
        assert len(np.unique(plan.rows[:, place])) == column.declared_size
    assert len(plan.included_rows) == plan.coins.sum()
    assert drawn(1, units=20_190).rows.shape[0] == 161


@settings(deadline=None, max_examples=50)
@given(units=st.integers(0, 200_000))
def test_included_canaries_stay_within_half_a_percent_of_the_units(units: int) -> None:
    drawn_at_most, limit = most_canaries(units, POLICY), units // 200
    assert binom.sf(limit, drawn_at_most, 0.5) <= 1e-3
    if drawn_at_most < POLICY.canaries:
        assert binom.sf(limit, drawn_at_most + 1, 0.5) > 1e-3, "as many as there is room for"
    if drawn_at_most:
        assert units_for(drawn_at_most, POLICY) <= units
        assert most_canaries(units_for(drawn_at_most, POLICY) - 1, POLICY) < drawn_at_most


def test_coins_are_fair_and_independent_of_the_canaries() -> None:
    included = np.array([drawn(seed).coins.mean() for seed in range(10)])
    # Four thousand coins: five standard deviations are 0.04.
    assert abs(included.mean() - 0.5) < 0.04
    first = draw_canaries(survey_schema(), POLICY, CLAIM, rng=np.random.default_rng(1), noise=SeededNoise(1))
    second = draw_canaries(survey_schema(), POLICY, CLAIM, rng=np.random.default_rng(1), noise=SystemNoise())
    assert np.array_equal(first.rows, second.rows)
    assert first.threshold == second.threshold
    assert not np.array_equal(first.coins, second.coins)


def test_the_released_table_holds_no_canary(plan: CanaryPlan) -> None:
    rng = np.random.default_rng(14)
    sampled = table_of(np.concatenate([survey_rows(500, rng), plan.rows]))
    judged = plan.judge(sampled, CLAIM, POLICY)
    left = {row.tobytes() for row in judged.table.codes}
    assert not left & {row.tobytes() for row in plan.rows}
    # Every row that is no canary is kept, in order.
    canaries = {row.tobytes() for row in plan.rows}
    kept = [row for row in sampled.codes if row.tobytes() not in canaries]
    assert np.array_equal(judged.table.codes, np.array(kept))


def test_a_table_is_judged_once_and_before_anything_is_dropped(plan: CanaryPlan) -> None:
    judged = plan.judge(table_of(survey_rows(200, np.random.default_rng(15))), CLAIM, POLICY)
    with pytest.raises(InvalidInput, match="judged before"):
        plan.judge(judged.table, CLAIM, POLICY)


def test_the_rule_cannot_be_changed_after_the_draw(plan: CanaryPlan) -> None:
    table = table_of(survey_rows(200, np.random.default_rng(15)))
    lenient = replace(POLICY, canary_tolerance=POLICY.canary_tolerance * 5)
    with pytest.raises(InvalidInput, match="fixed before training"):
        plan.judge(table, CLAIM, lenient)
    with pytest.raises(InvalidInput, match="fixed before training"):
        plan.judge(table, PrivacyBudget(9, "1e-6"), POLICY)
    with pytest.raises(InvalidInput, match="another schema"):
        plan.judge(replace(table, schema=survey_schema(7)), CLAIM, POLICY)


_SMALL = """
name: small
dpsynth: {unit: {kind: row}, ROWS}
fields:
  - {name: answer, type: string, categories: ["yes", "no"]}
"""


def test_a_domain_must_be_large_beside_the_table() -> None:
    """The survey has about 18 million combinations: enough for 40,000 people, not for a million."""
    plan = drawn(1, units=1_000_000)
    assert len(plan.rows) == 0
    assert "needed: 100,000,000" in plan.reason


def test_the_threshold_follows_from_public_rows_alone(plan: CanaryPlan) -> None:
    """A table of uniform rows, as large as declared, recognises about one row in 400, and copies are recognised."""
    rng = np.random.default_rng(16)
    uniform = np.stack([rng.integers(0, c.declared_size, 20_000) for c in survey_schema().columns], axis=1)
    evidence = plan.judge(table_of(uniform.astype(np.int32)), CLAIM, POLICY).evidence
    # Two of 800 expected over both halves; ten are one in ten thousand.
    assert evidence.counts.guesses <= 10
    assert plan.judge(table_of(plan.rows), CLAIM, POLICY).evidence.counts.guesses == len(plan.rows)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (_SMALL.replace("ROWS", "public_rows: 20000"), "only 2 combinations"),
        (_SMALL.replace(", ROWS", ""), "does not declare about how many units"),
        (_SMALL.replace("ROWS", "public_rows: 100"), "at least 200 are needed"),
    ],
)
def test_where_canaries_say_nothing_there_are_none_and_the_reason_is_given(text: str, words: str) -> None:
    schema = Schema.from_text(text)
    plan = draw_canaries(schema, POLICY, CLAIM, rng=np.random.default_rng(1), noise=SeededNoise(1))
    assert len(plan.rows) == len(plan.included_rows) == 0
    judged = plan.judge(table_of(np.zeros((5, 1), dtype=np.int32), schema), CLAIM, POLICY)
    assert judged.evidence.verdict is Verdict.INCONCLUSIVE
    assert words in judged.evidence.reasons[0]
    assert judged.table.rows == 5

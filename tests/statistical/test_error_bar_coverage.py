"""Intervals of error bars cover as often as they say, and a standard deviation stated at half its value is found out.

Coverage is tightest where the table does not depend on the noise: compared with the real table itself (distance 0), an
interval covers exactly when the noise stays below its quantile. Truth, noise and tables are public and made up here.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from scipy.stats import binom

from dpsynth.curator.queries import NoisyMarginal
from dpsynth.generators.error_bars import LEVEL, error_bars
from dpsynth.generators.rehearsal import Rehearsal
from dpsynth.mechanisms import RoundedGaussianMechanism, Sensitivity
from dpsynth.models import GraphicalModel, Measurement, estimate
from dpsynth.randomness import NoiseSource
from dpsynth.schema.schema import Schema
from dpsynth.schema.table import SyntheticTable
from tests.statistical.significance import SIGNIFICANCE, seeded_noise

RUNS = 300
ROWS = 4000
CLIQUES = [("sex",), ("age", "sex"), ("age", "ward")]
NULL_DECISIONS = 5
"""Three marginals, one of them also from two answers, and a table that is not the real one."""

SCHEMA = Schema.from_text(
    """
name: ward
fields:
  - {name: age, type: integer, categories: [0, 1, 2, 3, 4, 5, 6], constraints: {required: true}}
  - {name: sex, type: boolean, constraints: {required: true}}
  - {name: ward, type: integer, categories: [0, 1, 2, 3, 4, 5, 6, 7, 8], constraints: {required: true}}
dpsynth:
  unit: {kind: row}
"""
)


def truth() -> SyntheticTable:
    rng = np.random.default_rng(17)
    age = rng.binomial(6, 0.3, ROWS)
    sex = (rng.random(ROWS) < 0.3 + 0.05 * age).astype(int)
    codes = np.column_stack([age, sex, np.minimum(age + rng.geometric(0.6, ROWS) - 1, 8)]).astype(np.int32)
    return SyntheticTable(SCHEMA, codes, spread_seed=0)


def far_table() -> SyntheticTable:
    """Return a table that is not the real one, and that no answer had a part in."""
    codes = truth().codes.copy()
    codes[::3, 1] = 0
    return SyntheticTable(SCHEMA, codes, spread_seed=0)


def distance(table: SyntheticTable, clique: tuple[str, ...]) -> float:
    shares = [
        np.bincount(_cells(rows, clique), minlength=SCHEMA.domain.cells(clique)) / ROWS for rows in (truth(), table)
    ]
    return float(np.abs(shares[0] - shares[1]).sum() / 2)


def _cells(table: SyntheticTable, clique: tuple[str, ...]) -> np.ndarray:
    cells = np.zeros(table.rows, dtype=np.int64)
    for name in clique:
        cells = cells * SCHEMA.domain.size(name) + table.codes[:, SCHEMA.domain.position(name)]
    return cells


def answer(clique: tuple[str, ...], variance: Fraction, noise: NoiseSource, stated: float = 1.0) -> NoisyMarginal:
    """Return a noisy marginal of the real table that states `stated` times its standard deviation."""
    shape = SCHEMA.domain.shape(clique)
    counts = np.bincount(_cells(truth(), clique), minlength=SCHEMA.domain.cells(clique)).reshape(shape)
    mechanism, sensitivity = RoundedGaussianMechanism(variance), Sensitivity(1, 1, 1)
    noisy = mechanism(counts.astype(np.int64), sensitivity=sensitivity, noise=noise)
    return NoisyMarginal(clique, noisy, stated * mechanism.stddev, mechanism.event(sensitivity))


def coverage(
    cliques: list[tuple[str, ...]], about: tuple[str, ...], table: SyntheticTable, stated: float = 1.0, stream: int = 61
) -> int:
    """Return in how many runs the interval about one marginal covers its true distance."""
    noise = seeded_noise(stream)
    model: GraphicalModel = estimate(SCHEMA.domain, [Measurement((), np.array(float(ROWS)), 1.0)])
    right = distance(table, about)
    covered = 0
    for _ in range(RUNS):
        # A precise number of rows, so that its own margin does not hide what the margin of the cells is.
        rows = answer((), Fraction(1), noise)
        answers = (rows, *(answer(clique, Fraction(400), noise, stated) for clique in cliques))
        # The intervals read nothing of the models but their number of rows, so these need no fit.
        rehearsed = Rehearsal(replace(model, total=float(rows.counts)), answers, model, answers)
        (bar,) = (bar for bar in error_bars(table, rehearsed).bars if bar.columns == about)
        covered += bar.lower <= right <= bar.upper
    return covered


def p_value(covered: int) -> float:
    """Return the chance of so little coverage or less if each interval covers with its stated chance."""
    return float(binom.cdf(covered, RUNS, LEVEL))


@pytest.mark.parametrize("clique", CLIQUES)
def test_intervals_cover_and_half_the_noise_is_found_out(clique: tuple[str, ...]) -> None:
    assert p_value(coverage([clique], clique, truth())) > SIGNIFICANCE
    assert p_value(coverage([clique], clique, truth(), stated=0.5)) < SIGNIFICANCE


def test_intervals_from_several_answers_cover() -> None:
    both = [("age", "sex"), ("age", "ward")]
    assert p_value(coverage(both, ("age",), truth())) > SIGNIFICANCE
    assert p_value(coverage(both, ("age",), truth(), stated=0.5)) < SIGNIFICANCE


def test_intervals_about_a_distant_table_cover() -> None:
    assert distance(far_table(), ("age", "sex")) > 0.05
    assert p_value(coverage([("age", "sex")], ("age", "sex"), far_table())) > SIGNIFICANCE

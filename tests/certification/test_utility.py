"""The distance to a grouped marginal is taken over its groups."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from dpsynth.accounting.events import GdpEvent
from dpsynth.certification.utility import marginal_of, utility_of
from dpsynth.curator.queries import Grouping, NoisyMarginal
from dpsynth.schema.schema import Schema
from dpsynth.schema.table import SyntheticTable

SCHEMA = Schema.from_text(
    """
name: survey
fields:
  - {name: age, type: integer, constraints: {minimum: 0, maximum: 4, required: true}, dpsynth: {bins: [0, 1, 2, 3, 4]}}
  - {name: sex, type: boolean, constraints: {required: true}}
dpsynth:
  unit: {kind: row}
  public_rows: 100
""",
    source="survey.yaml",
)


def test_a_grouped_marginal_is_compared_over_its_groups_and_named_by_its_columns() -> None:
    domain = SCHEMA.domain
    rng = np.random.default_rng(0)
    codes = np.column_stack([rng.integers(0, size, 90) for size in domain.sizes]).astype(np.int32)
    groups = tuple(code // 2 for code in range(domain.size("age")))
    coarse = {"age/2": Grouping("age", groups)}
    fine = marginal_of(codes, domain, ("age", "sex")).reshape(domain.shape(("age", "sex")))
    summed = np.zeros((coarse["age/2"].size, domain.size("sex")))
    np.add.at(summed, list(groups), fine)
    np.testing.assert_array_equal(marginal_of(codes, domain, ("age/2", "sex"), coarse), summed.ravel())
    table = SyntheticTable(schema=SCHEMA, codes=codes, spread_seed=0, provenance={})
    event = GdpEvent(Fraction(1, 10))
    answer = NoisyMarginal(("age/2", "sex"), summed.astype(np.int64), 2.0, event, coarse)
    (section,) = utility_of(table, [answer])
    assert section.columns == ("age", "sex")
    assert section.cells == summed.size
    assert section.total_variation == 0

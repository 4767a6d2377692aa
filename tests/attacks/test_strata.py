"""Who belongs to which stratum."""

from __future__ import annotations

import numpy as np
import pytest

from dpsynth.attacks.records import Records
from dpsynth.attacks.result import EVERYONE
from dpsynth.attacks.strata import DeclaredGroup, strata_of
from dpsynth.errors import InvalidInput
from dpsynth.schema.schema import Schema
from tests.attacks.populations import CROWDED, MIXED, crowded, crowded_rows, mixed, mixed_rows


def test_the_most_isolated_are_those_far_from_five_reference_rows() -> None:
    rng = np.random.default_rng(0)
    targets, reference = mixed(mixed_rows(300, rng)), mixed(mixed_rows(200, rng))
    everyone, tenth, hundredth = strata_of(targets, reference)
    assert everyone.label == EVERYONE
    assert everyone.people.all()
    # The slow way: every distance, the five smallest, their mean.
    gaps = np.where(
        targets.ordered,
        np.minimum(np.abs(targets.values[:, None] - reference.values[None]), 1),
        targets.values[:, None] != reference.values[None],
    ).sum(axis=2)
    isolation = np.sort(gaps, axis=1)[:, :5].mean(axis=1)
    assert tenth.people.sum() <= 30
    assert hundredth.people.sum() <= 3
    assert isolation[tenth.people].min() > isolation[~tenth.people].max()
    assert not (hundredth.people & ~tenth.people).any()


def test_where_all_are_alike_nobody_is_isolated() -> None:
    rows = crowded(np.tile(crowded_rows(1, np.random.default_rng(1)), (50, 1)))
    _, *isolated = strata_of(rows, rows)
    assert not any(stratum.people.any() for stratum in isolated)


def test_small_and_empty_tables_have_no_isolated_people() -> None:
    rows = crowded(crowded_rows(5, np.random.default_rng(1)))
    nothing = rows.take(np.array([], dtype=np.intp))
    for targets, reference in ((rows, rows), (nothing, rows), (rows, nothing)):
        _, *isolated = strata_of(targets, reference)
        assert not any(stratum.people.any() for stratum in isolated)


def test_a_group_holds_the_people_with_its_codes() -> None:
    codes = mixed_rows(100, np.random.default_rng(2))
    for column in (0, len(MIXED.columns) - 1):  # an ordered and an unordered one
        group = DeclaredGroup.of_codes("some", MIXED.columns, column, [0, 1])
        np.testing.assert_array_equal(group.members_among(mixed(codes)), np.isin(codes[:, column], [0, 1]))


@pytest.mark.parametrize(("column", "codes"), [(99, [0]), (-1, [0]), (0, [-1]), (0, [2])])
def test_a_group_of_what_the_schema_does_not_have_is_refused(column: int, codes: list[int]) -> None:
    with pytest.raises(InvalidInput):
        DeclaredGroup.of_codes("some", CROWDED.columns, column, codes)


def test_people_of_a_condition_are_those_whose_codes_fulfil_it() -> None:
    schema = Schema.from_text(
        "name: few\nfields:\n  - {name: sex, type: string, categories: [f, m]}\n"
        "  - {name: age, type: integer, constraints: {minimum: 0, maximum: 99}, dpsynth: {bins: 10}}\n"
        "dpsynth:\n  unit: {kind: row}\n"
        "  audit: {groups: [{name: old, who: \"age >= 90 and sex == 'f' or missing(age)\"}]}\n"
    )
    group = DeclaredGroup.of_people(schema.groups[0], schema.columns)
    sizes = [column.size for column in schema.columns]
    codes = np.random.default_rng(3).integers(0, sizes, (300, 2)).astype(np.int32)
    sex, age = codes.T
    wanted = ((age == 9) & (sex == 0)) | (age == schema.column("age").missing_code)
    assert group.label == "group: old"
    assert group.fits(2)
    assert not group.fits(1)
    np.testing.assert_array_equal(group.members_among(Records.from_codes(codes, schema)), wanted)
    assert not group.members_among(Records.from_codes(codes[:0], schema)).any()

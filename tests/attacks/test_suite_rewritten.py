"""No p-value of the suite depends on how the tables are written, even where controls have to serve as the reference."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest

from dpsynth.attacks import ATTACKS, DeclaredGroup, Records, SuiteFindings, attack_release
from tests.conformance.attack_scenes import (
    KINDS,
    ROWS,
    Scene,
    population,
    with_codes_permuted,
    with_columns_permuted,
    with_columns_renamed,
    with_constant_columns,
)

Rewriting = Callable[[Scene], Scene]


def with_rows_permuted(given: Scene) -> Scene:
    rng = np.random.default_rng(33)

    def turned(table: Records) -> Records:
        return table.take(rng.permutation(len(table)))

    people = turned(given.members).followed_by(turned(given.controls))
    return Scene(people, turned(given.synthetic), turned(given.reference), given.names)


def with_twins(people: Records, rng: np.random.Generator) -> Records:
    """Return the rows with every fifth one replaced by one of ten that many people share."""
    shared = population(10, np.random.default_rng(36)).take(rng.integers(10, size=len(people) // 5))
    return shared.followed_by(people.take(np.arange(len(people) // 5, len(people))))


def scene(reference_rows: int) -> Scene:
    """Return a release that copies four in ten members, half of them rows of many people, and is otherwise honest."""
    rng = np.random.default_rng(34)
    members, controls, reference, fresh = (with_twins(population(ROWS, rng), rng) for _ in range(4))
    copied = members.take(np.arange(2 * ROWS // 5)).followed_by(fresh.take(np.arange(2 * ROWS // 5, ROWS)))
    return Scene(members.followed_by(controls), copied, reference.take(np.arange(reference_rows)))


def findings(given: Scene) -> SuiteFindings:
    oldest = DeclaredGroup("oldest", (given.names.index("age") if "age" in given.names else 0,), frozenset({(1.0,)}))
    return attack_release(
        given.members,
        given.controls,
        given.synthetic,
        given.reference,
        names=given.names,
        groups=(oldest,),
        quasi_identifiers=[[name for name, own in zip(given.names, given.targets.ordered, strict=True) if not own]],
        rng=np.random.default_rng(35),
    )


@cache
def as_given(reference_rows: int) -> tuple[Scene, SuiteFindings]:
    """Return the tables as they are and what is found in them, once for all ways of writing them."""
    given = scene(reference_rows)
    return given, findings(given)


def numbers(found: SuiteFindings) -> list[str]:
    """Return everything but the labels of variants, which are made of names."""
    return sorted(
        repr((r.attack, r.statistic, r.stratum, r.interval, r.p_value, r.members, r.controls)) for r in found.results
    )


@pytest.mark.parametrize("reference_rows", [0, ROWS])
@pytest.mark.parametrize(
    "rewriting",
    [with_rows_permuted, with_columns_permuted, with_columns_renamed, with_codes_permuted, with_constant_columns],
    ids=lambda rewriting: rewriting.__name__,
)
def test_the_writing_of_tables_changes_no_number(rewriting: Rewriting, reference_rows: int) -> None:
    given, first = as_given(reference_rows)
    second = findings(rewriting(given))
    assert {result.attack for result in first.results} == set(ATTACKS)
    assert numbers(first) == numbers(second)
    assert len(first.exposed.rows) == len(second.exposed.rows)
    assert [curve.points for curve in first.curves] == [curve.points for curve in second.curves]
    assert first.distances == second.distances or rewriting is with_constant_columns  # distances per column
    assert KINDS.any()

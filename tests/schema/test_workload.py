"""A workload weighs marginals as its definition says, and a schema file declares it."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpsynth.errors import InvalidInput, SchemaError
from dpsynth.schema.domain import Domain
from dpsynth.schema.schema import Schema
from dpsynth.schema.workload import IMPORTANT_FACTOR, TARGET_FACTOR, Workload

NAMES = ("a", "b", "c", "d", "e", "f")
DOMAIN = Domain(NAMES, (2, 3, 4, 5, 6, 7))
HEAD = """\
name: trial
fields:
- {name: a, type: boolean}
- {name: b, type: boolean}
- {name: c, type: boolean}
- {name: left out, type: string, dpsynth: {role: ignore}}
dpsynth:
  unit: {kind: row}
"""


def overlap(workload: Workload, columns: tuple[str, ...]) -> int:
    """Return the definition: a sum over all marginals of the workload, whatever their number."""
    everything = [clique for order in range(1, 5) for clique in workload.cliques(order)]
    return sum(workload.importance(clique) * len({*clique} & {*columns}) for clique in everything)


workloads = st.builds(
    Workload.of,
    st.just(DOMAIN),
    target=st.none() | st.sampled_from(NAMES),
    important=st.lists(st.sampled_from(NAMES), unique=True, max_size=3),
    group_by=st.none() | st.sampled_from(NAMES),
    listed=st.dictionaries(
        st.sets(st.sampled_from(NAMES), min_size=1, max_size=4).map(DOMAIN.canonical), st.integers(1, 50), max_size=3
    ),
)


@given(workloads)
def test_weights_are_overlaps_up_to_a_common_factor(workload: Workload) -> None:
    candidates = [clique for order in (1, 2, 3) for clique in combinations(NAMES, order)]
    by_definition = [overlap(workload, clique) for clique in candidates]
    weights = [workload.weight(clique) for clique in candidates]
    assert min(weights) >= 1
    assert [weight * by_definition[0] for weight in weights] == [other * weights[0] for other in by_definition]


@given(workloads, st.integers(1, 4), st.none() | st.integers(1, 200))
def test_marginals_come_once_each_and_fit(workload: Workload, order: int, largest: int | None) -> None:
    cliques = list(workload.cliques(order, largest=largest))
    assert len(set(cliques)) == len(cliques)
    assert all(len(clique) == order and clique == DOMAIN.canonical(clique) for clique in cliques)
    assert set(cliques) == {
        clique
        for clique in combinations(NAMES, order)
        if workload.importance(clique) > 0 and (largest is None or DOMAIN.cells(clique) <= largest)
    }


def test_without_declarations_all_pairs_count_alike() -> None:
    workload = Workload.of(DOMAIN)
    assert list(workload.cliques(2)) == list(combinations(NAMES, 2))
    assert list(workload.cliques(3)) == []
    assert {workload.weight(clique) for clique in combinations(NAMES, 3)} == {3}
    assert workload.weight(("a",)) == 1


def test_a_target_and_important_columns_raise_what_holds_them() -> None:
    workload = Workload.of(DOMAIN, target="c", important=["a"])
    assert workload.importance(("a", "c")) == TARGET_FACTOR * IMPORTANT_FACTOR
    assert workload.importance(("b", "c")) == TARGET_FACTOR
    assert workload.weight(("a", "c")) > workload.weight(("b", "c")) > workload.weight(("b", "d"))


def test_grouping_asks_for_every_pair_within_a_value() -> None:
    workload = Workload.of(DOMAIN, group_by="c")
    assert len(list(workload.cliques(3))) == 10
    assert list(workload.cliques(2)) == []
    assert all("c" in clique for clique in workload.cliques(3))
    assert workload.weight(("a", "c")) > workload.weight(("a", "b"))


def test_weights_stay_within_what_a_selection_takes() -> None:
    names = tuple(f"column {place}" for place in range(900))
    workload = Workload.of(Domain(names, (2,) * 900), target=names[3], important=names[5:9], group_by=names[0])
    assert max(workload.weight(names[:3]), workload.weight(names)) <= 1 << 20
    assert workload.weight((names[700],)) >= 1


def test_tables_too_narrow_for_pairs_have_weights_too() -> None:
    assert Workload.of(Domain(("a",), (2,))).weight(("a",)) == 1
    assert Workload.of(Domain(("a", "b"), (2, 2)), group_by="a").weight(("a", "b")) >= 2


def test_unknown_columns_and_weights_below_one_are_refused() -> None:
    with pytest.raises(InvalidInput, match="'z'"):
        Workload.of(DOMAIN, target="z")
    with pytest.raises(InvalidInput, match="'z'"):
        Workload.of(DOMAIN).weight(("a", "z"))
    with pytest.raises(InvalidInput, match="positive"):
        Workload.of(DOMAIN, listed={("a", "b"): 0})


def test_a_schema_declares_its_workload() -> None:
    text = (
        f"{HEAD}  workload: {{target: a, group_by: c, important: [b], marginals: [{{columns: [c, a], weight: 7}}]}}\n"
    )
    schema = Schema.from_text(text)
    expected = Workload.of(schema.domain, target="a", important=["b"], group_by="c", listed={("a", "c"): 7})
    assert schema.workload == expected
    again = Schema.from_text(schema.to_yaml())
    assert again.workload == expected
    assert again.digest == schema.digest != Schema.from_text(HEAD).digest


def test_a_schema_without_one_asks_for_all_pairs() -> None:
    schema = Schema.from_text(HEAD)
    assert schema.workload == Workload.of(schema.domain)


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ("{target: z}", "line 9, column 22: dpsynth.workload.target: 'z' is not a column of the synthetic table"),
        ("{group_by: left out}", "dpsynth.workload.group_by: 'left out' is not a column of the synthetic table"),
        ("{important: [a, z]}", "line 9, column 29: dpsynth.workload.important[1]: 'z' is not a column"),
        ("{important: [a, a]}", "dpsynth.workload.important: names a column twice"),
        ("{target: a, important: [a]}", "dpsynth.workload.important: names a column twice, or the target"),
        (
            "{marginals: [{columns: [a, z], weight: 2}]}",
            "dpsynth.workload.marginals[0].columns[1]: 'z' is not a column",
        ),
        ("{marginals: [{columns: [a, a], weight: 2}]}", "marginals[0].columns: names a column twice"),
        (
            "{marginals: [{columns: [a, b], weight: 2}, {columns: [b, a], weight: 3}]}",
            "marginals[1].columns: names a column twice, or the columns of another",
        ),
        ("{marginals: [{columns: [a, b]}]}", "dpsynth.workload.marginals[0].weight: is missing"),
        (
            "{marginals: [{columns: [a, b], weight: 0}]}",
            "dpsynth.workload.marginals[0].weight: input should be greater",
        ),
        (
            "{marginals: [{columns: [a, b], weight: 1.5}]}",
            "dpsynth.workload.marginals[0].weight: must be a whole number",
        ),
        ("{marginals: [{columns: [], weight: 1}]}", "dpsynth.workload.marginals[0].columns: needs at least one entry"),
        ("{targets: a}", "dpsynth.workload.targets: unknown key; did you mean `target`?"),
        ("{marginals: [{column: [a], weight: 1}]}", "marginals[0].column: unknown key; did you mean `columns`?"),
        ("FILL_IN", "dpsynth.workload: still says FILL_IN"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(declared: str, message: str) -> None:
    with pytest.raises(SchemaError) as refusal:
        Schema.from_text(f"{HEAD}  workload: {declared}\n")
    problems = [str(problem) for problem in refusal.value.problems]
    assert any(message in problem for problem in problems), problems
    assert all(problem.line == 9 for problem in refusal.value.problems), problems


def test_a_column_with_problems_of_its_own_is_not_reported_twice() -> None:
    text = HEAD.replace("{name: a, type: boolean}", "{name: a, type: integer}") + "  workload: {target: a}\n"
    with pytest.raises(SchemaError) as refusal:
        Schema.from_text(text)
    assert not any("workload" in str(problem) for problem in refusal.value.problems)

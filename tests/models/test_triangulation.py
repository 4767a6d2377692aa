from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpsynth.models.triangulation import CliqueGraph
from dpsynth.schema.domain import Domain

NAMES = tuple("abcdefg")
graphs = st.builds(
    lambda sizes, pairs: CliqueGraph.of(Domain(NAMES, tuple(sizes)), pairs),
    st.lists(st.integers(1, 9), min_size=7, max_size=7),
    st.lists(st.sampled_from(list(itertools.combinations(NAMES, 2))), max_size=12),
)


def members(mask: int) -> set[int]:
    return {place for place in range(len(NAMES)) if mask >> place & 1}


def is_chordal(cliques: tuple[int, ...]) -> bool:
    """Chordal: some vertex whose neighbours are all joined can always be removed."""
    joined: dict[int, set[int]] = {place: set() for place in range(len(NAMES))}
    for mask in cliques:
        for place in members(mask):
            joined[place] |= members(mask) - {place}
    while joined:
        free = [v for v, around in joined.items() if all(x in joined[y] for x, y in itertools.combinations(around, 2))]
        if not free:
            return False
        for around in joined.values():
            around.discard(free[0])
        del joined[free[0]]
    return True


@given(graphs)
def test_the_cliques_are_chordal_maximal_and_hold_every_edge(graph: CliqueGraph) -> None:
    cliques = graph.triangulated()
    assert is_chordal(cliques)
    assert not any(one & ~other == 0 for one, other in itertools.permutations(cliques, 2))
    for place, around in enumerate(graph.neighbours):
        assert any(mask >> place & 1 for mask in cliques)
        for other in members(around):
            assert any(mask >> place & 1 and mask >> other & 1 for mask in cliques)


@given(graphs)
def test_components_are_triangulated_one_by_one(graph: CliqueGraph) -> None:
    for mask in graph.triangulated():
        component = graph.reachable(mask)
        assert set(graph.triangulated(component)) == {clique for clique in graph.triangulated() if clique & component}


@given(graphs)
def test_an_already_chordal_graph_gains_no_edge(graph: CliqueGraph) -> None:
    domain = graph.domain
    cliques = graph.triangulated()
    chordal = CliqueGraph.of(domain, [tuple(NAMES[place] for place in members(mask)) for mask in cliques])
    assert set(chordal.triangulated()) == set(cliques)


@pytest.mark.parametrize(
    ("sizes", "cells"), [((2,) * 5, 3 * 8), ((9, 2, 2, 2, 2), 9 * 4 + 2 * 8), ((2, 9, 9, 9, 9), 3 * 2 * 81)]
)
def test_a_cycle_gets_the_cheapest_chords(sizes: tuple[int, ...], cells: int) -> None:
    names = tuple("abcde")
    graph = CliqueGraph.of(Domain(names, sizes), list(zip(names, names[1:] + names[:1], strict=True)))
    assert sum(map(graph.cells, graph.triangulated())) == cells


def test_the_result_depends_on_the_graph_alone() -> None:
    domain = Domain(NAMES, (2, 3, 4, 5, 6, 7, 8))
    pairs = [*itertools.combinations("abcd", 2), ("d", "e"), ("e", "f"), ("d", "f")]
    nested = [("a",), ("d", "c", "b", "a"), ("b", "c"), ("f", "d", "e"), ()]
    assert CliqueGraph.of(domain, pairs) == CliqueGraph.of(domain, reversed(nested))
    graph = CliqueGraph.of(domain, [("a", "b"), ("b", "c")])
    assert graph.with_clique(("c", "a")) == CliqueGraph.of(domain, [("a", "b", "c")])
    assert graph.joins(graph.mask(("a", "b")))
    assert not graph.joins(graph.mask(("a", "c")))

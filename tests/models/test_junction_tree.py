from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpsynth.errors import InvalidInput
from dpsynth.models import JunctionTree
from dpsynth.schema.domain import Clique, Domain
from tests.models.brute_force import CLIQUE_SETS, DOMAIN

NAMES = tuple("abcdefgh")
WIDE = Domain(NAMES, (2, 5, 3, 7, 1, 4, 6, 2))
any_cliques = st.lists(st.lists(st.sampled_from(NAMES), unique=True, max_size=4).map(tuple), max_size=8)


def check(tree: JunctionTree, cliques: list[Clique]) -> None:
    for clique in cliques:
        assert any(set(clique) <= set(node.columns) for node in tree.nodes)
    residuals = [name for node in tree.nodes for name in node.residual]
    assert sorted(residuals) == sorted(tree.domain.names)
    for index, node in enumerate(tree.nodes):
        assert node.columns == node.separator + node.residual
        assert node.residual
        if index == 0:
            assert (node.parent, node.separator) == (-1, ())
            continue
        assert 0 <= node.parent < index
        above = tree.nodes[node.parent].columns
        assert node.separator == tuple(name for name in above if name in node.columns)
        # Running intersection: what a node shares with anything outside its subtree is in its separator.
        earlier = {name for other in tree.nodes[:index] for name in other.columns}
        assert earlier & set(node.columns) == set(node.separator)


@pytest.mark.parametrize("cliques", CLIQUE_SETS.values(), ids=CLIQUE_SETS.keys())
def test_named_sets_give_a_junction_tree(cliques: tuple[Clique, ...]) -> None:
    check(JunctionTree.of(DOMAIN, cliques), list(cliques))


@given(any_cliques)
def test_any_set_gives_a_junction_tree(cliques: list[Clique]) -> None:
    check(JunctionTree.of(WIDE, cliques), cliques)


@given(any_cliques, st.lists(st.sampled_from(NAMES), unique=True, max_size=3).map(tuple))
def test_the_size_with_one_more_clique_is_the_size_of_that_tree(cliques: list[Clique], added: Clique) -> None:
    tree = JunctionTree.of(WIDE, cliques)
    assert tree.cells_with(added) == JunctionTree.of(WIDE, [*cliques, added]).cells


def test_sizes_are_exact_whatever_their_size() -> None:
    domain = Domain(NAMES, (10_000,) * 8)
    tree = JunctionTree.of(domain, [])
    assert tree.cells == 80_000
    assert tree.cells_with(NAMES) == 10_000**8


def test_covering_finds_the_smallest_node() -> None:
    tree = JunctionTree.of(WIDE, [("a", "b"), ("b", "d"), ("b", "c")])
    found = tree.covering(("b",))
    assert found is not None
    assert set(tree.nodes[found].columns) == {"a", "b"}
    assert tree.covering(("a", "d")) is None


def test_no_columns_and_unknown_columns() -> None:
    assert JunctionTree.of(Domain((), ()), [()]).nodes == ()
    with pytest.raises(InvalidInput, match="not a column"):
        JunctionTree.of(WIDE, [("z",)])


def test_trees_are_values() -> None:
    pairs = list(itertools.pairwise(NAMES))
    assert JunctionTree.of(WIDE, pairs) == JunctionTree.of(WIDE, pairs[::-1])

"""The bound against trees that are triangulated anew."""

from __future__ import annotations

from itertools import combinations

import pytest

from dpsynth.models import JunctionTree
from dpsynth.models.pair_growth import pair_growth
from dpsynth.schema.domain import Clique, Domain
from tests.models.brute_force import CLIQUE_SETS, DOMAIN


@pytest.mark.parametrize("cliques", CLIQUE_SETS.values(), ids=CLIQUE_SETS.keys())
def test_every_pair_has_a_bound_that_no_new_tree_exceeds(cliques: tuple[Clique, ...]) -> None:
    tree = JunctionTree.of(DOMAIN, cliques)
    growth = pair_growth(tree)
    assert set(growth) == set(combinations(DOMAIN.names, 2))
    for pair, cells in growth.items():
        assert (cells == 0) == (tree.covering(pair) is not None)
        assert tree.cells_with(pair) <= tree.cells + cells


def test_a_column_carried_along_a_chain_pays_for_its_separators() -> None:
    chain = Domain(("a", "b", "c", "d"), (2, 3, 5, 7))
    growth = pair_growth(JunctionTree.of(chain, [("a", "b"), ("b", "c"), ("c", "d")]))
    assert growth["a", "c"] == 2 * 3 * 5  # one new node a, b, c
    assert growth["a", "d"] == 2 * 3 * 5 + 2 * 5 * 7  # a, b, c and a, c, d; carrying d back would cost 105 + 42

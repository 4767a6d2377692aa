"""MST: three thirds, a spanning tree, and the planted pairs among its edges."""

from __future__ import annotations

import pytest

from dpsynth.errors import InvalidInput
from dpsynth.generators.independent import Independent
from dpsynth.generators.mst import MST
from tests.generators.planted import NAMES, fitted, open_curator, pair_error, purposes, share_spent


def test_an_impossible_size_is_refused() -> None:
    with pytest.raises(InvalidInput, match="largest_marginal"):
        MST(largest_marginal=0)


def test_it_spends_its_budget_on_columns_choices_and_edges_of_a_tree() -> None:
    curator = open_curator()
    made = fitted(MST(), curator)
    assert 0.98 <= share_spent(curator) <= 1
    edges = [answer.clique for answer in made.measurements[len(NAMES) :]]
    assert len(edges) == len(purposes(curator, "select")) == len(NAMES) - 1
    assert {name for edge in edges for name in edge} == set(NAMES)
    assert all(len(node.columns) == 2 for node in made.model.calibrated.tree.nodes), "a tree has no cycle to fill"


def test_it_finds_the_planted_pairs() -> None:
    made = fitted(MST(), open_curator())
    edges = {answer.clique for answer in made.measurements}
    assert {("first", "second"), ("third", "fourth")} <= edges
    assert pair_error(made) < 0.5 * pair_error(fitted(Independent(), open_curator()))


def test_pairs_that_are_too_large_leave_the_columns_alone() -> None:
    curator = open_curator()
    made = fitted(MST(largest_marginal=5), curator)
    assert [answer.clique for answer in made.measurements] == [(name,) for name in NAMES]
    assert 0.98 <= share_spent(curator) <= 1

"""Every way to a marginal, on every kind of clique set, against the full joint table."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpsynth.errors import InvalidInput
from dpsynth.models import CliqueVector, JunctionTree
from dpsynth.models.belief_propagation import BeliefPropagation, belief_propagation
from dpsynth.models.calibrated_tree import CalibratedTree
from dpsynth.models.pair_marginals import pair_marginals
from dpsynth.models.variable_elimination import eliminated
from dpsynth.schema.domain import Clique, Domain
from tests.models.brute_force import (
    ALL_CLIQUES,
    CLIQUE_SETS,
    DOMAIN,
    Floats,
    joint_distribution,
    project,
    random_potentials,
)

PAIRS = tuple(itertools.permutations(DOMAIN.names, 2))


def from_the_buffer(potentials: CliqueVector, calibrated: CalibratedTree) -> dict[Clique, Floats]:
    oracle = BeliefPropagation(calibrated.tree, potentials.cliques)
    oracle.run(np.ones_like(potentials.buffer))  # what an earlier run left behind must not matter
    oracle.run(potentials.buffer)
    return {clique: factor.values.copy() for clique, factor in oracle.marginals.items()}


def one_by_one(potentials: CliqueVector, calibrated: CalibratedTree) -> dict[Clique, Floats]:
    return {clique: calibrated.marginal(clique) for clique in ALL_CLIQUES}


def all_at_once(potentials: CliqueVector, calibrated: CalibratedTree) -> dict[Clique, Floats]:
    return calibrated.marginals(ALL_CLIQUES)


def by_elimination(potentials: CliqueVector, calibrated: CalibratedTree) -> dict[Clique, Floats]:
    return {
        clique: eliminated(calibrated.tree, calibrated.conditionals, calibrated.beliefs, clique)
        for clique in ALL_CLIQUES
    }


def by_pairs(potentials: CliqueVector, calibrated: CalibratedTree) -> dict[Clique, Floats]:
    return pair_marginals(calibrated.tree, calibrated.conditionals, calibrated.beliefs, PAIRS)


ORACLES: list[Callable[[CliqueVector, CalibratedTree], dict[Clique, Floats]]] = [
    from_the_buffer, one_by_one, all_at_once, by_elimination, by_pairs
]  # fmt: skip


def check(oracle: Callable[[CliqueVector, CalibratedTree], dict[Clique, Floats]], potentials: CliqueVector) -> None:
    calibrated = belief_propagation(JunctionTree.of(DOMAIN, potentials.cliques), potentials)
    joint = joint_distribution(potentials)
    for clique, found in oracle(potentials, calibrated).items():
        np.testing.assert_allclose(found, project(joint, clique), rtol=1e-9, atol=1e-13, err_msg=str(clique))


@pytest.mark.parametrize("spread", [1.0, 30.0, 1000.0])
@pytest.mark.parametrize("cliques", CLIQUE_SETS.values(), ids=CLIQUE_SETS.keys())
@pytest.mark.parametrize("oracle", ORACLES)
def test_oracle_equals_brute_force(
    oracle: Callable[[CliqueVector, CalibratedTree], dict[Clique, Floats]], cliques: tuple[Clique, ...], spread: float
) -> None:
    check(oracle, random_potentials(cliques, seed=len(cliques), spread=spread))


@settings(max_examples=60)
@given(
    st.lists(st.lists(st.sampled_from("abcde"), unique=True, max_size=4).map(tuple), max_size=7),
    st.integers(0, 2**32 - 1),
    st.sampled_from([0.0, 1.0, 100.0]),
    st.sampled_from(ORACLES),
)
def test_oracles_equal_brute_force_on_any_set(
    cliques: list[Clique],
    seed: int,
    spread: float,
    oracle: Callable[[CliqueVector, CalibratedTree], dict[Clique, Floats]],
) -> None:
    check(oracle, random_potentials(cliques, seed, spread))


@pytest.mark.parametrize("cliques", CLIQUE_SETS.values(), ids=CLIQUE_SETS.keys())
def test_the_conditionals_multiply_to_the_joint(cliques: tuple[Clique, ...]) -> None:
    potentials = random_potentials(cliques, seed=5, spread=3.0)
    calibrated = belief_propagation(JunctionTree.of(DOMAIN, cliques), potentials)
    product = np.ones(DOMAIN.sizes)
    grid = np.indices(DOMAIN.sizes)
    for node, conditional in zip(calibrated.tree.nodes, calibrated.conditionals, strict=True):
        separators = DOMAIN.cells(node.separator)
        np.testing.assert_allclose(conditional.reshape(separators, -1).sum(axis=1), 1.0)
        product *= conditional[tuple(grid[DOMAIN.position(name)] for name in node.columns)]
    np.testing.assert_allclose(product, joint_distribution(potentials), rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("oracle", ORACLES)
def test_impossible_cells_stay_impossible(
    oracle: Callable[[CliqueVector, CalibratedTree], dict[Clique, Floats]],
) -> None:
    potentials = random_potentials([("a", "b"), ("b", "c"), ("c", "d"), ("a", "d")], seed=6)
    potentials["a", "b"].values[0, :] = -np.inf
    potentials["b", "c"].values[:2, 1] = -np.inf
    potentials["c", "d"].values[0, 2] = -np.inf
    check(oracle, potentials)


def test_excluding_every_record_is_refused() -> None:
    potentials = CliqueVector.zeros(DOMAIN, [("a", "b"), ("b", "c")])
    potentials["a", "b"].values[:, :2] = -np.inf
    potentials["b", "c"].values[2, :] = -np.inf
    with pytest.raises(InvalidInput, match="exclude every record"):
        belief_propagation(JunctionTree.of(DOMAIN, potentials.cliques), potentials)


def test_a_tree_that_does_not_cover_is_refused() -> None:
    with pytest.raises(InvalidInput, match="does not cover"):
        BeliefPropagation(JunctionTree.of(DOMAIN, [("a", "b")]), (("a", "c"),))


def test_a_larger_tree_than_needed_changes_nothing() -> None:
    potentials = random_potentials([("a", "b"), ("c",)], seed=7)
    wide = belief_propagation(JunctionTree.of(DOMAIN, [("a", "b", "c", "d")]), potentials)
    for clique in ALL_CLIQUES:
        np.testing.assert_allclose(
            wide.marginal(clique), project(joint_distribution(potentials), clique), rtol=1e-9, atol=1e-13
        )


def test_a_long_chain_of_strong_links_loses_nothing() -> None:
    names = tuple(f"x{place}" for place in range(60))
    domain = Domain(names, (2,) * 60)
    potentials = CliqueVector.zeros(domain, itertools.pairwise(names))
    for clique in potentials:
        potentials[clique].values[...] = np.array([[700.0, -700.0], [-700.0, 700.0]])
    calibrated = belief_propagation(JunctionTree.of(domain, potentials.cliques), potentials)
    ends = calibrated.marginals([(names[0], names[-1]), (names[3], names[30], names[59])])
    np.testing.assert_allclose(ends[names[0], names[-1]], [[0.5, 0.0], [0.0, 0.5]], atol=1e-12)
    assert ends[names[3], names[30], names[59]][1, 1, 1] == pytest.approx(0.5)

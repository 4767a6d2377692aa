"""Evidence on a calibrated tree: equal to brute force, kept by records, and refused where it is impossible."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpsynth.errors import InvalidInput
from dpsynth.models import CliqueVector, GraphicalModel, JunctionTree
from dpsynth.models.belief_propagation import belief_propagation
from dpsynth.models.calibrated_tree import CalibratedTree
from dpsynth.models.conditioning import conditioned
from dpsynth.models.records import sample_records
from dpsynth.schema.domain import Domain
from tests.models.brute_force import (
    ALL_CLIQUES,
    CLIQUE_SETS,
    DOMAIN,
    Floats,
    joint_distribution,
    project,
    random_potentials,
)

Masks = dict[str, np.ndarray]


def tree_of(potentials: CliqueVector) -> CalibratedTree:
    return belief_propagation(JunctionTree.of(potentials.domain, potentials.cliques), potentials)


def brute_force(joint: Floats, allowed: Masks) -> Floats:
    for name, mask in allowed.items():
        shape = [len(mask) if column == name else 1 for column in DOMAIN.names]
        joint = joint * mask.reshape(shape)
    return joint / joint.sum()


@st.composite
def evidence(draw: st.DrawFn) -> Masks:
    columns = draw(st.lists(st.sampled_from(DOMAIN.names), unique=True))
    masks = {
        name: np.array(draw(st.lists(st.booleans(), min_size=DOMAIN.size(name), max_size=DOMAIN.size(name))))
        for name in columns
    }
    for name, mask in masks.items():
        mask[draw(st.integers(0, DOMAIN.size(name) - 1))] = True
    return masks


@given(st.sampled_from(sorted(CLIQUE_SETS)), st.integers(0, 2**32 - 1), evidence(), st.booleans())
def test_marginals_under_evidence_equal_brute_force(name: str, seed: int, allowed: Masks, with_zeros: bool) -> None:
    potentials = random_potentials(CLIQUE_SETS[name], seed, 2.0)
    if with_zeros and len(potentials.buffer) > 1:
        # Structural zeros that leave at least the record of all zeros.
        for factor in potentials.values():
            forbidden = np.random.default_rng(seed).random(factor.values.shape) < 0.2
            forbidden[(0,) * forbidden.ndim] = False
            factor.values[forbidden] = -np.inf
        allowed = {column: mask | (np.arange(len(mask)) == 0) for column, mask in allowed.items()}
    model = conditioned(tree_of(potentials), allowed)
    expected = brute_force(joint_distribution(potentials), allowed)
    for node, belief in zip(model.tree.nodes, model.beliefs, strict=True):
        np.testing.assert_allclose(belief, project(expected, node.columns), atol=1e-12)
    for clique in ALL_CLIQUES:
        np.testing.assert_allclose(model.marginal(clique), project(expected, clique), atol=1e-12)
    records = sample_records(model, 60, np.random.default_rng(seed))
    assert (expected[tuple(records.T)] > 0).all()


def test_evidence_in_two_steps_is_evidence_at_once_and_none_changes_nothing() -> None:
    model = tree_of(random_potentials(CLIQUE_SETS["two cycles"], 5))
    first, second = {"d": np.array([True, False, True, True])}, {"b": np.array([False, True, True])}
    at_once, in_steps = conditioned(model, first | second), conditioned(conditioned(model, first), second)
    for clique in itertools.combinations(DOMAIN.names, 2):
        np.testing.assert_allclose(at_once.marginal(clique), in_steps.marginal(clique), atol=1e-14)
    assert conditioned(model, {}) is model


def test_branches_without_evidence_keep_their_tables() -> None:
    model = tree_of(random_potentials(CLIQUE_SETS["chain"], 5))
    root = model.tree.nodes[0]
    after = conditioned(model, {root.residual[0]: np.arange(DOMAIN.size(root.residual[0])) == 0})
    shared = [before is now for before, now in zip(model.conditionals, after.conditionals, strict=True)]
    assert shared == [False] + [True] * (len(shared) - 1)


@pytest.mark.parametrize("cliques", [(("a", "b"),), (("a",), ("b",)), (("a", "b"), ("b", "c"))])
def test_impossible_evidence_is_refused(cliques: tuple[tuple[str, ...], ...]) -> None:
    potentials = random_potentials(cliques, 1)
    holder = potentials.cliques[0]
    potentials[holder].values[0] = -np.inf
    model = GraphicalModel.from_potentials(potentials, 10.0)
    with pytest.raises(InvalidInput, match="chance together is zero"):
        model.sample(5, np.random.default_rng(0), {"a": np.array([True, False])})
    with pytest.raises(InvalidInput, match="chance together is zero"):
        conditioned(model.calibrated, {"d": np.zeros(4, dtype=bool)})


def test_a_contradiction_between_columns_far_apart_is_refused() -> None:
    domain = Domain(tuple("abcdef"), (2,) * 6)
    pairs = list(itertools.pairwise(domain.names))
    potentials = CliqueVector.zeros(domain, pairs)
    for pair in pairs:
        potentials[pair].values[...] = np.where(np.eye(2, dtype=bool), 0.0, -np.inf)
    model = tree_of(potentials)
    first, other = np.array([True, False]), np.array([False, True])
    with pytest.raises(InvalidInput, match="zero"):
        conditioned(model, {"a": first, "f": other})
    assert (sample_records(conditioned(model, {"a": other}), 9, np.random.default_rng(0)) == 1).all()


def test_very_unlikely_evidence_on_many_columns_is_not_lost() -> None:
    domain = Domain(tuple(f"c{place}" for place in range(300)), (2,) * 300)
    potentials = CliqueVector.zeros(domain, [("c0", name) for name in domain.names[1:]])
    for name in domain.names[1:]:
        potentials["c0", name].values[...] = [[0.0, -20.0], [0.0, -20.1]]
    model = conditioned(tree_of(potentials), {name: np.array([False, True]) for name in domain.names[1:]})
    # Each of the 299 columns is exp(-0.1) times as likely where c0 is 1; together exp(-6000) at all.
    expected = 1 / (1 + np.exp(-29.9))
    np.testing.assert_allclose(model.marginal(("c0",))[0], expected, rtol=1e-9)


@pytest.mark.parametrize("mask", [np.array([1, 0]), np.array([True]), np.array([[True, False]])])
def test_a_mask_of_another_kind_is_refused(mask: np.ndarray) -> None:
    with pytest.raises(InvalidInput, match="2 codes"):
        conditioned(tree_of(random_potentials((), 0)), {"a": mask})
    with pytest.raises(InvalidInput, match="not a column"):
        conditioned(tree_of(random_potentials((), 0)), {"z": np.array([True])})


@given(st.sampled_from(sorted(CLIQUE_SETS)), st.integers(0, 2**32 - 1))
def test_chances_weigh_codes_as_brute_force_does(name: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    potentials = random_potentials(CLIQUE_SETS[name], seed)
    chances = {column: rng.random(DOMAIN.size(column)) for column in ("a", "d")}
    model = conditioned(tree_of(potentials), chances)
    expected = brute_force(joint_distribution(potentials), chances)
    for clique in itertools.combinations(DOMAIN.names, 2):
        np.testing.assert_allclose(model.marginal(clique), project(expected, clique), atol=1e-12)
    with pytest.raises(InvalidInput, match="between 0 and 1"):
        conditioned(model, {"a": np.array([0.5, -0.1])})

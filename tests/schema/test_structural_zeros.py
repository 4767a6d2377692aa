"""Structural zeros against brute force over the whole domain."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpsynth.errors import ConstraintBroken, InvalidInput
from dpsynth.schema.domain import Domain
from dpsynth.schema.structural_zeros import StructuralZeros


@st.composite
def drawn_zeros(draw: st.DrawFn) -> StructuralZeros:
    """Draw a domain of up to five small columns and masks over one to three of them."""
    sizes = tuple(draw(st.lists(st.integers(1, 4), min_size=1, max_size=5)))
    domain = Domain(tuple("abcde"[: len(sizes)]), sizes)
    cliques = [c for length in (1, 2, 3) for c in itertools.combinations(domain.names, length)]
    chosen = draw(st.lists(st.sampled_from(cliques), max_size=4, unique=True))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return StructuralZeros(domain, {clique: rng.random(domain.shape(clique)) < 0.3 for clique in chosen})


def all_records(domain: Domain) -> np.ndarray:
    return np.array(list(itertools.product(*map(range, domain.sizes))), dtype=np.int32)


@given(drawn_zeros())
def test_possible_records_are_those_without_a_violation(zeros: StructuralZeros) -> None:
    records = all_records(zeros.domain)
    broken = zeros.violations(records)
    assert zeros.possible_records() == (~broken).sum()
    first = zeros.domain.names[0]
    allowed = np.arange(zeros.domain.size(first)) % 2 == 0
    expected = (~broken & allowed[records[:, 0]]).sum()
    assert zeros.possible_records({first: allowed}) == expected


@given(drawn_zeros())
def test_atoms_are_the_coarsest_groups_that_no_rule_tells_apart(zeros: StructuralZeros) -> None:
    records = all_records(zeros.domain)
    broken = zeros.violations(records).reshape(zeros.domain.sizes)
    for place, name in enumerate(zeros.domain.names):
        atoms = zeros.atoms(name)
        assert atoms[0] == 0
        assert set(atoms) == set(range(atoms.max() + 1))
        by_code = np.moveaxis(broken, place, 0).reshape(len(atoms), -1)
        for one, other in itertools.combinations(range(len(atoms)), 2):
            if atoms[one] == atoms[other]:
                assert np.array_equal(by_code[one], by_code[other])


@given(drawn_zeros())
def test_masks_over_atoms_say_the_same(zeros: StructuralZeros) -> None:
    atoms = {name: zeros.atoms(name) for name in zeros.domain.names}
    for clique, mask in zeros.merged(atoms).items():
        assert np.array_equal(mask[np.ix_(*(atoms[name] for name in clique))], zeros.masks[clique])


def test_groups_across_a_border_are_refused() -> None:
    zeros = StructuralZeros(Domain(("a", "b"), (3, 2)), {("a", "b"): np.array([[1, 0], [1, 0], [0, 0]], dtype=bool)})
    assert zeros.atoms("a").tolist() == [0, 0, 1]
    assert zeros.merged({"a": np.array([0, 0, 1])})["a", "b"].tolist() == [[True, False], [False, False]]
    with pytest.raises(InvalidInput, match="straddles"):
        zeros.merged({"a": np.array([0, 1, 1])})


def test_masks_follow_another_order_of_columns() -> None:
    mask = np.array([[1, 0], [1, 0], [0, 0]], dtype=bool)
    zeros = StructuralZeros(Domain(("a", "b"), (3, 2)), {("a", "b"): mask})
    assert np.array_equal(zeros.impossible(Domain(("b", "x", "a"), (2, 5, 3)))["b", "a"], mask.T)
    with pytest.raises(InvalidInput, match="another size"):
        zeros.impossible(Domain(("b", "a"), (2, 4)))
    with pytest.raises(InvalidInput, match="not a column"):
        zeros.impossible(Domain(("b",), (2,)))


def test_a_broken_rule_stops_and_nothing_is_repaired() -> None:
    zeros = StructuralZeros(Domain(("a",), (2,)), {("a",): np.array([False, True])})
    zeros.require_obeyed(np.array([[0], [0]]))
    with pytest.raises(ConstraintBroken):
        zeros.require_obeyed(np.array([[0], [1]]))


def test_rules_that_tie_too_much_together_are_refused() -> None:
    names = tuple("abcde")
    rng = np.random.default_rng(0)
    masks = {pair: rng.random((60, 60)) < 0.01 for pair in itertools.combinations(names, 2)}
    with pytest.raises(InvalidInput, match="tie too many"):
        StructuralZeros(Domain(names, (60,) * 5), masks).possible_records()

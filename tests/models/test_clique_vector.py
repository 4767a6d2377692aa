from __future__ import annotations

import numpy as np
import pytest

from dpsynth.errors import InvalidInput
from dpsynth.models import CliqueVector, Factor
from tests.models.brute_force import CLIQUE_SETS, DOMAIN, joint_distribution, random_potentials


def test_tables_are_views_on_one_buffer() -> None:
    vector = CliqueVector.zeros(DOMAIN, [("b", "a"), ("c",), ("a", "b")])
    assert vector.cliques == (("a", "b"), ("c",))
    assert vector.buffer.shape == (8,)
    vector["c",].values[1] = 7.0
    assert vector.buffer.tolist() == [0.0] * 7 + [7.0]
    assert dict(vector)["c",].values.tolist() == [0.0, 7.0]


@pytest.mark.parametrize("cliques", CLIQUE_SETS.values(), ids=CLIQUE_SETS.keys())
def test_verbs_act_on_every_table_alike(cliques: tuple[tuple[str, ...], ...]) -> None:
    left, right = random_potentials(cliques, 1), random_potentials(cliques, 2)
    for clique in left:
        np.testing.assert_array_equal((left + right)[clique].values, (left[clique] + right[clique]).values)
        np.testing.assert_array_equal((left - right)[clique].values, (left[clique] - right[clique]).values)
        np.testing.assert_array_equal((left * 3.0)[clique].values, (left[clique] * 3.0).values)
        np.testing.assert_array_equal((left + 1.0)[clique].values, (left[clique] + 1.0).values)
        np.testing.assert_allclose(left.exp().log()[clique].values, left[clique].values, atol=1e-12)
        assert left.exp().normalize(5.0)[clique].total == pytest.approx(5.0)
    assert left.dot(right) == pytest.approx(sum((left[clique] * right[clique]).total for clique in left))


def test_factors_over_the_same_columns_are_added_up() -> None:
    first = Factor(DOMAIN.project("ab"), np.ones((2, 3)))
    second = Factor(DOMAIN.project("ab"), np.arange(6.0).reshape(2, 3)).transpose(("b", "a"))
    vector = CliqueVector.from_factors(DOMAIN, [first, second])
    np.testing.assert_array_equal(vector["a", "b"].values, 1 + np.arange(6.0).reshape(2, 3))


def test_project_reads_the_smallest_table_that_covers() -> None:
    vector = random_potentials([("a", "b", "c"), ("a", "b")], 3)
    np.testing.assert_array_equal(vector.project(("b",)).values, vector["a", "b"].project(("b",)).values)
    assert vector.covering(("d",)) is None
    with pytest.raises(InvalidInput, match="covers"):
        vector.project(("d",))


def test_moving_potentials_keeps_the_model_or_drops_what_fits_nowhere() -> None:
    potentials = random_potentials([("a",), ("a", "b"), ("c", "d")], 4)
    moved = potentials.moved_to([("a", "b", "c"), ("c", "d"), ("a",)])
    np.testing.assert_allclose(joint_distribution(moved), joint_distribution(potentials), rtol=1e-12)
    assert moved["a",].values.tolist() == potentials["a",].values.tolist()
    assert not np.any(potentials.moved_to([("d", "e")]).buffer)


def test_mistakes_are_refused() -> None:
    with pytest.raises(InvalidInput, match="order of the domain"):
        CliqueVector(DOMAIN, (("b", "a"),), np.zeros(6))
    with pytest.raises(InvalidInput, match="repeated"):
        CliqueVector(DOMAIN, (("a",), ("a",)), np.zeros(4))
    with pytest.raises(InvalidInput, match="6 cells"):
        CliqueVector(DOMAIN, (("a", "b"),), np.zeros(5))
    with pytest.raises(InvalidInput, match="different cliques"):
        random_potentials([("a",)], 0) + random_potentials([("b",)], 0)

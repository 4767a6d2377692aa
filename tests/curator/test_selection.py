"""Scores move by at most what was declared, whatever a caller sends as its estimate."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from dpsynth.accounting.unit import PrivacyUnit
from dpsynth.curator import selection
from dpsynth.curator._sealed import Private, unseal
from dpsynth.curator.allowance import Allowance
from dpsynth.curator.gate import BoundedQuery, Gate
from dpsynth.curator.marginals import MarginalCounter
from dpsynth.curator.rows import PrivateRows, compact
from dpsynth.errors import InvalidInput
from dpsynth.randomness import SeededNoise
from dpsynth.schema.domain import Clique, Domain

DOMAIN = Domain(("a", "b"), (2, 3))
PAIR: Clique = ("a", "b")


def counter(codes: NDArray[np.int32], rows_per_unit: int = 1) -> MarginalCounter:
    rows = PrivateRows(domain=DOMAIN, training=compact(codes, DOMAIN), control=codes[:0])
    unit = PrivacyUnit(max_rows_per_unit=rows_per_unit, id_column="id" if rows_per_unit > 1 else None)
    return MarginalCounter(Private(rows), DOMAIN, unit)


class Eavesdropper(Gate):
    """A gate that keeps the query, so that a test can look at the scores."""

    def release(self, mechanism, query: BoundedQuery, *, purpose: str):  # type: ignore[no-untyped-def, override]
        self.seen = query
        return 0


def scores(codes: NDArray[np.int32], estimate: NDArray[np.float64], weight: int) -> tuple[int, int]:
    """Return the score of the pair and the change that was declared for one unit."""
    gate = Eavesdropper(Allowance("t", Fraction(1)), SeededNoise(0))
    selection.select_cliques(
        counter(codes),
        gate,
        {PAIR: estimate},
        Fraction(1, 100),
        weights={PAIR: weight},
        penalties={PAIR: 3.5},
        groupings={},
        count=1,
    )
    return int(unseal(gate.seen.value)[0]), gate.seen.sensitivity.linf


ROWS = arrays.arrays(np.int32, st.tuples(st.integers(0, 30), st.just(2)), elements=st.integers(0, 1))
ESTIMATES = arrays.arrays(
    np.float64, (2, 3), elements=st.one_of(st.floats(-1e3, 1e3), st.floats(allow_nan=True, allow_infinity=True))
)


@given(
    codes=ROWS, estimate=ESTIMATES, weight=st.integers(1, 1 << 20), row=st.tuples(st.integers(0, 1), st.integers(0, 2))
)
def test_one_row_moves_a_score_by_at_most_the_declared_change(
    codes: NDArray[np.int32], estimate: NDArray[np.float64], weight: int, row: tuple[int, int]
) -> None:
    more = np.concatenate([codes, np.array([row], dtype=np.int32)])
    before, declared = scores(codes, estimate, weight)
    after, _ = scores(more, estimate, weight)
    assert abs(after - before) <= declared == weight * selection.GRID


def test_estimates_of_a_callers_own_class_see_no_counts() -> None:
    heard: list[object] = []

    class Spy(np.ndarray):
        def __array_ufunc__(self, ufunc, method, *inputs, **named):  # type: ignore[no-untyped-def]
            heard.extend(np.array(part) for part in inputs)
            plain = [np.asarray(part).view(np.ndarray) for part in inputs]
            return getattr(ufunc, method)(*plain, **{key: value for key, value in named.items() if key != "out"})

    codes = np.array([[1, 2]] * 57, dtype=np.int32)
    scores(codes, np.zeros((2, 3)).view(Spy), 1)
    assert not any(np.any(np.asarray(part, dtype=np.float64) == 57) for part in heard)


@pytest.mark.parametrize("weight", [0, -1, 1.5, True, 1 << 21])
def test_weights_are_small_whole_numbers(weight: int) -> None:
    with pytest.raises(InvalidInput, match="weights"):
        scores(np.zeros((3, 2), dtype=np.int32), np.zeros((2, 3)), weight)


def test_an_estimate_of_another_shape_and_no_candidate_at_all_are_refused() -> None:
    with pytest.raises(InvalidInput, match="shape"):
        scores(np.zeros((3, 2), dtype=np.int32), np.zeros((3, 2)), 1)
    gate = Gate(Allowance("t", Fraction(1)), SeededNoise(0))
    with pytest.raises(InvalidInput, match="candidates can be selected"):
        selection.select_cliques(
            counter(np.zeros((3, 2), np.int32)), gate, {}, Fraction(1), weights={}, penalties={}, groupings={}, count=1
        )


def test_a_batch_names_different_candidates_the_far_ones_first_and_charges_each_choice() -> None:
    codes = np.array([[0, 0]] * 50 + [[1, 2]] * 30, dtype=np.int32)
    far = {PAIR: np.full((2, 3), 400.0), (PAIR[0],): np.full(2, 900.0), (PAIR[1],): np.array([50.0, 0.0, 30.0])}
    allowance = Allowance("t", Fraction(9))
    chosen = selection.select_cliques(
        counter(codes),
        Gate(allowance, SeededNoise(3)),
        far,
        Fraction(9),
        weights=dict.fromkeys(far, 1),
        penalties=dict.fromkeys(far, 0.0),
        groupings={},
        count=2,
    )
    assert set(chosen) == {PAIR, (PAIR[0],)}
    assert len(allowance.charged) == 2
    assert allowance.remaining_mu_squared >= 0


@pytest.mark.parametrize("count", [0, 2, True, 1.0])
def test_no_more_choices_than_candidates(count: int) -> None:
    gate = Gate(Allowance("t", Fraction(1)), SeededNoise(0))
    with pytest.raises(InvalidInput, match="can be selected"):
        selection.select_cliques(
            counter(np.zeros((3, 2), np.int32)),
            gate,
            {PAIR: np.zeros((2, 3))},
            Fraction(1),
            weights={PAIR: 1},
            penalties={PAIR: 0.0},
            groupings={},
            count=count,
        )

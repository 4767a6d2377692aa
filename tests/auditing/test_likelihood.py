"""The likelihood ratio of answers, against densities and chances that are written out by hand."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import scipy

from dpsynth.accounting.events import GaussianDpEvent
from dpsynth.auditing.likelihood import ExactAnswers, log_likelihood_ratio
from dpsynth.auditing.listener import Choice, Conversation
from dpsynth.auditing.neighbors import NeighborPair, full_pair, unit_of_many_rows, worst_case_pair
from dpsynth.curator.queries import Grouping, NoisyMarginal
from dpsynth.errors import InvalidInput
from dpsynth.mechanisms.exponential import ExponentialMechanism

PAIR = worst_case_pair(2, rows=3)


def test_the_larger_world_has_one_more_unit() -> None:
    assert PAIR.codes(0).tolist() == [[0, 0]] * 3
    assert PAIR.codes(1).tolist() == [*[[0, 0]] * 3, [1, 1]]
    assert len(unit_of_many_rows(4).larger) - len(unit_of_many_rows(4).smaller) == 4
    with pytest.raises(InvalidInput):
        NeighborPair("the same twice", PAIR.schema, PAIR.smaller, PAIR.smaller)
    with pytest.raises(InvalidInput):
        NeighborPair("another table", PAIR.schema, PAIR.larger.iloc[::-1], PAIR.larger)


def test_a_full_pair_leaves_no_cell_of_its_table_empty() -> None:
    pair = full_pair(2, rows_per_cell=7)
    every, moved = ExactAnswers(pair), np.zeros((4, 4), dtype=np.int64)
    moved[1, 1] = 1
    np.testing.assert_array_equal(every.marginal(0, ("a", "b"), {}), np.full((4, 4), 7))
    np.testing.assert_array_equal(every.marginal(1, ("a", "b"), {}), 7 + moved)


def test_exact_answers_are_the_counts_of_either_table() -> None:
    exact = ExactAnswers(PAIR)
    np.testing.assert_array_equal(exact.marginal(0, ("a",), {}), [3, 0, 0, 0])
    np.testing.assert_array_equal(exact.marginal(1, ("a",), {}), [3, 1, 0, 0])
    both = np.zeros((4, 4), dtype=np.int64)
    both[0, 0], both[1, 1] = 3, 1
    np.testing.assert_array_equal(exact.marginal(1, ("a", "b"), {}), both)
    coarse = {"A": Grouping("a", (0, 0, 1, 1))}
    np.testing.assert_array_equal(exact.marginal(1, ("A",), coarse), [4, 0])


def test_a_marginal_is_the_difference_of_two_normal_log_densities() -> None:
    counts = np.array([2, 2, -1, 0])
    said = Conversation(marginals=[NoisyMarginal(("a",), counts, 1.5, GaussianDpEvent(1.5))])
    without = scipy.stats.norm.logpdf(counts, [3, 0, 0, 0], 1.5).sum()
    with_unit = scipy.stats.norm.logpdf(counts, [3, 1, 0, 0], 1.5).sum()
    assert log_likelihood_ratio(said, ExactAnswers(PAIR)) == pytest.approx(with_unit - without)


def test_choices_are_the_difference_of_two_log_chances() -> None:
    estimates = {("a",): np.array([1.0, 1, 1, 1]), ("b",): np.array([3.0, 0, 0, 0]), ("a", "b"): np.zeros((4, 4))}
    weights = {("a",): 1, ("b",): 2, ("a", "b"): 4}
    penalties = {("a",): 0.0, ("b",): 1.0, ("a", "b"): 2.0}
    chosen = (("b",), ("a",))
    said = Conversation(choices=[Choice(estimates, weights, penalties, {}, Fraction(1, 10), chosen)])
    rate = float(ExponentialMechanism.for_mu_squared(Fraction(1, 20)).epsilon) / 2 / 4
    # distances of ("a",), ("b",), ("a", "b"): 2 + 3 = 5, 0, 3 without the unit; 2 + 2 = 4, 1, 4 with it.
    logs = []
    for distances in ((5, 0, 3), (4, 1, 4)):
        a, b, both = (rate * w * (d - p) for w, d, p in zip((1, 2, 4), distances, (0, 1, 2), strict=True))
        logs.append(b - scipy.special.logsumexp([a, b, both]) + a - scipy.special.logsumexp([a, both]))
    assert log_likelihood_ratio(said, ExactAnswers(PAIR)) == pytest.approx(logs[1] - logs[0])


def test_a_choice_without_alternatives_says_nothing() -> None:
    only = Choice({("a",): np.zeros(4)}, {("a",): 1}, {("a",): 0.0}, {}, Fraction(1, 10), (("a",),))
    assert log_likelihood_ratio(Conversation(choices=[only]), ExactAnswers(PAIR)) == 0.0

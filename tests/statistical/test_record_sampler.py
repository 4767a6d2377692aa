"""Records follow the model, whole, in blocks and under conditions; wrong samplers and wrong conditions are seen.

A single record of a controlled sample is an exact draw from the model, and the first and the last of several have a
joint distribution that must not depend on the cutting into blocks. Repeating with fresh generators gives independent
draws, to which chi-square tests apply. The identity "error of records <= error of the model + sampling term" is a
one-sided t test over independent samples; its sampling term is 0.5 sqrt(k / n) for k cells and n records.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from dpsynth.models import CliqueVector, GraphicalModel
from dpsynth.models.calibrated_tree import CalibratedTree
from dpsynth.models.conditioning import conditioned
from dpsynth.models.records import sample_records
from dpsynth.schema.domain import Domain
from tests.models.brute_force import CLIQUE_SETS, DOMAIN, Floats, joint_distribution, project, random_potentials
from tests.models.test_records import along_measured_cliques, table_of
from tests.statistical.goodness_of_fit import chi_square_p
from tests.statistical.significance import SIGNIFICANCE

DRAWS = 1500
SAMPLES = 20
ROWS = 2000
SETS = ("cycle of four", "triples")
PAIRS = tuple(itertools.combinations("abcd", 2))
ALLOWED = {"b": np.array([True, False, True]), "d": np.array([False, True, True, True])}
NULL_DECISIONS = 2 * len(SETS) + 1 + len(PAIRS)

Draw = Callable[[np.random.Generator], np.ndarray]


def model_of(name: str, spread: float = 0.8) -> GraphicalModel:
    return GraphicalModel.from_potentials(random_potentials(CLIQUE_SETS[name], 7, spread), 1000.0)


def fit(draw: Draw, expected: Floats) -> float:
    """Return the p-value of one record per generator against the joint `expected`."""
    cells = [
        np.ravel_multi_index(tuple(draw(np.random.default_rng([11, turn]))[0]), DOMAIN.sizes) for turn in range(DRAWS)
    ]
    possible = np.flatnonzero(expected.ravel() > 0)
    places = np.searchsorted(possible, cells)
    assert np.array_equal(possible[places], cells)
    return chi_square_p(places.astype(np.int64), (np.arange(len(possible)), expected.ravel()[possible]))


@pytest.mark.parametrize("name", SETS)
def test_a_record_is_a_draw_from_the_model(name: str) -> None:
    model, other = model_of(name), model_of(name, 2.0)
    expected = joint_distribution(model.potentials)
    assert fit(lambda rng: model.sample(1, rng), expected) > SIGNIFICANCE
    assert fit(lambda rng: other.sample(1, rng), expected) < SIGNIFICANCE


@pytest.mark.parametrize("name", SETS)
def test_a_record_under_a_condition_is_a_draw_from_the_model_given_it(name: str) -> None:
    model = model_of(name)
    expected = joint_distribution(model.potentials)
    for column, mask in ALLOWED.items():
        expected = expected * mask.reshape([len(mask) if each == column else 1 for each in DOMAIN.names])
    expected /= expected.sum()
    given = conditioned(model.calibrated, ALLOWED)
    assert fit(lambda rng: sample_records(given, 1, rng), expected) > SIGNIFICANCE

    def clamped(rng: np.random.Generator) -> np.ndarray:
        """Draw freely and overwrite: keeps the condition and ignores what it says about the other columns."""
        record = model.sample(1, rng)
        for column in ALLOWED:
            record[0, DOMAIN.position(column)] = rng.choice(DOMAIN.size(column), p=given.marginal((column,)))
        return record

    assert fit(clamped, expected) < SIGNIFICANCE


def first_and_last(draw: Draw) -> Floats:
    """Return how often each pair of cells stands in the first and the last record of a 2 x 2 model."""
    counts = np.zeros((4, 4))
    for turn in range(DRAWS):
        codes = draw(np.random.default_rng([13, turn]))[[0, -1]]
        counts[tuple(codes @ [2, 1])] += 1
    return counts


def same_p(first: Floats, second: Floats) -> float:
    counts = np.stack([first.ravel(), second.ravel()])
    return float(stats.chi2_contingency(counts[:, counts.sum(axis=0) > 0])[1])


def test_blocks_are_dealt_like_one_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    domain = Domain(("x", "y"), (2, 2))
    model = GraphicalModel.from_potentials(CliqueVector.zeros(domain, [("x",), ("y",)]), 10.0).calibrated
    at_once = first_and_last(lambda rng: sample_records(model, 4, rng))

    def rounded_apart(rng: np.random.Generator) -> np.ndarray:
        return np.concatenate([sample_records(model, 2, rng) for _ in range(2)])

    apart = first_and_last(rounded_apart)
    monkeypatch.setattr("dpsynth.models.records._MOST_RECORDS", 2)
    monkeypatch.setattr("dpsynth.models.records._FEWEST_RECORDS", 2)
    in_blocks = first_and_last(lambda rng: sample_records(model, 4, np.random.default_rng(rng.integers(2**62))))
    assert same_p(at_once, in_blocks) > SIGNIFICANCE
    assert same_p(at_once, apart) < SIGNIFICANCE


def above_p(model: CalibratedTree, truth: Floats, of_model: Floats, pair: tuple[str, str]) -> float:
    """Return the p-value of "the mean error of records is at most that of the model plus the sampling term"."""
    allowed = 0.5 * np.abs(of_model - truth).sum() + 0.5 * np.sqrt(DOMAIN.cells(pair) / ROWS)
    errors = [
        0.5
        * np.abs(table_of(sample_records(model, ROWS, np.random.default_rng([17, turn])), pair) / ROWS - truth).sum()
        for turn in range(SAMPLES)
    ]
    return float(stats.ttest_1samp(errors, allowed, alternative="greater").pvalue)


def test_the_error_of_records_is_at_most_that_of_the_model_plus_the_sampling_term() -> None:
    name = "cycle of four"
    potentials = random_potentials(CLIQUE_SETS[name], 1, 0.5)
    potentials["a", "d"].values[...] += np.where(np.indices((2, 4)).sum(axis=0) % 2 == 0, 1.0, -1.0)
    model = GraphicalModel.from_potentials(potentials, 1000.0).calibrated
    joint = joint_distribution(potentials)
    truth = joint * np.random.default_rng(2).uniform(0.8, 1.2, joint.shape)  # the model is a little wrong
    truth /= truth.sum()
    broken = along_measured_cliques(model, (*CLIQUE_SETS[name], *((column,) for column in DOMAIN.names)))
    caught = []
    for pair in PAIRS:
        tables = project(truth, pair), project(joint, pair)
        assert above_p(model, *tables, pair) > SIGNIFICANCE
        caught.append(above_p(broken, *tables, pair) < SIGNIFICANCE)
    assert any(caught)

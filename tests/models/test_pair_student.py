"""The student recovers pair tables from noisy numbers about samples, and says so when they taught nothing."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from dpsynth.models.pair_student import STRENGTHS, Labels, likeness_of, taught
from dpsynth.schema.domain import Domain

Floats = NDArray[np.float64]
DOMAIN = Domain(("a", "b", "c"), (2, 3, 4))
PAIRS = list(combinations(DOMAIN.names, 2))
COLUMNS = {"a": np.array([0.3, 0.7]), "b": np.array([0.5, 0.3, 0.2]), "c": np.full(4, 0.25)}
INDEPENDENT = {pair: np.outer(COLUMNS[pair[0]], COLUMNS[pair[1]]) for pair in PAIRS}


def truth() -> dict[tuple[str, ...], Floats]:
    tilt = np.array([[0.08, -0.05, -0.03], [-0.08, 0.05, 0.03]])
    return INDEPENDENT | {("a", "b"): INDEPENDENT["a", "b"] + tilt}


def labels(real: dict[tuple[str, ...], Floats], samples: int, noise: float, seed: int = 0) -> Labels:
    rng = np.random.default_rng(seed)
    codes = {name: rng.choice(len(shares), samples, p=shares) for name, shares in COLUMNS.items()}
    features = {name: likeness_of(COLUMNS[name], ordered=name == "c")[codes[name]] for name in DOMAIN.names}
    values = sum(np.einsum("qi,ij,qj->q", features[a], real[a, b], features[b]) for a, b in PAIRS)
    values = values + rng.normal(0, noise, samples)
    return Labels(tuple(features[name] for name in DOMAIN.names), values, np.full(samples, noise))


def test_likeness_is_centred_and_of_unit_variance() -> None:
    for ordered in (False, True):
        table = likeness_of(COLUMNS["b"], ordered=ordered)
        np.testing.assert_allclose(table @ COLUMNS["b"], 0, atol=1e-12)
        np.testing.assert_allclose(table**2 @ COLUMNS["b"], 1)
        assert (table.argmax(axis=1) == np.arange(3)).all()
    assert np.isfinite(likeness_of(np.ones(1), ordered=False)).all()
    assert likeness_of(COLUMNS["c"], ordered=True)[0, 1] > likeness_of(COLUMNS["c"], ordered=True)[0, 3]


def test_pairs_come_back_from_labels() -> None:
    student = taught(labels(truth(), 400, 0.05), DOMAIN, COLUMNS, INDEPENDENT)
    assert student.strength > 0
    for pair in PAIRS:
        np.testing.assert_allclose(student.pairs[pair], truth()[pair], atol=0.01)


def test_more_noise_leaves_more_doubt() -> None:
    learnt = [taught(labels(truth(), 300, noise), DOMAIN, COLUMNS, INDEPENDENT) for noise in (0.05, 0.5, 2.0)]
    errors = [np.abs(student.pairs["a", "b"] - truth()["a", "b"]).sum() for student in learnt]
    assert errors == sorted(errors)
    assert learnt[0].doubt < learnt[1].doubt < learnt[2].doubt


def test_what_is_learnt_are_tables_of_the_columns() -> None:
    student = taught(labels(truth(), 30, 3.0), DOMAIN, COLUMNS, INDEPENDENT)
    for (first, second), table in student.pairs.items():
        assert (table > 0).all()
        np.testing.assert_allclose(table.sum(axis=1), COLUMNS[first], atol=1e-3)
        np.testing.assert_allclose(table.sum(axis=0), COLUMNS[second], atol=1e-9)


def test_labels_that_say_what_is_expected_teach_nothing() -> None:
    student = taught(labels(INDEPENDENT, 300, 1e-3), DOMAIN, COLUMNS, INDEPENDENT)
    assert student.strength <= STRENGTHS[1]
    for pair in PAIRS:
        np.testing.assert_allclose(student.pairs[pair], INDEPENDENT[pair], atol=1e-3)


def test_expectations_need_not_be_independent() -> None:
    student = taught(labels(truth(), 300, 1e-3), DOMAIN, COLUMNS, truth())
    np.testing.assert_allclose(student.pairs["a", "b"], truth()["a", "b"], atol=1e-3)


def test_two_sets_of_labels_teach_more_than_one() -> None:
    errors = []
    for seed in range(6):
        one, other = labels(truth(), 60, 0.5, seed), labels(truth(), 600, 0.5, 10 + seed)
        for given in (one, one.followed_by(other)):
            student = taught(given, DOMAIN, COLUMNS, INDEPENDENT)
            errors.append(np.abs(student.pairs["a", "b"] - truth()["a", "b"]).sum())
    assert sum(errors[1::2]) < 0.7 * sum(errors[::2])

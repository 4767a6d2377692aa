"""The blend finds what single scores miss, mirrors swapped labels, and finds nothing where there is nothing."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from dpsynth.attacks.meta_attack import cross_fitted_scores
from dpsynth.attacks.ranking import auc_evidence
from dpsynth.errors import InvalidInput

PEOPLE = 1000
IS_MEMBER = np.arange(PEOPLE) < PEOPLE // 2


def scores_of_attacks(seed: int, *, leak: float) -> NDArray[np.float64]:
    """Return eleven scores: eight correlated, of which three leak a little, two unrelated, and one of few values."""
    rng = np.random.default_rng(seed)
    traits = rng.normal(size=(PEOPLE, 3)) @ rng.normal(size=(3, 8)) + rng.normal(size=(PEOPLE, 8))
    traits[:, :3] += leak * IS_MEMBER[:, None]
    return np.column_stack([traits, rng.normal(size=(PEOPLE, 2)), rng.random(PEOPLE) < 0.02])


def blended(features: NDArray[np.float64], is_member: NDArray[np.bool_] = IS_MEMBER) -> NDArray[np.float64]:
    return cross_fitted_scores(features, is_member, rng=np.random.default_rng(5))


def auc(scores: NDArray[np.float64]) -> float:
    return auc_evidence(scores[IS_MEMBER], scores[~IS_MEMBER], confidence=0.95).interval.estimate


def test_the_blend_is_stronger_than_its_parts() -> None:
    features = scores_of_attacks(1, leak=0.6)
    best = max(auc(column) for column in features.T)
    assert auc(blended(features)) > best + 0.05


def test_it_is_quiet_where_nothing_leaks() -> None:
    # P[more than 5 of 40 p-values below 5 %] = 0.014 if they are valid; more than 8: 1.3e-4.
    alarms = 0
    for seed in range(40):
        scores = blended(scores_of_attacks(seed, leak=0))
        alarms += auc_evidence(scores[IS_MEMBER], scores[~IS_MEMBER], confidence=0.95).p_value < 0.05
    assert alarms <= 8


def test_swapped_labels_give_the_same_scores_bit_by_bit() -> None:
    features = scores_of_attacks(1, leak=0.6)
    np.testing.assert_array_equal(blended(features, ~IS_MEMBER), blended(features))


def test_the_order_of_people_and_of_scores_has_no_effect() -> None:
    features = scores_of_attacks(2, leak=0.6)
    rng = np.random.default_rng(3)
    people, columns = rng.permutation(PEOPLE), rng.permutation(features.shape[1])
    turned = features[people][:, columns]
    np.testing.assert_array_equal(blended(turned, IS_MEMBER[people]), blended(features)[people])


def test_constant_scores_and_other_units_have_no_effect() -> None:
    features = scores_of_attacks(2, leak=0.6)
    widened = np.column_stack([np.full(PEOPLE, 3.0), features * 8])
    np.testing.assert_array_equal(blended(widened), blended(features))


def test_equal_rows_get_equal_scores() -> None:
    features = np.repeat(scores_of_attacks(1, leak=0.6)[::10], 10, axis=0)
    scores = blended(features)
    np.testing.assert_array_equal(scores.reshape(-1, 10), np.repeat(scores[::10, None], 10, axis=1))


@pytest.mark.parametrize("people", [0, 1, 3])
def test_few_people_are_no_problem(people: int) -> None:
    features = scores_of_attacks(1, leak=0)[:people]
    scores = blended(features, IS_MEMBER[:people])
    assert scores.shape == (people,)
    assert np.isfinite(scores).all()


def test_perfectly_separated_people_are_ranked_perfectly() -> None:
    scores = blended(np.column_stack([IS_MEMBER + 0.1 * np.random.default_rng(1).random(PEOPLE)] * 2))
    assert auc(scores) > 0.99


def test_shapes_that_do_not_fit_are_refused() -> None:
    for features, labels, folds in ((np.zeros(3), IS_MEMBER[:3], 5), (np.zeros((3, 2)), IS_MEMBER, 5)):
        with pytest.raises(InvalidInput):
            cross_fitted_scores(features, labels, folds=folds, rng=np.random.default_rng(1))
    with pytest.raises(InvalidInput):
        cross_fitted_scores(np.zeros((3, 2)), IS_MEMBER[:3], folds=1, rng=np.random.default_rng(1))

"""A6: all scores together, blended by a model that learns from some targets how to accuse others.

The blend is a logistic model over rank-transformed scores. Targets are dealt into folds by the content of their scores.
Each fold is scored by a model of the folds before it, the first by the plain mean of all scores. In ordinary
cross-validation every two folds accuse one another, the same chance agreement counts twice, and the evidence on an
innocent release spreads wider than the tests assume; in sequence it does not.

Scores of attacks are directed: higher means member. The blend keeps that direction: with members and controls swapped
the same scores come out, so the evidence is mirrored.

Source: D. Wolpert, Stacked Generalization, Neural Networks 5 (1992); A. P. Dawid, The Prequential Approach, Journal of
the Royal Statistical Society A 147 (1984) 278.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from dpsynth.errors import InvalidInput

_RIDGE = 1.0
_STEPS = 25
_SMALLEST_GAIN = 1e-9

_Vector = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class BlendedScores:
    """The blend as the suite calls it, with all other scores as features.

    Attributes:
        folds: parts that the people are dealt into.
    """

    folds: int = 5

    def blend(
        self, features: NDArray[np.float64], is_member: NDArray[np.bool_], *, rng: np.random.Generator
    ) -> NDArray[np.float64]:
        """Return `cross_fitted_scores`, shape (people,)."""
        return cross_fitted_scores(features, is_member, folds=self.folds, rng=rng)


def cross_fitted_scores(
    features: NDArray[np.float64], is_member: NDArray[np.bool_], *, folds: int = 5, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return one blended score per target, from a model that never saw the target.

    Args:
        features: shape (targets, scores), finite; higher means more likely a member.
        is_member: shape (targets,), who was trained on.
        folds: parts that the targets are dealt into; equal rows of features stay together.
        rng: deals; only the sorted rows of features meet it, so the order of targets and of scores has no effect.

    Returns:
        shape (targets,), between -1 and 1, higher means more likely a member. Swapping members and controls changes
        nothing.

    Raises:
        InvalidInput: for shapes that do not fit, or fewer than two folds.
    """
    features = np.asarray(features, dtype=np.float64)
    if features.ndim != 2 or is_member.shape != features.shape[:1] or folds < 2:
        raise InvalidInput("blending needs a table of scores, one label per row and at least two folds")
    moving = _in_own_order(features)
    if not moving.size:
        return np.zeros(len(features))
    profiles, places = np.unique(moving, axis=0, return_inverse=True)
    counts = np.stack([np.bincount(places[who], minlength=len(profiles)) for who in (is_member, ~is_member)])
    fold = rng.permutation(len(profiles)) % folds
    inputs = np.stack([_normal_scores(column, counts.sum(axis=0)) for column in profiles.T], axis=1)
    blended = np.empty(len(profiles))
    for part in range(folds):
        asked, known = fold == part, fold < part
        direction = _direction(_Known(inputs[known], *counts[:, known].astype(np.float64)))
        blended[asked] = _positions(inputs[asked] @ direction, counts[:, asked].sum(axis=0))
    return blended[places]


def _in_own_order(features: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the features that vary, in an order that depends on what they say and with what they say it."""
    moving = [column for column in features.T if column.size and np.ptp(column) > 0]
    ranks = sum(
        (np.unique(column, return_inverse=True)[1] for column in moving), np.zeros(len(features), dtype=np.intp)
    )

    def content(column: _Vector) -> bytes:
        order = np.lexsort((ranks, column))
        return column[order].tobytes() + ranks[order].tobytes()

    moving.sort(key=content)
    return np.stack(moving, axis=1) if moving else np.zeros((len(features), 0))


def _normal_scores(values: _Vector, counts: NDArray[np.integer]) -> _Vector:
    """Return the normal quantiles of the shared ranks of values that occur several times."""
    return np.asarray(special.ndtri((_positions(values, counts) + 1) / 2), dtype=np.float64)


def _positions(values: _Vector, counts: NDArray[np.integer]) -> _Vector:
    """Return ranks on a scale from -1 to 1, without the ends, of values that occur several times."""
    if not values.size:
        return values
    _, places = np.unique(values, return_inverse=True)
    ties = np.bincount(places, weights=counts)
    middle = np.cumsum(ties) - (ties - 1) / 2
    positions: _Vector = (2 * middle / (ties.sum() + 1) - 1)[places]
    return positions


@dataclass(frozen=True, slots=True)
class _Known:
    """Targets whose labels the model may learn from: features, and how many members and controls have them."""

    inputs: NDArray[np.float64]
    members: _Vector
    controls: _Vector


def _direction(known: _Known) -> _Vector:
    """Return the weight of each feature, shape (features,).

    Turned so that it agrees with the sum of all features: a model may weigh scores, not reverse what they mean.
    """
    plain = np.ones(known.inputs.shape[1])
    if not known.members.sum() or not known.controls.sum():
        return plain
    weights = _fitted(known)[1:]
    agreement = float((known.members + known.controls) @ ((known.inputs @ weights) * (known.inputs @ plain)))
    return -weights if agreement < 0 else weights


def _fitted(known: _Known) -> _Vector:
    """Return the intercept and the weights of a ridge-penalised logistic model, by Newton's method with short steps.

    Every formula is odd or even in its sign, so swapping members and controls reverses the result to the last bit.
    """
    inputs = np.column_stack([np.ones(len(known.inputs)), known.inputs])
    both, excess = known.members + known.controls, known.members - known.controls
    weights = np.zeros(inputs.shape[1])
    loss = _loss(known, inputs, weights)
    for _ in range(_STEPS):
        slope = np.tanh(inputs @ weights / 2)
        gradient = inputs.T @ (excess - both * slope) / 2 - _RIDGE * weights
        curvature = inputs.T @ (inputs * (both * (1 - slope**2) / 4)[:, None]) + _RIDGE * np.eye(weights.size)
        step = np.linalg.solve(curvature, gradient)
        while (nearer := _loss(known, inputs, weights + step)) > loss:
            step = step / 2
            if np.abs(step).max() < _SMALLEST_GAIN:
                return weights
        weights = weights + step
        if loss - nearer < _SMALLEST_GAIN * loss:
            break
        loss = nearer
    return weights


def _loss(known: _Known, inputs: NDArray[np.float64], weights: _Vector) -> float:
    evidence = inputs @ weights
    misses = known.members * np.logaddexp(0, -evidence) + known.controls * np.logaddexp(0, evidence)
    return float(misses.sum() + _RIDGE * (weights @ weights) / 2)

"""One number per release that tells two worlds apart, learnt from releases whose world is known.

Three ways are tried: a logistic model, a forest, and the likelihood ratio of the distance to the nearest released row
(LiRA). Which of them is used, and from which value on a target counts as trained on, is decided on further releases.

Sources: N. Carlini et al., Membership Inference Attacks From First Principles, IEEE S&P 2022 (arXiv 2112.03570),
section IV (likelihood ratio); M. Meeus et al., Achilles' Heels, ESORICS 2023 (arXiv 2306.10308), section 5 (forest).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dpsynth.attacks.ranking import auc_evidence
from dpsynth.attacks.shadow_features import NEARNESS

Rows = NDArray[np.float32]
"""Features of releases, shape (releases, features)."""

Scores = NDArray[np.float64]
_Score = Callable[[Rows], Scores]

_KEPT = 64
"""Features that a model sees: those that differ most between the worlds, in units of their spread."""

_TREES = 100
_SPREAD = 1e-3
"""Of a distance, at least, in column ranges: two worlds of which one never varies are not told apart by nothing."""


@dataclass(frozen=True, slots=True)
class ShadowStatistic:
    """A score of releases and a threshold.

    Attributes:
        method: `likelihood ratio`, `logistic` or `forest`.
        score: from features of releases to one number each; higher where the target was trained on.
        threshold: above it the target is taken to have been trained on.
    """

    method: str
    score: _Score
    threshold: float


class Moments:
    """Mean and spread of features, of releases that come one by one."""

    def __init__(self) -> None:
        self._count = 0
        self._sum: NDArray[np.float64] | float = 0.0
        self._squares: NDArray[np.float64] | float = 0.0

    def add(self, features: NDArray[np.float32]) -> None:
        """Take one release into account."""
        exact = features.astype(np.float64)
        self._count += 1
        self._sum = self._sum + exact
        self._squares = self._squares + exact**2

    def mean_and_variance(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return both, shape (features,)."""
        mean = np.asarray(self._sum) / max(self._count, 1)
        return mean, np.maximum(np.asarray(self._squares) / max(self._count, 1) - mean**2, 0)


def telling_features(without: Moments, with_target: Moments) -> NDArray[np.intp]:
    """Return the places of the features to keep: the nearness first, then those that differ most, most telling first.

    Source: B. L. Welch, Biometrika 34 (1947): the difference of means over its standard deviation.
    """
    (mean, variance), (other_mean, other_variance) = without.mean_and_variance(), with_target.mean_and_variance()
    spread = np.sqrt(variance + other_variance)
    difference = np.abs(other_mean - mean)
    # Shares of rows that differ and never vary are the best of all; rounding errors are not.
    contrast = np.where(difference > 1e-6, difference / np.maximum(spread, 1e-6), 0)
    ranked = np.argsort(-contrast, kind="stable")[:_KEPT]
    return np.concatenate([[NEARNESS], ranked[(contrast[ranked] > 0) & (ranked != NEARNESS)]])


def learn_statistic(
    training: tuple[Rows, Rows], validation: tuple[Rows, Rows], *, rng: np.random.Generator
) -> ShadowStatistic:
    """Return the statistic that does best on `validation`.

    Args:
        training: features of releases without and with the target; the first feature is the nearness.
        validation: the same, of other releases.
        rng: grows the forest.
    """
    found = {
        "likelihood ratio": _likelihood_ratio(*training),
        "logistic": _logistic(*training),
        "forest": _forest(*training, seed=int(rng.integers(2**31))),
    }
    scores = {method: (score(validation[0]), score(validation[1])) for method, score in found.items()}
    best = max(scores, key=lambda method: _auc(*scores[method]))
    return ShadowStatistic(best, found[best], _widest_threshold(*scores[best]))


def _auc(without: Scores, with_target: Scores) -> float:
    return auc_evidence(with_target, without, confidence=0.95).interval.estimate


def _widest_threshold(without: Scores, with_target: Scores) -> float:
    """Return the value between two scores at which the rates differ most; the middle of those that do equally well."""
    levels = np.unique(np.concatenate([without, with_target]))
    between = (levels[1:] + levels[:-1]) / 2
    if not between.size:
        return float(levels[0])
    advantage = [(with_target > value).mean() - (without > value).mean() for value in between]
    best = between[np.array(advantage) >= max(advantage) - 1e-12]
    return float(best[best.size // 2])


def _likelihood_ratio(without: Rows, with_target: Rows) -> _Score:
    """Return log N(t; with) - log N(t; without) of the nearness t."""
    means = [float(rows[:, 0].mean()) for rows in (without, with_target)]
    spreads = [max(float(rows[:, 0].std()), _SPREAD) for rows in (without, with_target)]

    def score(rows: Rows) -> Scores:
        logs = [
            -np.log(spread) - ((rows[:, 0].astype(np.float64) - mean) / spread) ** 2 / 2
            for mean, spread in zip(means, spreads, strict=True)
        ]
        ratio: Scores = logs[1] - logs[0]
        return ratio

    return score


def _labelled(without: Rows, with_target: Rows) -> tuple[Rows, NDArray[np.bool_]]:
    return np.concatenate([without, with_target]), np.arange(len(without) + len(with_target)) >= len(without)


def _logistic(without: Rows, with_target: Rows) -> _Score:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1000))
    model.fit(*_labelled(without, with_target))
    return lambda rows: np.asarray(model.decision_function(rows), dtype=np.float64)


def _forest(without: Rows, with_target: Rows, *, seed: int) -> _Score:
    from sklearn.ensemble import RandomForestClassifier

    model = RandomForestClassifier(n_estimators=_TREES, min_samples_leaf=2, random_state=seed)
    model.fit(*_labelled(without, with_target))
    return lambda rows: np.asarray(model.predict_proba(rows)[:, 1], dtype=np.float64)

"""A4: can a classifier tell synthetic rows from reference rows, and does it take this record for synthetic?

A generator that memorised its training rows makes a table that differs from the population exactly around those rows,
and a flexible classifier learns that difference.

Source: F. Houssiau et al., TAPAS (arXiv 2211.06550); J. Hayes et al., LOGAN (arXiv 1705.07663), the discriminator as
an attack.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dpsynth.attacks.canonical_form import canonical_form, rows_in_order
from dpsynth.attacks.distance import in_threads
from dpsynth.attacks.records import Records, require_same_columns


@dataclass(frozen=True, slots=True)
class MembershipClassifier:
    """Score by P(row is synthetic | row) under random forests trained on synthetic against reference rows.

    The rows are dealt into `folds` parts and one forest is trained without each part, so that no single row decides
    alone; a target's score is the mean over the forests. Targets are never training rows.

    Attributes:
        trees: trees in all forests together.
        smallest_leaf: smallest number of rows in a leaf.
        folds: number of forests.
    """

    trees: int = 100
    smallest_leaf: int = 1
    folds: int = 5

    def score(
        self, targets: Records, synthetic: Records, reference: Records, *, rng: np.random.Generator
    ) -> NDArray[np.float64]:
        """Return one probability per target, shape (targets,); 1/2 for all where there is nothing to learn from."""
        require_same_columns(targets, synthetic)
        require_same_columns(targets, reference)
        form = canonical_form(synthetic, reference)
        released, others, asked = form.of(synthetic), form.of(reference), form.of(targets)
        if released is None or others is None or asked is None or min(len(released), len(others)) < self.folds:
            return np.full(len(targets), 0.5)
        rows = rows_in_order(released).followed_by(rows_in_order(others)).values.astype(np.float32)
        is_synthetic = np.arange(len(rows)) < len(released)
        fold = np.concatenate([rng.permutation(len(table)) % self.folds for table in (released, others)])
        seeds = rng.integers(2**31, size=self.folds)
        questions = asked.values.astype(np.float32)
        probabilities = np.empty((self.folds, len(targets)))

        def ask(parts: slice) -> None:
            for part in range(parts.start, parts.stop):
                kept = fold != part
                probabilities[part] = self._fit_and_ask(
                    rows[kept], is_synthetic[kept], questions, seed=int(seeds[part])
                )

        in_threads(ask, self.folds, step=1)
        scores: NDArray[np.float64] = probabilities.mean(axis=0)
        return scores

    def _fit_and_ask(
        self,
        rows: NDArray[np.float32],
        is_synthetic: NDArray[np.bool_],
        asked: NDArray[np.float32],
        *,
        seed: int,
    ) -> NDArray[np.float64]:
        from sklearn.ensemble import RandomForestClassifier

        forest = RandomForestClassifier(
            n_estimators=max(self.trees // self.folds, 1),
            min_samples_leaf=self.smallest_leaf,
            class_weight="balanced",
            random_state=seed,
        )
        if not len(asked):
            return np.zeros(0)
        forest.fit(rows, is_synthetic)
        probabilities: NDArray[np.float64] = forest.predict_proba(asked)
        return probabilities[:, 1]

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
        undecided = np.full(len(targets), 0.5)
        if min(len(synthetic), len(reference)) < self.folds or not len(targets):
            return undecided
        columns = _informative_columns(synthetic, reference)
        if columns.size == 0:
            return undecided
        rows = np.concatenate([_in_order(synthetic, columns), _in_order(reference, columns)])
        is_synthetic = np.arange(len(rows)) < len(synthetic)
        asked = targets.values[:, columns].astype(np.float32)
        folds = [rng.permutation(len(table)) % self.folds for table in (synthetic, reference)]
        fold = np.concatenate(folds)
        scores = np.zeros(len(targets))
        for left_out in range(self.folds):
            kept = fold != left_out
            scores += self._fit_and_ask(rows[kept], is_synthetic[kept], asked, seed=int(rng.integers(2**31)))
        return scores / self.folds

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
        forest.fit(rows, is_synthetic)
        probabilities: NDArray[np.float64] = forest.predict_proba(asked)
        return probabilities[:, 1]


def _informative_columns(synthetic: Records, reference: Records) -> NDArray[np.intp]:
    """Return the columns that are not constant, in an order that depends on their content alone.

    So the same forest grows however the columns of the table are arranged.
    """
    together = np.sort(synthetic.followed_by(reference).values, axis=0)
    moving = [place for place in range(together.shape[1]) if together[0, place] != together[-1, place]]
    moving.sort(key=lambda place: (bool(synthetic.ordered[place]), together[:, place].tobytes()))
    return np.array(moving, dtype=np.intp)


def _in_order(records: Records, columns: NDArray[np.intp]) -> NDArray[np.float32]:
    """Return the rows of some columns in lexicographic order, so that the order of the table carries no signal."""
    values = records.values[:, columns]
    order = np.lexsort(values.T[::-1])
    return values[order].astype(np.float32)

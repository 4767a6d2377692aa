"""Error profiles for A6: is each cell of this record easier to predict from the release than from the population?

One predictor per column learns the column from all others, once on the synthetic table and once on the reference. Where
a record was memorised, its cells are predicted better by the first.

Source: E. German et al., MIA-EPT: Membership Inference Attack via Error Prediction for Tabular Data (2025), section 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dpsynth.attacks.canonical_form import canonical_form, rows_in_order
from dpsynth.attacks.distance import in_threads
from dpsynth.attacks.records import Records, require_same_columns


@dataclass(frozen=True, slots=True)
class PredictionError:
    """One score per column: the error of a tree learnt from the reference minus that of a tree learnt from the release.

    The error of an ordered cell is the distance to the prediction in column ranges, at most one; of an unordered cell
    one minus the probability that the tree gives to it.

    Attributes:
        smallest_leaf: smallest number of rows in a leaf.
    """

    smallest_leaf: int = 1

    def scores(
        self,
        targets: Records,
        synthetic: Records,
        reference: Records,
        *,
        names: Sequence[str],
        rng: np.random.Generator,
    ) -> dict[str, NDArray[np.float64]]:
        """Return the scores by the name of the predicted column, each of shape (targets,)."""
        require_same_columns(targets, synthetic)
        form = canonical_form(synthetic, reference)
        tables = [form.of(table) for table in (targets, synthetic, reference)]
        asked, released, others = tables
        if asked is None or released is None or others is None or asked.width < 2:
            return {}
        if not len(released) or not len(others):
            return {}
        released, others = rows_in_order(released), rows_in_order(others)
        seeds = rng.integers(2**31, size=asked.width)
        found = np.zeros((asked.width, len(targets)))

        def compare(columns: slice) -> None:
            for column in range(columns.start, columns.stop):
                errors = [self._errors(learnt, asked, column, int(seeds[column])) for learnt in (others, released)]
                found[column] = errors[0] - errors[1]

        in_threads(compare, asked.width, step=1)
        return {names[place]: scores for place, scores in zip(form.columns, found, strict=True)}

    def _errors(self, learnt: Records, asked: Records, column: int, seed: int) -> NDArray[np.float64]:
        """Return the error of one predictor at each target, shape (targets,)."""
        from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

        if not len(asked):
            return np.zeros(0)
        inputs, answers = _without(learnt, column), learnt.values[:, column]
        questions, truth = _without(asked, column), asked.values[:, column]
        settings = {"min_samples_leaf": self.smallest_leaf, "random_state": seed}
        errors: NDArray[np.float64]
        if learnt.ordered[column]:
            guess = DecisionTreeRegressor(**settings).fit(inputs, answers).predict(questions)
            errors = np.minimum(np.abs(guess - truth), 1.0)
        else:
            tree = DecisionTreeClassifier(**settings).fit(inputs, answers.astype(np.intp))
            # One more level, which no tree knows, for those that the table does not have.
            probabilities = np.column_stack([tree.predict_proba(questions), np.zeros(len(asked))])
            place = np.where(np.isin(truth, tree.classes_), np.searchsorted(tree.classes_, truth), tree.classes_.size)
            errors = 1 - probabilities[np.arange(len(asked)), place]
        return errors


def _without(records: Records, column: int) -> NDArray[np.float32]:
    return np.delete(records.values, column, axis=1).astype(np.float32)

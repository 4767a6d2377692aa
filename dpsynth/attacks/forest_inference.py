"""A8, with a forest: a model of each column, trained on the released table alone, guesses the secrets of people.

The nearest released row weighs all columns alike. A forest finds out which columns tell a secret, and fully grown trees
remember the rows that they were grown on.

Source: M. Giomi et al., PoPETs 2023 (arXiv 2211.10459), section 3.3, with the learner of T. Stadler et al., USENIX
Security 2022 (arXiv 2011.07018), section 5; L. Breiman, Random Forests, Machine Learning 45 (2001).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dpsynth.attacks.canonical_form import canonical_form, rows_in_order
from dpsynth.attacks.distance import in_threads
from dpsynth.attacks.records import MISSING_LEVEL, Records, require_same_columns
from dpsynth.attacks.secret_column import TOLERANCE, SecretColumn


@dataclass(frozen=True, slots=True)
class ForestInference:
    """Guess each secret by a random forest of fully grown trees over the other columns of the released table.

    Categories are numbered by how often they occur, so that their codes have no effect; numbers are guessed to the
    tolerance within which a guess is right.

    Attributes:
        trees: in each forest.
    """

    trees: int = 10

    def scores(
        self,
        targets: Records,
        synthetic: Records,
        reference: Records,
        *,
        names: Sequence[str],
        rng: np.random.Generator,
    ) -> dict[str, NDArray[np.float64]]:
        """Return for each secret which targets are guessed right, shape (targets,), 1 or 0; keyed by its name.

        A column that is constant in the synthetic and the reference table is no secret and explains none. With fewer
        than two other columns there is nothing to infer.
        """
        require_same_columns(targets, synthetic)
        form = canonical_form(synthetic, reference)
        asked, released = form.of(targets), form.of(synthetic)
        if asked is None or released is None or asked.width < 2:
            return {}
        right = np.zeros((asked.width, len(targets)))
        seeds = rng.integers(2**31, size=asked.width)
        if len(released) and len(targets):
            rows = rows_in_order(released)

            def guess(places: slice) -> None:
                for place in range(places.start, places.stop):
                    right[place] = self._right(place, asked, rows, seed=int(seeds[place]))

            in_threads(guess, asked.width, step=1)
        return {names[column]: own for column, own in zip(form.columns, right, strict=True)}

    def _right(self, place: int, asked: Records, rows: Records, *, seed: int) -> NDArray[np.bool_]:
        from sklearn.ensemble import RandomForestClassifier

        is_ordered = bool(rows.ordered[place])
        values = _to_tolerance(rows.values[:, place]) if is_ordered else rows.values[:, place]
        secret = SecretColumn.among(values, is_ordered=is_ordered)
        forest = RandomForestClassifier(n_estimators=self.trees, bootstrap=False, random_state=seed)
        others = np.arange(rows.width) != place
        forest.fit(rows.values[:, others].astype(np.float32), secret.codes(values))
        weights = forest.predict_proba(asked.values[:, others].astype(np.float32))
        return secret.is_right(secret.best_guess(weights), asked.values[:, place])


def _to_tolerance(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return positions rounded to multiples of the tolerance; missing and outside cells stay what they are."""
    return np.where(values < MISSING_LEVEL, np.round(values / TOLERANCE) * TOLERANCE, values)

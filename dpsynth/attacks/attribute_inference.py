"""A8: can somebody who knows the other columns of a record read its secret off the released table?

Every column is the secret in turn. Most secrets can be guessed for everybody, because columns depend on one another;
evidence is that guesses are right more often for members than for controls.

Source: M. Giomi et al., A Unified Framework for Quantifying Privacy Risk in Synthetic Data, PoPETs 2023
(arXiv 2211.10459), section 3.3; Article 29 Working Party, Opinion 05/2014, "inference".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dpsynth.attacks.canonical_form import canonical_form, distinct_rows
from dpsynth.attacks.column_gaps import ColumnGaps, Gaps
from dpsynth.attacks.records import Records, require_same_columns
from dpsynth.attacks.secret_column import SecretColumn


@dataclass(frozen=True, slots=True)
class NeighbourInference:
    """Guess each secret as the nearest released rows have it, near in the other columns.

    All rows at the smallest distance vote, each as often as it occurs. So no rule is needed that would prefer one of
    several equally near rows, and the order of the table has no effect.
    """

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
        del rng
        require_same_columns(targets, synthetic)
        form = canonical_form(synthetic, reference)
        asked, released = form.of(targets), form.of(synthetic)
        if asked is None or released is None or asked.width < 2:
            return {}
        right = np.zeros((asked.width, len(targets)))
        if len(released):
            _vote(asked, released, right)
        return {names[column]: own for column, own in zip(form.columns, right, strict=True)}


def _vote(asked: Records, released: Records, right: NDArray[np.float64]) -> None:
    """Write into `right`, shape (secrets, targets), which guesses are right."""
    rows, times = distinct_rows(released)
    secrets = [
        SecretColumn.among(own, is_ordered=bool(kind)) for own, kind in zip(rows.values.T, rows.ordered, strict=True)
    ]
    codes = [secret.codes(own) for secret, own in zip(secrets, rows.values.T, strict=True)]

    def guess(block: slice, gaps: Gaps) -> None:
        total = gaps.sum(axis=0, dtype=np.int32)
        for place, (secret, code) in enumerate(zip(secrets, codes, strict=True)):
            rest = np.subtract(total, gaps[place], out=gaps[place])
            # numpy finds places along one axis much faster than along two.
            asking, voter = np.divmod(np.flatnonzero(rest == rest.min(axis=1, keepdims=True)), len(rows))
            cells = asking * secret.levels.size + code[voter]
            shape = (rest.shape[0], secret.levels.size)
            votes = np.bincount(cells, weights=times[voter], minlength=shape[0] * shape[1]).reshape(shape)
            right[place, block] = secret.is_right(secret.best_guess(votes), asked.values[block, place])

    ColumnGaps(asked, rows).for_each_block(guess)

"""A8: can somebody who knows the other columns of a record read its secret off the released table?

Every column is the secret in turn. Most secrets can be guessed for everybody, because columns depend on one another;
evidence is that guesses are right more often for members than for controls.

Source: M. Giomi et al., A Unified Framework for Quantifying Privacy Risk in Synthetic Data, PoPETs 2023
(arXiv 2211.10459), section 3.3; Article 29 Working Party, Opinion 05/2014, "inference".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

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

    Attributes:
        known: groups of columns, by public name; every column outside of a group is guessed from the group alone, too.
    """

    known: tuple[frozenset[str], ...] = ()

    def on(self, groups: Sequence[Sequence[str]]) -> NeighbourInference:
        """Return this attack by somebody who knows one of these groups of columns and nothing else, too."""
        return NeighbourInference(tuple(dict.fromkeys([*self.known, *map(frozenset, groups)])))

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
        kept = [names[column] for column in form.columns]
        questions = {name: _Question(place) for place, name in enumerate(kept)}
        for group in self.known:
            places = tuple(place for place, name in enumerate(kept) if name in group)
            label = ", ".join(sorted(kept[place] for place in places))
            secrets = [(place, name) for place, name in enumerate(kept) if places and name not in group]
            questions |= {f"{name} from {label}": _Question(place, places) for place, name in secrets}
        right = np.zeros((len(questions), len(targets)))
        if len(released):
            _vote(asked, released, tuple(questions.values()), right)
        return dict(zip(questions, right, strict=True))


_Known: TypeAlias = tuple[int, ...]
_Voters: TypeAlias = tuple[NDArray[np.intp], NDArray[np.intp]]


@dataclass(frozen=True, slots=True)
class _Question:
    """Which column is guessed, and from which: all others where none are named."""

    secret: int
    known: _Known = ()


def _vote(asked: Records, released: Records, questions: Sequence[_Question], right: NDArray[np.float64]) -> None:
    """Write into `right`, shape (questions, targets), which guesses are right."""
    rows, times = distinct_rows(released)
    secrets = [
        SecretColumn.among(own, is_ordered=bool(kind)) for own, kind in zip(rows.values.T, rows.ordered, strict=True)
    ]
    codes = [secret.codes(own) for secret, own in zip(secrets, rows.values.T, strict=True)]

    def guess(block: slice, gaps: Gaps) -> None:
        total = gaps.sum(axis=0, dtype=np.int32)
        voters: dict[_Known, _Voters] = {}
        for place, question in enumerate(questions):
            secret, code = secrets[question.secret], codes[question.secret]
            if not question.known:
                voters[()] = _nearest(total - gaps[question.secret])
            elif question.known not in voters:
                voters[question.known] = _nearest(gaps[list(question.known)].sum(axis=0, dtype=np.int32))
            asking, voter = voters[question.known]
            shape = (gaps.shape[1], secret.levels.size)
            cells = asking * secret.levels.size + code[voter]
            weights = np.bincount(cells, weights=times[voter], minlength=shape[0] * shape[1])
            votes = weights.astype(np.float64, copy=False).reshape(shape)
            right[place, block] = secret.is_right(secret.best_guess(votes), asked.values[block, question.secret])

    ColumnGaps(asked, rows).for_each_block(guess)


def _nearest(gaps: Gaps) -> _Voters:
    """Return who asks and who votes, pair by pair, for gaps of shape (targets, rows)."""
    # numpy finds places along one axis much faster than along two.
    asking, voter = np.divmod(np.flatnonzero(gaps == gaps.min(axis=1, keepdims=True)), gaps.shape[1])
    return asking, voter

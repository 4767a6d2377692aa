"""A9: does the released table suggest descriptions that fit exactly one person?

A predicate that fits one released row is a guess that it fits one person. Many such guesses are right for any table of
the same population; evidence is that they are right more often about members than about controls.

Source: A. Cohen and K. Nissim, Towards Formalizing the GDPR's Notion of Singling Out, PNAS 117 (2020); M. Giomi et al.,
A Unified Framework for Quantifying Privacy Risk in Synthetic Data, PoPETs 2023 (arXiv 2211.10459), section 3.1.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from dpsynth.attacks.base import Trials
from dpsynth.attacks.canonical_form import canonical_form, distinct_rows, rows_in_order
from dpsynth.attacks.predicates import Predicates, SortedColumns, in_units
from dpsynth.attacks.records import RESOLUTION, Records

_ATTEMPTS = 5
"""Predicates drawn for each one that is wanted: many fit no row or several."""

_NEAR = RESOLUTION // 32
"""How far from the value of the released row a person may be in an ordered column, where near is asked for."""

_LARGEST_CROWD = 12
"""Of more people than this who fit a predicate, exactly one is hardly ever on one side."""


@dataclass(frozen=True, slots=True)
class SinglingOut:
    """Count predicates that fit exactly one released row and exactly one person.

    Two kinds: a rare value of one column (it occurs in one released row, or is the only one that lies so far out); and
    conjunctions of several columns of one released row, equal in unordered columns and at least as far out, seen from
    the median, in ordered ones.

    Each predicate is asked of the members or of the controls, not of both, and no two predicates that are asked fit a
    common person. So trials are independent, as the test takes them to be.

    Attributes:
        widths: numbers of columns in a conjunction.
        predicates: the most that are made of each kind, of conjunctions equally many of each width.
        known: groups of columns, by public name; conjunctions of exactly these are a kind each.
    """

    widths: tuple[int, ...] = (2, 3, 4, 5)
    predicates: int = 8000
    known: tuple[frozenset[str], ...] = ()

    def on(self, groups: Sequence[Sequence[str]]) -> SinglingOut:
        """Return this attack by somebody who knows people by one of these groups of columns, too."""
        return replace(self, known=tuple(dict.fromkeys([*self.known, *map(frozenset, groups)])))

    def count(
        self,
        members: Records,
        controls: Records,
        synthetic: Records,
        reference: Records,
        *,
        names: Sequence[str],
        rng: np.random.Generator,
    ) -> tuple[Trials, ...]:
        """Return the successes of rare values and of conjunctions; a kind without predicates is left out.

        Of the larger of the two tables a random part is used, as large as the smaller one.
        """
        form = canonical_form(synthetic, reference)
        released, insiders, outsiders = form.of(synthetic), form.of(members), form.of(controls)
        if released is None or insiders is None or outsiders is None or not len(released):
            return ()
        rows = min(len(members), len(controls))
        seed = int(rng.integers(2**63))
        insiders, outsiders = (_some(people, rows, np.random.default_rng(seed)) for people in (insiders, outsiders))
        swapped = insiders.values.tobytes() > outsiders.values.tobytes()
        crowd = _Crowd(SortedColumns(insiders.followed_by(outsiders)), rows, int(swapped))
        index = SortedColumns(released)
        widths = [width for width in self.widths if width <= released.width]
        kinds = {
            "rare values": [_rare_values(released)],
            "conjunctions": [self._conjunctions(released, width, rng) for width in widths],
        }
        for number, group in enumerate(self.known):
            own = np.array(
                [place for place, column in enumerate(form.columns) if names[column] in group], dtype=np.intp
            )
            if own.size:
                # Coins of their own: what else is asked stays as it is.
                coins = np.random.default_rng([seed, number])
                kinds[", ".join(sorted(group))] = [self._conjunctions(released, own.size, coins, columns=own)]
        trials = []
        for label, kind in kinds.items():
            alone = [drawn.take(np.flatnonzero(index.counts(drawn) == 1)) for drawn in kind]
            most = self.predicates // max(len(alone), 1)
            trials.append(crowd.ask(label, [some.take(rng.permutation(len(some))[:most]) for some in alone]))
        return tuple(found for found in trials if found.member_trials and found.control_trials)

    def _conjunctions(
        self, released: Records, width: int, rng: np.random.Generator, *, columns: NDArray[np.intp] | None = None
    ) -> Predicates:
        """Return different conjunctions that fit the rows they are taken from, in content order."""
        rows, times = distinct_rows(released)
        alone = in_units(rows.take(np.flatnonzero(times == 1)))
        draws = _ATTEMPTS * min(self.predicates // len(self.widths), alone.shape[1])
        origin = rng.integers(max(alone.shape[1], 1), size=draws)
        if columns is None:
            columns = rng.random((draws, released.width)).argsort(axis=1)[:, :width]
        else:
            columns = np.tile(columns, (draws, 1))
        values = alone[columns, origin[:, None]]
        plain = released.ordered[columns] & (values <= RESOLUTION)
        is_high = values > _medians(released)[columns]
        is_near = plain & (np.arange(draws) % 2 == 0)[:, None]
        lowest = np.where(plain & ~is_high, 0, values)
        highest = np.where(plain & is_high, RESOLUTION, values)
        lowest = np.where(is_near, np.maximum(values - _NEAR, 0), lowest)
        highest = np.where(is_near, np.minimum(values + _NEAR, RESOLUTION), highest)
        return Predicates(columns, lowest, highest).without_repetition()


@dataclass(frozen=True, slots=True)
class _Crowd:
    """Members and controls in one table, the members first."""

    people: SortedColumns
    members: int
    first_asks_controls: int

    def ask(self, label: str, kind: Iterable[Predicates]) -> Trials:
        """Return the successes; every other predicate is asked of the members.

        Which of them begins depends on what the two tables contain, so that swapping them swaps the counts.
        """
        taken = np.zeros(2 * self.members, dtype=np.bool_)
        successes, trials = [0, 0], [0, 0]
        for found in chain.from_iterable(map(self.people.matches, kind)):
            if found.size <= _LARGEST_CROWD:
                if taken[found].any():
                    continue
                taken[found] = True
            side = (sum(trials) + self.first_asks_controls) % 2
            on_side = (found >= self.members).sum() if side else (found < self.members).sum()
            trials[side] += 1
            successes[side] += int(on_side == 1)
        return Trials(label, successes[0], trials[0], successes[1], trials[1])


def _some(people: Records, rows: int, rng: np.random.Generator) -> Records:
    """Return that many rows in lexicographic order, whatever the order of the table."""
    return rows_in_order(rows_in_order(people).take(rng.permutation(len(people))[:rows]))


def _rare_values(released: Records) -> Predicates:
    """Return one condition for each value that occurs once, open to the outside where it is the extreme one."""
    columns, lowest, highest = [], [], []
    for column, (values, is_ordered) in enumerate(zip(in_units(released), released.ordered, strict=True)):
        levels, times = np.unique(values, return_counts=True)
        inside = levels[levels <= RESOLUTION]
        for level in levels[times == 1]:
            columns.append(column)
            lowest.append(0 if is_ordered and level == inside.min(initial=RESOLUTION) else level)
            highest.append(RESOLUTION if is_ordered and level == inside.max(initial=0) else level)
    return Predicates(*(np.array(part, dtype=np.int64).reshape(-1, 1) for part in (columns, lowest, highest)))


def _medians(released: Records) -> NDArray[np.float64]:
    """Return the median position of each ordered column; nothing where all cells are special."""
    medians = np.zeros(released.width)
    for column, values in enumerate(in_units(released)):
        inside = values[values <= RESOLUTION]
        if released.ordered[column] and inside.size:
            medians[column] = np.median(inside)
    return medians

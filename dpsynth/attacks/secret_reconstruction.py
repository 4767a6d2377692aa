"""A8, by linear reconstruction: which secrets of all people together fit the marginals of the released table best?

Every share that the release shows ("of those with these values, so many have the secret") is an equation on the people
who have these values. No single equation gives a person away; thousands of them do. So it reaches people who are in no
way outliers.

Source: M. S. M. S. Annamalai, A. Gadotti and L. Rocher, A Linear Reconstruction Approach for Attribute Inference
Attacks against Synthetic Data, USENIX Security 2024 (arXiv 2301.10053), section 4.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray

from dpsynth.attacks.base import Trials
from dpsynth.attacks.canonical_form import canonical_form, rows_in_order
from dpsynth.attacks.records import MISSING_LEVEL, Records
from dpsynth.errors import AttackFailed

_Codes = NDArray[np.int64]
_Flags = NDArray[np.bool_]

_BINS = 8
"""Of an ordered column, over the public range, where it describes people."""


@dataclass(frozen=True, slots=True)
class SecretReconstruction:
    """Guess a binary secret of all people at once, and count whose guess is right.

    People are members and controls in one pool, and nothing that is done to the pool depends on who is who. So under
    exchangeability the right guesses fall on members as a fair deal would have it, and the test is exact although the
    guesses hang together.

    A column of two levels is a secret as it is; of another, whether it has its most frequent level, or lies above its
    median. Secrets are those of two levels first, then the most balanced.

    Attributes:
        people: members, and as many controls, in the pool at most.
        secrets: at most.
        marginals: pairs of columns that are drawn, and as many triples.
    """

    people: int = 1000
    secrets: int = 2
    marginals: int = 10

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
        """Return the right guesses of each secret, labelled by the name of its column."""
        form = canonical_form(synthetic, reference)
        released, insiders, outsiders = form.of(synthetic), form.of(members), form.of(controls)
        if released is None or insiders is None or outsiders is None or not len(released) or released.width < 2:
            return ()
        size = min(self.people, len(members), len(controls))
        if not size:
            return ()
        seed = int(rng.integers(2**63))
        sides = [_some(people, size, np.random.default_rng(seed)) for people in (insiders, outsiders)]
        pool = sides[0].followed_by(sides[1])
        both = released.followed_by(form.of(reference) or released)
        chosen = _secrets(both)[: self.secrets]
        found = []
        for place in chosen:
            asked = _Question.of(both, place)
            right = self._guesses(pool, released, asked, rng) == asked.flags(pool)
            hits = int(right[:size].sum()), int(right[size:].sum())
            found.append(Trials(names[form.columns[place]], hits[0], size, hits[1], size))
        return tuple(found)

    def _guesses(self, pool: Records, released: Records, asked: _Question, rng: np.random.Generator) -> _Flags:
        """Return who is said to have the secret, shape (people,); people who look alike are one unknown."""
        looks = np.delete(_described(pool), asked.place, axis=1)
        kinds, kind, times = np.unique(looks, axis=0, return_inverse=True, return_counts=True)
        shown = np.delete(_described(released), asked.place, axis=1)
        secret = asked.flags(released)
        equations = [_equation(kinds, times, shown, secret, group) for group in self._groups(looks.shape[1], rng)]
        shares = _fitted(times, equations)
        guesses: _Flags = shares[kind] > 0.5
        return guesses

    def _groups(self, columns: int, rng: np.random.Generator) -> Iterator[NDArray[np.intp]]:
        """Yield the columns of each marginal: every single one, random pairs and triples, and all together."""
        yield from np.arange(columns)[:, None]
        for width in (2, 3):
            if width < columns:
                for _ in range(self.marginals):
                    yield np.sort(rng.permutation(columns)[:width])
        if columns > 1:
            yield np.arange(columns)


@dataclass(frozen=True, slots=True)
class _Question:
    """A column made binary: whether it has a level, or lies above a value."""

    place: int
    value: float
    above: bool

    @classmethod
    def of(cls, both: Records, place: int) -> _Question:
        cells = both.values[:, place]
        if not both.ordered[place]:
            return cls(place, 0.0, above=False)  # in canonical form, the most frequent level is number 0
        levels = np.unique(cells)
        middle = np.quantile(cells, 0.5, method="inverted_cdf")
        return cls(place, float(middle if middle < levels[-1] else levels[-2]), above=True)

    def flags(self, records: Records) -> _Flags:
        cells = records.values[:, self.place]
        found: _Flags = cells > self.value if self.above else cells == self.value
        return found


@dataclass(frozen=True, slots=True, eq=False)
class _Equation:
    """One marginal: the cell of each kind of people (-1 for none), how many there have the secret, and a weight."""

    cell: NDArray[np.intp]
    with_secret: NDArray[np.float64]
    weight: NDArray[np.float64]


def _secrets(both: Records) -> list[int]:
    """Return the columns, those of two levels first, then by balance, then in canonical order."""
    shares = [_Question.of(both, place).flags(both).mean() for place in range(both.width)]
    levels = [np.unique(cells).size for cells in both.values.T]
    return sorted(range(both.width), key=lambda place: (levels[place] != 2, abs(shares[place] - 0.5), place))


def _described(records: Records) -> _Codes:
    """Return codes of cells, shape (rows, columns): ordered ones in bins, special ones apart."""
    binned = np.where(
        records.values >= MISSING_LEVEL,
        _BINS + records.values - MISSING_LEVEL,
        np.minimum(records.values * _BINS, _BINS - 1),
    )
    return np.where(records.ordered, np.floor(binned), records.values).astype(np.int64)


def _equation(kinds: _Codes, times: _Codes, released: _Codes, secret: _Flags, group: NDArray[np.intp]) -> _Equation:
    """Return what one marginal of the released table says about kinds of people.

    Args:
        kinds: shape (kinds, columns), all different.
        times: shape (kinds,), how many people are of each kind.
        released: shape (rows, columns).
        secret: shape (rows,), which released rows have the secret.
        group: the columns of the marginal.
    """
    together = np.concatenate([kinds[:, group], released[:, group]])
    cells = np.unique(together, axis=0, return_inverse=True)[1]
    own, theirs = cells[: len(kinds)], cells[len(kinds) :]
    size = int(cells.max()) + 1
    there, shown = np.bincount(own, weights=times, minlength=size), np.bincount(theirs, minlength=size)
    used = (there > 0) & (shown > 0)
    numbers = np.full(size, -1, dtype=np.intp)
    numbers[used] = np.arange(used.sum())
    people = there[used]
    with_secret = people * np.bincount(theirs[secret], minlength=size)[used] / shown[used]
    # How many have the secret varies among so many people, and so does the share among so many rows.
    weights = 1 / np.sqrt(people * (1 + people / shown[used]))
    return _Equation(numbers[own], with_secret, weights)


def _fitted(times: _Codes, equations: Sequence[_Equation]) -> NDArray[np.float64]:
    """Return the share of each kind that has the secret, by least weighted absolute errors, shape (kinds,)."""
    lines, unknowns = [], []
    first = 0
    for equation in equations:
        held = np.flatnonzero(equation.cell >= 0)
        lines.append(equation.cell[held] + first)
        unknowns.append(held)
        first += equation.weight.size
    if not first:
        return np.zeros(times.size)
    line, unknown = np.concatenate(lines), np.concatenate(unknowns)
    known = scipy.sparse.coo_array((times[unknown].astype(np.float64), (line, unknown)), shape=(first, times.size))
    slack = scipy.sparse.eye_array(first)
    weights = np.concatenate([equation.weight for equation in equations])
    # The stubs of scipy know dense matrices only.
    system: Any = scipy.sparse.hstack([known, slack, -slack], format="csr")
    solved = scipy.optimize.linprog(
        np.concatenate([np.zeros(times.size), weights, weights]),
        A_eq=system,
        b_eq=np.concatenate([equation.with_secret for equation in equations]),
        bounds=[(0.0, 1.0)] * times.size + [(0.0, np.inf)] * (2 * first),
        method="highs-ipm",  # ten times faster here than the simplex method
    )
    if solved.x is None:
        raise AttackFailed("the secrets of all people could not be fitted to the released table: the risk is unknown")
    return np.asarray(solved.x[: times.size], dtype=np.float64)


def _some(people: Records, rows: int, rng: np.random.Generator) -> Records:
    """Return that many rows in lexicographic order, whatever the order of the table."""
    return rows_in_order(rows_in_order(people).take(rng.permutation(len(people))[:rows]))

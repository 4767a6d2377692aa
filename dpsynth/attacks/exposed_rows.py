"""Which training rows are exposed: a list with a bound on how many of them are listed by chance.

Each training row gets a conformal p-value: the share of controls that score as high, the row itself counted in. A row
that the release treats like an unseen one has a p-value that is uniform or larger. Benjamini and Hochberg's procedure
then lists rows so that of those listed, on average, at most the stated share were treated like unseen ones. Conformal
p-values share their controls and are positively dependent, which the procedure allows.

The score is chosen before any row is seen; a list from the best of several scores would have no bound.

Privacy: the list is about real people. It stays inside the internal audit and holds positions, never cells.

Source: S. Bates, E. Candes, L. Lei, Y. Romano, M. Sesia, Testing for Outliers with Conformal p-values, Annals of
Statistics 51 (2023), Theorem 2 and Corollary 1; Y. Benjamini and Y. Hochberg, JRSS B 57 (1995).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dpsynth.errors import InvalidInput


@dataclass(frozen=True, slots=True, repr=False)
class ExposedRows:
    """Training rows that the release gives away.

    Attributes:
        score: name of the attack whose score was used.
        rate: bound on the expected share of rows that are listed by chance.
        rows: positions among the members that were attacked, ascending.
        tested: number of members that were attacked.
        controls: number of controls they were compared with.
    """

    score: str
    rate: float
    rows: tuple[int, ...]
    tested: int
    controls: int


NOBODY = ExposedRows("", 0.05, (), 0, 0)
"""Nobody was tested."""


def exposed_rows(
    score: str, members: NDArray[np.float64], controls: NDArray[np.float64], *, rate: float = 0.05
) -> ExposedRows:
    """Return the members whose scores cannot be explained by those of the controls.

    Args:
        score: name of the attack, chosen in advance.
        members: its scores, shape (members,); higher means more likely a member.
        controls: its scores, shape (controls,).
        rate: bound on the expected share of rows that are listed by chance.

    Raises:
        InvalidInput: unless 0 < rate < 1.
    """
    listed = benjamini_hochberg(conformal_p_values(members, controls), rate=rate)
    return ExposedRows(score, rate, tuple(int(row) for row in np.flatnonzero(listed)), members.size, controls.size)


def conformal_p_values(members: NDArray[np.float64], controls: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (1 + #{controls that score as high}) / (controls + 1) for each member, shape (members,)."""
    as_high = controls.size - np.searchsorted(np.sort(controls), members, side="left")
    p_values: NDArray[np.float64] = (1 + as_high) / (controls.size + 1)
    return p_values


def benjamini_hochberg(p_values: NDArray[np.float64], *, rate: float) -> NDArray[np.bool_]:
    """Return which hypotheses are rejected at a false-discovery rate, shape of `p_values`.

    Raises:
        InvalidInput: unless 0 < rate < 1.
    """
    if not 0 < rate < 1:
        raise InvalidInput("a false-discovery rate lies between 0 and 1")
    in_order = np.sort(p_values)
    steps = rate * np.arange(1, p_values.size + 1) / max(p_values.size, 1)
    below = np.flatnonzero(in_order <= steps)
    limit = in_order[below[-1]] if below.size else -1.0
    rejected: NDArray[np.bool_] = p_values <= limit
    return rejected

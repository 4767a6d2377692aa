"""Tables of four and fewer rows, small enough to check every score by hand.

Two columns: one ordered on [0, 1], one unordered. Totals in column ranges; d(x, synthetic) and d(x, reference):

    target        synthetic (0, a) and (1/2, b)        reference (1, a)
    (0, a)        0                                    1
    (1/4, a)      1/4                                  3/4
    (1, b)        1/2                                  1
    (1, c)        min(2, 1/2 + 1) = 3/2                1
"""

from __future__ import annotations

import numpy as np

from dpsynth.attacks import Records

KINDS = np.array([True, False])
A, B, C = 0.0, 1.0, 2.0

TARGETS = Records(np.array([[0.0, A], [0.25, A], [1.0, B], [1.0, C]]), KINDS)
SYNTHETIC = Records(np.array([[0.0, A], [0.5, B]]), KINDS)
REFERENCE = Records(np.array([[1.0, A]]), KINDS)
NOTHING = Records(np.empty((0, 2)), KINDS)

TO_SYNTHETIC = np.array([0, 0.25, 0.5, 1.5])
TO_REFERENCE = np.array([1, 0.75, 1, 1])


def rng() -> np.random.Generator:
    return np.random.default_rng(0)

"""Denoising of ordered histograms: neighbouring codes tell about each other, so noise can be told from shape."""

from __future__ import annotations

import math

import numpy as np

from dpsynth.models.factor import Floats

FEWEST_CODES = 20
"""Histograms with fewer codes have too little shape to gain from."""

_THRESHOLD = 2.3
"""In standard deviations. Between 2 and 3 the error hardly changes; spiky columns want less, smooth ones more."""


def denoised(counts: Floats, stddev: float, *, sparse: bool = False) -> Floats:
    """Return an ordered histogram without the differences between neighbours that noise alone explains.

    Every contiguous pair of equally long stretches of codes, at every offset and every length that is a power of two,
    is compared; where the two differ by no more than noise would, the difference is dropped. Jumps, spikes and long
    slopes stay. Sums over long stretches hardly change.

    Args:
        counts: noisy counts in the order of the codes, shape (codes,), in rows.
        stddev: standard deviation of the noise of each, in rows.
        sparse: whether most codes may be empty. Then a difference is kept only where as many differences of pure noise
            as there are at its length would hardly reach it: with thousands of codes, some always look like spikes.

    Privacy: post-processing of counts that were charged before.
    Source: Coifman and Donoho (1995), "Translation-invariant de-noising", with the Haar wavelet; hard thresholding
        after Donoho and Johnstone (1994). The histogram is mirrored at its ends.
    """
    if len(counts) < FEWEST_CODES:
        return counts
    coarse = np.concatenate([counts, counts[::-1]])
    details = []
    for level in range(int(math.log2(len(counts)))):
        shifted = np.roll(coarse, -(1 << level))
        detail = (coarse - shifted) / math.sqrt(2)
        threshold = math.sqrt(2 * math.log(len(counts) / (1 << level))) if sparse else _THRESHOLD
        details.append(np.where(np.abs(detail) > threshold * stddev, detail, 0.0))
        coarse = (coarse + shifted) / math.sqrt(2)
    for level, detail in reversed(list(enumerate(details))):
        left, right = (coarse + detail) / math.sqrt(2), (coarse - detail) / math.sqrt(2)
        coarse = (left + np.roll(right, 1 << level)) / 2
    return coarse[: len(counts)]

"""How close a synthetic table is to the noisy marginals that it was made from: post-processing, charged already."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from dpsynth.certification.document import UtilitySection
from dpsynth.curator.queries import NoisyMarginal
from dpsynth.schema.domain import Domain
from dpsynth.schema.table import SyntheticTable

_DIGITS = 6


def utility_of(table: SyntheticTable, marginals: Iterable[NoisyMarginal]) -> tuple[UtilitySection, ...]:
    """Return the distance between `table` and each measured marginal, in the order of measurement.

    A marginal whose noisy counts hold nothing above zero says nothing and is left out.

    Privacy: reads the synthetic table and released noisy counts only.
    """
    sections = (_compare(table, marginal) for marginal in marginals)
    return tuple(section for section in sections if section is not None)


def _compare(table: SyntheticTable, marginal: NoisyMarginal) -> UtilitySection | None:
    noisy = np.clip(marginal.counts.astype(np.float64).ravel(), 0, None)
    total = float(noisy.sum())
    if total == 0:
        return None
    synthetic = marginal_at_its_resolution(table, marginal)
    shares = synthetic / max(float(synthetic.sum()), 1.0)
    distance = float(np.abs(shares - noisy / total).sum()) / 2
    # The mean absolute value of Gaussian noise is its standard deviation times sqrt(2 / pi).
    from_noise = noisy.size * marginal.stddev * math.sqrt(2 / math.pi) / (2 * total)
    return UtilitySection(
        columns=columns_of(marginal),
        cells=int(noisy.size),
        total_variation=round(min(distance, 1.0), _DIGITS),
        noise_stddev=round(marginal.stddev, _DIGITS),
        explained_by_noise=round(min(from_noise, 1.0), _DIGITS),
    )


def columns_of(marginal: NoisyMarginal) -> tuple[str, ...]:
    """Return the columns of the table behind the axes of `marginal`, coarser versions named by their column."""
    return tuple(marginal.groupings[name].column if name in marginal.groupings else name for name in marginal.clique)


def marginal_at_its_resolution(table: SyntheticTable, marginal: NoisyMarginal) -> NDArray[np.float64]:
    """Return the counts of `table` in the cells of `marginal`, flat, in rows; codes are grouped as it groups them."""
    domain = table.schema.domain
    codes = [table.codes[:, domain.position(name)] for name in columns_of(marginal)]
    for axis, name in enumerate(marginal.clique):
        if name in marginal.groupings:
            codes[axis] = np.array(marginal.groupings[name].groups, dtype=np.int32)[codes[axis]]
    cells = np.ravel_multi_index(tuple(codes), marginal.counts.shape)
    return np.bincount(cells, minlength=marginal.counts.size).astype(np.float64)


def marginal_of(codes: NDArray[np.int32], domain: Domain, clique: Sequence[str]) -> NDArray[np.float64]:
    """Return the counts of the cells of `clique` in a code table, flat, in rows."""
    shape = domain.shape(clique)
    columns = tuple(codes[:, domain.position(name)] for name in clique)
    cells = np.ravel_multi_index(columns, shape)
    return np.bincount(cells, minlength=math.prod(shape)).astype(np.float64)

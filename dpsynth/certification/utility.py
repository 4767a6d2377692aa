"""How close a synthetic table is to the noisy marginals that it was made from: post-processing, charged already."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from dpsynth.certification.document import UtilitySection
from dpsynth.curator.queries import Grouping, NoisyMarginal
from dpsynth.schema.domain import Domain
from dpsynth.schema.table import SyntheticTable

_DIGITS = 6


def utility_of(table: SyntheticTable, marginals: Iterable[NoisyMarginal]) -> tuple[UtilitySection, ...]:
    """Return the distance between `table` and each measured marginal, in the order of measurement.

    A marginal whose noisy counts hold nothing above zero says nothing and is left out. One over groups of codes is
    compared over these groups and listed under its columns.

    Privacy: reads the synthetic table and released noisy counts only.
    """
    sections = (_compare(table, marginal) for marginal in marginals)
    return tuple(section for section in sections if section is not None)


def _compare(table: SyntheticTable, marginal: NoisyMarginal) -> UtilitySection | None:
    noisy = np.clip(marginal.counts.astype(np.float64).ravel(), 0, None)
    total = float(noisy.sum())
    if total == 0:
        return None
    synthetic = marginal_of(table.codes, table.schema.domain, marginal.clique, marginal.groupings)
    shares = synthetic / max(float(synthetic.sum()), 1.0)
    distance = float(np.abs(shares - noisy / total).sum()) / 2
    # The mean absolute value of Gaussian noise is its standard deviation times sqrt(2 / pi).
    from_noise = noisy.size * marginal.stddev * math.sqrt(2 / math.pi) / (2 * total)
    return UtilitySection(
        columns=columns_of(marginal.clique, marginal.groupings),
        cells=int(noisy.size),
        total_variation=round(min(distance, 1.0), _DIGITS),
        noise_stddev=round(marginal.stddev, _DIGITS),
        explained_by_noise=round(min(from_noise, 1.0), _DIGITS),
    )


def columns_of(clique: Sequence[str], groupings: Mapping[str, Grouping]) -> tuple[str, ...]:
    """Return the columns of the table behind `clique`, coarser versions named by their column."""
    return tuple(groupings[name].column if name in groupings else name for name in clique)


def marginal_of(
    codes: NDArray[np.int32], domain: Domain, clique: Sequence[str], groupings: Mapping[str, Grouping] | None = None
) -> NDArray[np.float64]:
    """Return the counts of the cells of `clique` in a code table, flat, in rows.

    Args:
        codes: shape (rows, columns), columns as in `domain`.
        domain: names and sizes of the columns.
        clique: columns, or names of `groupings`.
        groupings: coarser versions of columns, by name.
    """
    coarser = groupings or {}
    shape = tuple(coarser[name].size if name in coarser else domain.size(name) for name in clique)
    columns = [codes[:, domain.position(name)] for name in columns_of(clique, coarser)]
    for axis, name in enumerate(clique):
        if name in coarser:
            columns[axis] = np.array(coarser[name].groups, dtype=np.int32)[columns[axis]]
    cells = np.ravel_multi_index(tuple(columns), shape)
    return np.bincount(cells, minlength=math.prod(shape)).astype(np.float64)

"""Error bars: how far single columns and pairs of a synthetic table may be from the real ones.

Everything here is computed from answers that were charged before: the noisy counts with their known noise, the fitted
model, and the synthetic table. docs/design/error_bars.md has the derivation and says what each figure covers.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from dpsynth.curator.queries import Grouping, NoisyMarginal
from dpsynth.generators.rehearsal import Rehearsal
from dpsynth.models.l1_noise import l1_noise_quantile
from dpsynth.schema.domain import Clique
from dpsynth.schema.table import SyntheticTable

if TYPE_CHECKING:
    import pandas as pd

LEVEL = 0.95
"""Chance with which an interval covers the distance that it is about; for each interval by itself."""

MOST_BARS = 2000
"""With more columns and pairs than this, pairs that were not measured are left out."""

_TOTAL_MISSED = 0.005
"""Part of the chance of missing that goes to the unknown number of rows; the rest goes to the cells."""

Floats: TypeAlias = NDArray[np.float64]
Basis: TypeAlias = Literal["measured", "measured in groups", "model"]


@dataclass(frozen=True, slots=True)
class ErrorBar:
    """How far one marginal of the synthetic table may be from that of the measured table.

    Distances are total variation of shares: the part of the rows that would have to move, between 0 and 1.

    Attributes:
        columns: one column or two, in the order of the schema.
        groups: over how many values of each column counts are compared; fewer than codes where groups were measured.
        basis: `measured`: the counts were measured, with noise. `measured in groups`: they were measured over groups of
            codes, and the figures are about these. `model`: they were not measured together; the interval says nothing.
        expected: the distance to be expected. For `model` it leaves out what the model does not know about the pair.
        lower: lower end of the interval for the distance.
        upper: upper end of it.
    """

    columns: Clique
    groups: tuple[int, ...]
    basis: Basis
    expected: float
    lower: float
    upper: float


@dataclass(frozen=True, slots=True)
class ErrorBars:
    """Error bars of a synthetic table, single columns first.

    Attributes:
        level: chance with which an interval covers its distance, each by itself.
        bars: one for each column and pair that is not left out.
        omitted: number of pairs that are left out because there are so many.
    """

    level: float
    bars: tuple[ErrorBar, ...]
    omitted: int = 0

    def to_pandas(self) -> pd.DataFrame:
        """Return a frame with one row for each bar and the attributes of `ErrorBar` as columns."""
        import pandas as pd

        names = ("columns", "groups", "basis", "expected", "lower", "upper")
        return pd.DataFrame([[getattr(bar, name) for name in names] for bar in self.bars], columns=list(names))


@dataclass(frozen=True, slots=True)
class _Evidence:
    """All answers about one marginal as one noisy table: flat counts, and the noise per cell, both in rows."""

    counts: Floats
    stddev: float

    @property
    def cells(self) -> int:
        return self.counts.size


def error_bars(table: SyntheticTable, rehearsal: Rehearsal) -> ErrorBars:
    """Return the error bars of `table`, which was sampled from the model of `rehearsal`.

    A table without rows has no shares to compare and no error bars.

    Privacy: post-processing; nothing is charged.
    """
    if table.rows == 0:
        return ErrorBars(LEVEL, ())
    domain, names = rehearsal.model.domain, table.schema.domain.names
    groupings = {name: coarse for answer in rehearsal.answers for name, coarse in answer.groupings.items()}
    evidence, second_evidence = _evidence(rehearsal.answers), _evidence(rehearsal.second_answers)
    finest = _finest_versions(evidence, rehearsal, groupings)
    pairs: list[Clique] = list(combinations(names, 2))
    possible = len(pairs)
    if len(names) + possible > MOST_BARS:
        pairs = [pair for pair in pairs if pair in finest]
    wanted: list[Clique] = [*((name,) for name in names), *pairs]
    cliques = [finest.get(columns, columns) for columns in wanted]
    modelled, second_modelled = rehearsal.model.marginals(cliques), rehearsal.second.marginals(cliques)
    total = max(rehearsal.model.total, 1.0)
    total_slack = _total_slack(rehearsal.answers, total)
    bars: list[ErrorBar] = []
    for columns, clique in zip(wanted, cliques, strict=True):
        shape = domain.shape(clique)
        shares = _shares(table, clique, groupings, shape)
        first, second = modelled[clique].ravel(), second_modelled[clique].ravel()
        expected, lower, upper = _from_noise(first, second, total), 0.0, 1.0
        basis: Basis = "model"
        if clique in evidence:
            expected *= _beyond_noise(evidence[clique], second_evidence[clique], first, second)
            lower, upper = _interval(evidence[clique], shares, total, total_slack)
            whole = shape == table.schema.domain.shape(columns)
            basis = "measured" if whole else "measured in groups"
        expected = math.hypot(expected, 0.5 * float(np.abs(first / total - shares).sum()))
        bars.append(ErrorBar(columns, shape, basis, min(max(expected, lower), upper), lower, upper))
    return ErrorBars(LEVEL, tuple(bars), omitted=possible - len(pairs))


def _evidence(answers: Iterable[NoisyMarginal]) -> dict[Clique, _Evidence]:
    """Return every column and pair that an answer holds, with all answers about it averaged by inverse variance.

    Summing an answer over other columns adds up the variances of the cells that are summed.
    """
    sums: dict[Clique, tuple[Floats, float]] = {}
    for answer in answers:
        for order in (1, 2):
            for clique in combinations(answer.clique, order):
                summed = tuple(axis for axis, name in enumerate(answer.clique) if name not in clique)
                counts = answer.counts.sum(axis=summed).ravel().astype(np.float64)
                precision = counts.size / (answer.counts.size * answer.stddev**2)
                before = sums.get(clique, (np.zeros_like(counts), 0.0))
                sums[clique] = (before[0] + precision * counts, before[1] + precision)
    return {
        clique: _Evidence(weighted / precision, math.sqrt(1 / precision))
        for clique, (weighted, precision) in sums.items()
    }


def _finest_versions(
    evidence: Iterable[Clique], rehearsal: Rehearsal, groupings: Mapping[str, Grouping]
) -> dict[Clique, Clique]:
    """Return by columns of the schema the measured clique with the most cells."""
    finest: dict[Clique, Clique] = {}
    for clique in evidence:
        columns = tuple(groupings[name].column if name in groupings else name for name in clique)
        known = finest.get(columns)
        if known is None or rehearsal.model.domain.cells(clique) > rehearsal.model.domain.cells(known):
            finest[columns] = clique
    return finest


def _shares(table: SyntheticTable, clique: Clique, groupings: Mapping[str, Grouping], shape: tuple[int, ...]) -> Floats:
    """Return the share of synthetic rows in each cell of `clique`, flat."""
    domain = table.schema.domain
    cells = np.zeros(table.rows, dtype=np.int64)
    for name, size in zip(clique, shape, strict=True):
        coarse = groupings.get(name)
        codes = table.codes[:, domain.position(name if coarse is None else coarse.column)]
        cells = cells * size + (codes if coarse is None else np.array(coarse.groups)[codes])
    return np.bincount(cells, minlength=math.prod(shape)) / table.rows


def _total_slack(answers: Iterable[NoisyMarginal], total: float) -> float:
    """Return by how much shares of the estimated number of rows may be off, all cells together, in shares.

    Each answer sums to the number of rows, with the variance of its cells added up; the estimate averages these sums
    by inverse variance.
    """
    precision = sum(1 / (answer.counts.size * answer.stddev**2) for answer in answers)
    return float(ndtri(1 - _TOTAL_MISSED / 2)) / math.sqrt(precision) / total


def _interval(evidence: _Evidence, shares: Floats, total: float, total_slack: float) -> tuple[float, float]:
    """Return the interval: no noise moves the distance by more than its own sum of absolute values."""
    distance = 0.5 * float(np.abs(evidence.counts / total - shares).sum())
    noise = l1_noise_quantile(evidence.cells, evidence.stddev, LEVEL + _TOTAL_MISSED)
    slack = 0.5 * (noise / total + total_slack)
    return min(max(distance - slack, 0.0), 1.0), min(distance + slack, 1.0)


def _from_noise(modelled: Floats, second: Floats, total: float) -> float:
    """Return the distance that noise causes between a model and the truth, as the rehearsal shows it."""
    return 0.5 * float(np.abs(second - modelled).sum()) / total


def _beyond_noise(evidence: _Evidence, second_evidence: _Evidence, modelled: Floats, second: Floats) -> float:
    """Return how many times larger the model's error is than noise explains, at least 1.

    The squared distance of a model from the noisy counts, less that of the noise, plus twice their covariance, is an
    unbiased estimate of its squared distance from the truth. The rehearsal shows the covariance.

    Source: Efron 2004, equation 2.8.
    """
    moved = second - modelled
    explained = float(moved @ moved)
    if explained == 0:
        return 1.0
    apart = evidence.counts - modelled
    noise = evidence.cells * evidence.stddev**2
    covariance = float(moved @ (second_evidence.counts - modelled))
    return math.sqrt(max(1.0, (float(apart @ apart) - noise + 2 * covariance) / explained))

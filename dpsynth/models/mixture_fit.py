"""Fit a mixture of products to noisy columns and pairs: weighted least squares, a price on information, Adam.

Free mixtures of hundreds of components could follow the noise of every table. What keeps them from that is a price on
the information that the component carries about each column: in its absence all components are alike and the columns
independent; dependence is bought where measurements ask for it. docs/design/mixture_of_products.md has the figures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dpsynth.errors import InvalidInput
from dpsynth.models.factor import Floats
from dpsynth.models.measurement import Measurement
from dpsynth.models.mixture_of_products import MixtureOfProducts, column_rows
from dpsynth.progress import phase
from dpsynth.schema.domain import Clique, Domain

Array = NDArray[np.floating]

_FIRST_MOMENT, _SECOND_MOMENT, _TINY = 0.9, 0.999, 1e-12
_SMALLEST_SHARE = 1e-5
"""Codes whose noisy count is not positive start at this share."""

_CERTAIN = 100.0
"""How much more than a measured cell one counts that is known to be empty."""


@dataclass(frozen=True, slots=True, eq=False)
class ColumnCounts:
    """Noisy counts of all columns, one below the other.

    Attributes:
        counts: in rows, float array (cells of all columns,).
        stddevs: standard deviation of the noise on each, in rows, the same shape.
    """

    counts: Floats
    stddevs: Floats


def fit_mixture(
    domain: Domain,
    columns: ColumnCounts,
    pairs: Sequence[Measurement],
    *,
    total: float,
    rng: np.random.Generator,
    components: int = 512,
    iterations: int = 600,
    information_price: float = 0.0,
    impossible: Mapping[Clique, NDArray[np.bool_]] | None = None,
    learning_rate: float = 0.1,
) -> MixtureOfProducts:
    """Return a mixture whose columns and pairs are close to the measured ones, in units of their noise.

    Args:
        domain: the columns.
        columns: noisy counts of every column.
        pairs: noisy counts of pairs.
        total: number of rows, at least 1.
        rng: public randomness: where the components start.
        components: number of products.
        iterations: steps of Adam; the step size falls to zero along half a cosine.
        information_price: see `MixtureLoss`.
        impossible: see `MixtureLoss`.
        learning_rate: first step size, in units of logits.

    Privacy: post-processing of measurements that were charged before.

    Source: Kingma and Ba 2015 (Adam).
    """
    loss = MixtureLoss(domain, columns, pairs, total=total, information_price=information_price, impossible=impossible)
    start = np.log(np.maximum(columns.counts / total, _SMALLEST_SHARE)).astype(np.float32)[:, None]
    logits = start + rng.standard_normal((len(start), components), dtype=np.float32)
    weights = np.zeros((1, components), dtype=np.float32)
    parameters = np.concatenate([logits, weights])
    first, second = np.zeros_like(parameters), np.zeros_like(parameters)
    with phase("fit the mixture", iterations) as advance:
        for step in range(1, iterations + 1):
            gradient = loss.gradient(parameters)[1]
            first += np.float32(1 - _FIRST_MOMENT) * (gradient - first)
            np.square(gradient, out=gradient)
            second += np.float32(1 - _SECOND_MOMENT) * (gradient - second)
            size = learning_rate * 0.5 * (1 + np.cos(np.pi * step / iterations)) / (1 - _FIRST_MOMENT**step)
            root = np.sqrt(second / np.float32(1 - _SECOND_MOMENT**step))
            parameters -= np.float32(size) * first / (root + np.float32(_TINY))
            advance(1)
    shares, weight = loss.distribution(parameters.astype(np.float64))
    return MixtureOfProducts(domain, weight.astype(np.float64), shares.astype(np.float64))


class MixtureLoss:
    """Half the squared error of columns and pairs in units of their noise, plus what information costs.

    With Z the component, the second term is `information_price` times the sum over columns X of I(Z; X), in nats.
    By the data-processing inequality every pair's dependence I(X; Y) is at most I(Z; X), so this prices dependence.
    Everything is divided by the number of measured cells.

    Parameters are one float array (cells of all columns + 1, components): logits of the shares within each column, and
    in the last row logits of the components' weights.

    Pairs are formed as products of per-column factors; with component weights w and shares P the pair (a, b) is
    (P_a w) P_b^T, and a column is multiplied with all its partners at once.
    """

    def __init__(
        self,
        domain: Domain,
        columns: ColumnCounts,
        pairs: Sequence[Measurement],
        *,
        total: float,
        information_price: float = 0.0,
        impossible: Mapping[Clique, NDArray[np.bool_]] | None = None,
        dtype: type[np.floating] = np.float32,
    ) -> None:
        """Keep the measurements as shares of `total`.

        Args:
            domain: the columns.
            columns: noisy counts of every column.
            pairs: noisy counts of pairs.
            total: number of rows.
            information_price: what a nat of information costs.
            impossible: per column or pair, True for cells that are known to be empty. They count as measured without
                noise, nearly; a mixture can come close to empty cells and not make sure of them.
            dtype: of all arrays.

        Raises:
            InvalidInput: a measurement is no pair of two columns, or its shape is not that of its columns.
        """
        if columns.counts.shape != (sum(domain.sizes),) or columns.stddevs.shape != columns.counts.shape:
            raise InvalidInput("a mixture needs one count and one standard deviation for every code")
        self._starts = np.array([rows.start for rows in column_rows(domain).values()])
        self._sizes = np.array(domain.sizes)
        self._column_shares = (columns.counts / total).astype(dtype)
        self._column_weights = ((total / columns.stddevs) ** 2).astype(dtype)
        for clique, mask in (impossible or {}).items():
            if len(clique) == 1:
                rows = column_rows(domain)[clique[0]]
                self._column_shares[rows][mask] = 0.0
                self._column_weights[rows][mask] *= _CERTAIN
        self._blocks = _blocks(domain, pairs, impossible or {}, total, dtype)
        self._cells = len(columns.counts) + sum(block.shares.size for block in self._blocks)
        self._price = dtype(information_price)

    def distribution(self, parameters: Array) -> tuple[Array, Array]:
        """Return shares (cells, components) and weights (components,)."""
        logits, weights = parameters[:-1], np.exp(parameters[-1] - parameters[-1].max())
        shares = np.exp(logits - self._repeated(np.maximum.reduceat(logits, self._starts, axis=0)))
        shares /= self._summed(shares)
        return shares, weights / weights.sum()

    def gradient(self, parameters: Array) -> tuple[float, Array]:
        """Return the loss and its derivatives by `parameters`."""
        shares, weights = self.distribution(parameters)
        roots = np.sqrt(weights)
        factors = shares * roots
        pulls = np.zeros_like(factors)
        loss = 0.0
        for block in self._blocks:
            own, partners = factors[block.own], factors[block.partners]
            error = own @ partners.T
            error -= block.shares
            weighted = error * block.weights
            loss += 0.5 * float(np.vdot(weighted, error))
            pulls[block.own] += weighted @ partners
            pulls[block.partners] += weighted.T @ own
        # From here on: derivatives by the logarithm of a share and, summed up, of a weight. A weight occurs once in a
        # pair and a share on either side, hence the half.
        pulls *= factors
        by_weight = 0.5 * pulls.sum(axis=0)
        mean = shares @ weights
        error = mean - self._column_shares
        weighted = self._column_weights * error
        loss += 0.5 * float(weighted @ error)
        extra = shares * weighted[:, None]
        if self._price:
            tiny = np.finfo(shares.dtype).tiny
            ratio = np.log((shares + tiny) / (mean + tiny)[:, None])
            ratio *= shares
            loss += float(self._price) * float(weights @ ratio.sum(axis=0))
            extra += self._price * ratio
        extra *= weights
        pulls += extra
        by_weight += extra.sum(axis=0)
        gradient = np.empty_like(parameters)
        gradient[:-1] = pulls - shares * self._summed(pulls)
        gradient[-1] = by_weight - weights * by_weight.sum()
        gradient /= self._cells
        return loss / self._cells, gradient

    def _summed(self, cells: Array) -> Array:
        return self._repeated(np.add.reduceat(cells, self._starts, axis=0))

    def _repeated(self, columns: Array) -> Array:
        return np.repeat(columns, self._sizes, axis=0)


@dataclass(frozen=True, slots=True, eq=False)
class _Block:
    """One column with all partners that it was measured with: rows of cells, shares and weights 1 / variance."""

    own: slice
    partners: slice | NDArray[np.int64]
    shares: Array
    weights: Array


def _blocks(
    domain: Domain,
    pairs: Sequence[Measurement],
    impossible: Mapping[Clique, NDArray[np.bool_]],
    total: float,
    dtype: type[np.floating],
) -> tuple[_Block, ...]:
    rows = column_rows(domain)
    blocks = []
    for name, partners in _by_first_column(domain, pairs).items():
        cells = np.concatenate([np.arange(rows[other].start, rows[other].stop) for other in partners])
        contiguous = len(cells) == cells[-1] - cells[0] + 1
        empty = np.concatenate(
            [
                impossible.get((name, other), np.zeros_like(table, dtype=np.bool_))
                for other, (table, _) in partners.items()
            ],
            axis=1,
        )
        shares = np.concatenate([counts / total for counts, _ in partners.values()], axis=1)
        weights = np.concatenate(
            [np.full((1, table.shape[1]), total**2 * weight) for table, weight in partners.values()], axis=1
        )
        if empty.any():
            shares = np.where(empty, 0.0, shares)
            weights = np.where(empty, _CERTAIN * weights, weights)
        blocks.append(
            _Block(
                own=rows[name],
                partners=slice(int(cells[0]), int(cells[-1]) + 1) if contiguous else cells,
                shares=shares.astype(dtype),
                weights=weights.astype(dtype),
            )
        )
    return tuple(blocks)


def _by_first_column(domain: Domain, pairs: Sequence[Measurement]) -> dict[str, dict[str, tuple[Floats, float]]]:
    """Return counts and weight of each pair, by first and second column in the domain's order; repeats averaged."""
    found: dict[str, dict[str, tuple[Floats, float]]] = {}
    for measured in pairs:
        clique = domain.canonical(measured.clique)
        if len(clique) != 2 or measured.counts.shape != domain.shape(measured.clique):
            raise InvalidInput(f"a mixture is fitted to pairs of columns in their own sizes, not {clique}")
        counts = measured.counts if clique == measured.clique else measured.counts.T
        before, weight = found.setdefault(clique[0], {}).get(clique[1], (np.zeros_like(counts), 0.0))
        both = weight + measured.weight
        found[clique[0]][clique[1]] = ((before * weight + counts * measured.weight) / both, both)
    return {
        name: dict(sorted(partners.items(), key=lambda item: domain.position(item[0])))
        for name, partners in found.items()
    }

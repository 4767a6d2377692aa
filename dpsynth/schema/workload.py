"""What a synthetic table will be asked: every pair of columns, and what the schema declares to matter more.

A workload is a set of marginals with weights. Generators spend their budget where its weight is, so it is public and is
declared before anything is measured.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, combinations

from dpsynth.errors import InvalidInput
from dpsynth.schema.domain import Clique, Domain

TARGET_FACTOR = 4
"""How many times a marginal counts for holding the target; docs/reference/schema.md has the measurement."""

IMPORTANT_FACTOR = 3
"""How many times a marginal counts for every important column that it holds."""

LARGEST_WEIGHT = 1000
"""Largest weight of a listed marginal."""

_LARGEST_SELECTION_WEIGHT = 1 << 20
"""The curator's selection takes no larger one."""


@dataclass(frozen=True, slots=True)
class Workload:
    """Marginals with weights; made by `Workload.of`.

    All pairs of columns are in it or, with `group_by`, all triples of that column and two others: every pair within
    each of its values. Each counts the product of its columns' factors. Listed marginals count their weight on top.

    Attributes:
        domain: the columns.
        factors: how many times a marginal counts for holding a column, in the order of the domain.
        group_by: the column within whose values the table will be looked at.
        listed: marginals that count more, with their weights.
        shares: weight of the whole workload that holds each column, divided by the common divisor.
    """

    domain: Domain
    factors: tuple[int, ...]
    group_by: str | None
    listed: Mapping[Clique, int]
    shares: Mapping[str, int]

    @classmethod
    def of(
        cls,
        domain: Domain,
        *,
        target: str | None = None,
        important: Sequence[str] = (),
        group_by: str | None = None,
        listed: Mapping[Clique, int] | None = None,
    ) -> Workload:
        """Return a workload; without arguments, all pairs with equal weight.

        Args:
            domain: the columns.
            target: the column that others will be used to predict.
            important: columns that count more.
            group_by: the column within whose values the table will be looked at.
            listed: marginals that count more, with positive weights; all pairs together count one each.

        Raises:
            InvalidInput: an unknown column, or a weight that is not positive.
        """
        raised = dict.fromkeys(important, IMPORTANT_FACTOR)
        if target is not None:
            raised[target] = TARGET_FACTOR
        named = {domain.canonical(clique): weight for clique, weight in (listed or {}).items()}
        for name in [*raised, *([] if group_by is None else [group_by])]:
            domain.position(name)
        if any(weight < 1 for weight in named.values()):
            raise InvalidInput("weights of a workload must be positive")
        factors = tuple(raised.get(name, 1) for name in domain.names)
        shares = _shares(domain.names, factors, group_by, named)
        return cls(domain, factors, group_by, named, shares)

    def weight(self, columns: Iterable[str]) -> int:
        """Return the importance of measuring a marginal: its overlap with the workload, a positive whole number.

        The overlap is the sum over marginals of the workload of their weight times the number of columns that they
        share with `columns`. Each column contributes by itself, so it is a sum over columns. Only ratios matter: the
        common divisor of all columns is taken out.

        Source: McKenna, Mullins, Sheldon and Miklau 2022, "AIM", algorithm 2, line 2.

        Raises:
            InvalidInput: a column that the workload does not know.
        """
        try:
            return sum(self.shares[name] for name in set(columns))
        except KeyError as fault:
            raise InvalidInput(f"'{fault.args[0]}' is not a column of this workload") from None

    def cliques(self, order: int, *, largest: int | None = None) -> Iterator[Clique]:
        """Yield the marginals of the workload over exactly `order` columns, each once.

        Args:
            order: number of columns.
            largest: most cells of a marginal; larger ones are left out.
        """
        basic = self._basic() if order == self._basic_order else ()
        extra = (clique for clique in self.listed if len(clique) == order and not self._is_basic(clique))
        for clique in chain(basic, extra):
            if largest is None or self.domain.cells(clique) <= largest:
                yield clique

    def importance(self, clique: Clique) -> int:
        """Return the weight of one marginal in the workload; 0 if it is not in it.

        Args:
            clique: columns in the order of the domain.
        """
        counted = math.prod(self.factors[self.domain.position(name)] for name in clique)
        return (counted if self._is_basic(clique) else 0) + self.listed.get(clique, 0)

    @property
    def _basic_order(self) -> int:
        return 2 if self.group_by is None else 3

    def _is_basic(self, clique: Clique) -> bool:
        return len(clique) == self._basic_order and (self.group_by is None or self.group_by in clique)

    def _basic(self) -> Iterator[Clique]:
        if self.group_by is None:
            return combinations(self.domain.names, 2)
        others = (name for name in self.domain.names if name != self.group_by)
        return (self.domain.canonical((self.group_by, *pair)) for pair in combinations(others, 2))


def _shares(
    names: Clique, factors: tuple[int, ...], group_by: str | None, listed: Mapping[Clique, int]
) -> Mapping[str, int]:
    """Return by column the summed weight of the marginals that hold it, as numbers that a selection takes.

    Of all pairs, those with column i weigh f_i (F - f_i), where F sums all factors. Of all triples with column g they
    weigh f_g f_i (F - f_g - f_i), and those with g itself f_g times all pairs of the others.
    """
    factor = dict(zip(names, factors, strict=True))
    whole = sum(factors)
    if group_by is None:
        weights = {name: factor[name] * (whole - factor[name]) for name in names}
    else:
        inner, others = factor[group_by], whole - factor[group_by]
        weights = {name: inner * factor[name] * (others - factor[name]) for name in names}
        weights[group_by] = sum(weight for name, weight in weights.items() if name != group_by) // 2
    for clique, weight in listed.items():
        for name in clique:
            weights[name] += weight
    divisor = math.gcd(*weights.values()) or 1
    reduced = {name: max(1, weight // divisor) for name, weight in weights.items()}
    heaviest = sum(reduced.values())
    if heaviest <= _LARGEST_SELECTION_WEIGHT:
        return reduced
    return {name: max(1, weight * (_LARGEST_SELECTION_WEIGHT // 2) // heaviest) for name, weight in reduced.items()}

"""Combinations of codes that no record can have, by public declaration.

A generator gives these cells no mass at all, so nothing is repaired afterwards and nothing is charged: which cells they
are follows from the schema alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from string import ascii_letters

import numpy as np
from numpy.typing import NDArray

from dpsynth.errors import ConstraintBroken, InvalidInput
from dpsynth.schema.domain import Clique, Domain

LARGEST_CLIQUE = 1_000_000
"""Cells of the columns that one rule ties together."""

LARGEST_JOIN = 4_000_000
"""Cells of the columns that all rules tie together, codes that no rule tells apart counted once."""

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class StructuralZeros:
    """The impossible combinations of a schema.

    Attributes:
        domain: the columns of the schema.
        masks: per clique, in the order of the domain, True where no record can be.
    """

    domain: Domain
    masks: Mapping[Clique, Mask]
    _atoms: Mapping[str, NDArray[np.int64]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Refuse masks of another shape, and find which codes are alike."""
        for clique, mask in self.masks.items():
            if self.domain.canonical(clique) != clique or mask.shape != self.domain.shape(clique):
                raise InvalidInput(f"structural zeros of {clique} need the shape and order of the domain")
        object.__setattr__(self, "_atoms", {name: self._alike(name) for name in self.domain.names})

    def __bool__(self) -> bool:
        """Return whether anything is impossible."""
        return bool(self.masks)

    def impossible(self, domain: Domain) -> Mapping[Clique, Mask]:
        """Return the masks for a domain that holds these columns, perhaps in another order, at their full size.

        Raises:
            InvalidInput: a column of a rule is not there, or has another size.
        """
        found: dict[Clique, Mask] = {}
        for clique, mask in self.masks.items():
            own = domain.canonical(clique)
            if domain.shape(own) != self.domain.shape(own):
                raise InvalidInput(f"the structural zeros of {clique} belong to columns of another size")
            found[own] = mask.transpose([clique.index(name) for name in own])
        return found

    def merged(self, groups: Mapping[str, NDArray[np.int64]]) -> Mapping[Clique, Mask]:
        """Return the masks over groups of codes in place of codes.

        Args:
            groups: per column the group of each code, numbers 0 to k - 1; columns left out keep their codes.

        Raises:
            InvalidInput: a group holds codes that some rule tells apart; see `atoms`.
        """
        found: dict[Clique, Mask] = {}
        for clique, mask in self.masks.items():
            labels = [groups[name] if name in groups else np.arange(self.domain.size(name)) for name in clique]
            firsts = [np.unique(label, return_index=True)[1] for label in labels]
            merged = mask[np.ix_(*firsts)]
            if not np.array_equal(merged[np.ix_(*labels)], mask):
                raise InvalidInput(f"a group of codes straddles the border of a rule about {clique}")
            found[clique] = merged
        return found

    def atoms(self, column: str) -> NDArray[np.int64]:
        """Return a label per code of `column`: codes with the same label are alike for every rule.

        Labels are 0 to k - 1 in the order in which they first appear, so groups within them straddle no border.
        """
        return self._atoms[self.domain.names[self.domain.position(column)]]

    def violations(self, codes: NDArray[np.integer]) -> Mask:
        """Return which rows are impossible, shape (rows,), for codes of shape (rows, columns) in schema order."""
        broken = np.zeros(len(codes), dtype=np.bool_)
        for clique, mask in self.masks.items():
            broken |= mask[tuple(codes[:, self.domain.position(name)] for name in clique)]
        return broken

    def require_obeyed(self, codes: NDArray[np.integer]) -> None:
        """Stop where a synthetic row is impossible: that is a fault of this software, and nothing is repaired.

        Raises:
            ConstraintBroken: some row breaks a rule.
        """
        if self.violations(codes).any():
            raise ConstraintBroken("the generator made a record that the schema excludes; it cannot be used")

    def possible_records(self, allowed: Mapping[str, Mask] | None = None) -> int:
        """Return how many different records there can be, exactly up to 2^53.

        Args:
            allowed: per column which codes count; all of the columns that are left out.

        Raises:
            InvalidInput: the rules tie too many columns together to tell.
        """
        weights: dict[str, NDArray[np.float64]] = {}
        for name, size in zip(self.domain.names, self.domain.sizes, strict=True):
            counted = np.ones(size, dtype=np.bool_) if allowed is None or name not in allowed else allowed[name].copy()
            if (name,) in self.masks:
                counted &= ~self.masks[name,]
            weights[name] = np.bincount(self.atoms(name), weights=counted).astype(np.float64)
        tables = [
            (clique, (~mask).astype(np.float64))
            for clique, mask in self.merged({name: self.atoms(name) for name in self.domain.names}).items()
            if len(clique) > 1
        ]
        left = {name for clique, _ in tables for name in clique}
        count = math.prod(int(weight.sum()) for name, weight in weights.items() if name not in left)
        tables += [((name,), weights[name]) for name in self.domain.names if name in left]
        while left:
            name = min(sorted(left), key=lambda chosen: self._joined_size(tables, chosen))
            left.remove(name)
            joined = [table for table in tables if name in table[0]]
            tables = [table for table in tables if name not in table[0]]
            if self._joined_size(joined, name) > LARGEST_JOIN:
                raise InvalidInput(
                    f"the rules together tie too many values to those of '{name}'; use fewer rules or coarser bins"
                )
            summed = _summed(joined, name)
            if summed[0]:
                tables.append(summed)
            else:
                count *= int(summed[1])
        return count

    def _joined_size(self, tables: Sequence[tuple[Clique, NDArray[np.float64]]], name: str) -> int:
        around = {other for clique, _ in tables if name in clique for other in clique}
        return math.prod(int(self.atoms(other).max()) + 1 for other in around)

    def _alike(self, name: str) -> NDArray[np.int64]:
        rows = [
            np.moveaxis(mask, clique.index(name), 0).reshape(mask.shape[clique.index(name)], -1)
            for clique, mask in self.masks.items()
            if name in clique
        ]
        size = self.domain.size(name)
        if not rows:
            return np.zeros(size, dtype=np.int64)
        seen: dict[bytes, int] = {}
        packed = np.packbits(np.concatenate(rows, axis=1), axis=1)
        return np.array([seen.setdefault(row.tobytes(), len(seen)) for row in packed], dtype=np.int64)


def _summed(tables: Sequence[tuple[Clique, NDArray[np.float64]]], name: str) -> tuple[Clique, NDArray[np.float64]]:
    """Return the product of the tables, summed over `name`."""
    names = list(dict.fromkeys(other for clique, _ in tables for other in clique))
    letters = dict(zip(names, ascii_letters, strict=False))
    output = tuple(other for other in names if other != name)
    inputs = ",".join("".join(letters[other] for other in clique) for clique, _ in tables)
    product = np.einsum(
        f"{inputs}->{''.join(letters[other] for other in output)}", *(table for _, table in tables), optimize="greedy"
    )
    return output, np.asarray(product)

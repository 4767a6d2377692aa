"""From the rules of a schema file to structural zeros, by what is declared and nothing else.

Everything that is wrong with a rule is reported, none of it is raised, so that a schema can name all problems at once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

import numpy as np

from dpsynth.errors import InvalidInput
from dpsynth.schema.columns import Column
from dpsynth.schema.condition import (
    AllOf,
    Comparison,
    Condition,
    NotOf,
    alternatives,
    columns_of,
    parse_condition,
)
from dpsynth.schema.document import ConstraintPart
from dpsynth.schema.domain import Clique, Domain
from dpsynth.schema.faults import Faults
from dpsynth.schema.structural_zeros import LARGEST_CLIQUE, Mask, StructuralZeros
from dpsynth.schema.truth_table import TruthTables
from dpsynth.schema.yaml_source import Path

_FORMS = (("if_", "then"), ("never",), ("column", "determines", "mapping"))


def structural_zeros(
    columns: Sequence[Column],
    rules: Sequence[ConstraintPart],
    report: Callable[[Path, str], None],
    *,
    faulty: Collection[str] = (),
) -> StructuralZeros:
    """Return the impossible combinations that follow from required columns and from rules.

    Args:
        columns: the synthesised columns.
        rules: as written.
        report: is given every problem, with its place within the list of rules.
        faulty: declared columns that something is wrong with; rules about them are passed over.
    """
    domain = Domain(tuple(column.name for column in columns), tuple(column.size for column in columns))
    masks: dict[Clique, Mask] = {}
    for column in columns:
        if not column.outside_is_possible and column.outside_code is not None:
            masks[column.name,] = np.arange(column.size) == column.outside_code
    faults = Faults(report)
    by_name = {column.name: column for column in columns}
    for place, rule in enumerate(rules):
        reader = _RuleReader(by_name, domain, frozenset(faulty), faults, place)
        for clique, mask in reader.masks(rule):
            masks[clique] = masks[clique] | mask if clique in masks else mask
    if faults.none() and rules:
        _check_some_record_is_left(StructuralZeros(domain, masks), faults)
    return StructuralZeros(domain, masks if faults.none() else {})


def _check_some_record_is_left(zeros: StructuralZeros, faults: Faults) -> None:
    try:
        if not zeros.possible_records():
            faults.add((), "the rules together exclude every record; some of them contradict each other")
    except InvalidInput as fault:
        faults.add((), str(fault))


class _RuleReader:
    """Turns one rule into masks."""

    def __init__(
        self, columns: Mapping[str, Column], domain: Domain, faulty: frozenset[str], faults: Faults, place: int
    ) -> None:
        self._columns = columns
        self._domain = domain
        self._faulty = faulty
        self._faults = faults
        self._place = place

    def masks(self, rule: ConstraintPart) -> Iterator[tuple[Clique, Mask]]:
        """Yield what the rule forbids, nothing where it has a fault."""
        given = rule.model_fields_set - {"undecided", "description"}
        form = next((form for form in _FORMS if given == set(form)), None)
        if form is None:
            self._fault((), "a rule is `if` with `then`, or `never`, or `column` with `determines` and `mapping`")
            return
        if form[0] == "column":
            yield from self._against_mapping(rule)
            return
        parts = [self._parsed(form_key.rstrip("_"), getattr(rule, form_key)) for form_key in form]
        if all(parts):
            premise, *conclusion = (part for part in parts if part is not None)
            condition = AllOf((premise, *map(NotOf, conclusion)))
            yield from self._forbidden(condition, rule, form[-1])

    def _fault(self, path: Path, message: str) -> None:
        self._faults.add((self._place, *path), message)

    def _parsed(self, key: str, text: str) -> Condition | None:
        try:
            return parse_condition(text, [*self._columns, *self._faulty])
        except InvalidInput as fault:
            self._fault((key,), str(fault))
            return None

    def _forbidden(self, condition: Condition, rule: ConstraintPart, key: str) -> Iterator[tuple[Clique, Mask]]:
        """Yield where the condition holds for certain, clique by clique."""
        if not self._faulty.isdisjoint(columns_of(condition)):
            return
        undecided: dict[str, None] = {}
        try:
            found = [self._certain(alternative, undecided) for alternative in alternatives(condition)]
        except InvalidInput as fault:
            self._fault((key,), str(fault))
            return
        if undecided and rule.undecided == "refuse":
            for message in undecided:
                self._fault((key,), message)
        elif not any(mask.any() for _, mask in found):
            self._fault((key,), "forbids no combination of declared values; correct it or leave it out")
        else:
            yield from ((clique, mask) for clique, mask in found if mask.any())

    def _certain(self, condition: Condition, undecided: dict[str, None]) -> tuple[Clique, Mask]:
        """Return where a condition holds for certain; why it is not certain elsewhere is added to `undecided`.

        Raises:
            InvalidInput: it ties too many columns together, or compares what cannot be compared.
        """
        clique = self._domain.canonical(columns_of(condition))
        cells, shape = self._domain.cells(clique), self._domain.shape(clique)
        if cells > LARGEST_CLIQUE:
            raise InvalidInput(f"ties {cells:,} combinations of {', '.join(clique)}; at most {LARGEST_CLIQUE:,} fit")
        tables = TruthTables(self._columns, clique)
        truth = tables.of(condition)
        if (truth.true & (truth.false | truth.unknown)).any():
            undecided.update(tables.undecided)
        return clique, np.ascontiguousarray(np.broadcast_to(truth.true & ~truth.false & ~truth.unknown, shape))

    def _against_mapping(self, rule: ConstraintPart) -> Iterator[tuple[Clique, Mask]]:
        """Yield every pair of a declared value with something else than the mapping gives it."""
        source, target = str(rule.column), str(rule.determines)
        unknown = [name for name in (source, target) if name not in self._columns and name not in self._faulty]
        if unknown or source == target:
            message = f"'{unknown[0]}' is not a synthesised column" if unknown else "a column does not determine itself"
            self._fault(("column" if source in unknown else "determines",), message)
            return
        if {source, target} & self._faulty:
            return
        column, other = self._columns[source], self._columns[target]
        if column.size * other.size > LARGEST_CLIQUE:
            self._fault((), f"ties {column.size * other.size:,} combinations; at most {LARGEST_CLIQUE:,} fit")
            return
        forbidden = np.zeros((column.size, other.size), dtype=np.bool_)
        left_out = set(range(column.declared_size))
        for value, allowed in rule.mapping or ():
            codes = self._codes_of(source, value, rule)
            targets = np.logical_or.reduce([self._codes_of(target, entry, rule) for entry in allowed])
            if not left_out.issuperset(np.flatnonzero(codes)):
                self._fault(("mapping",), f"'{value}' has the code of another value of '{source}'")
            left_out.difference_update(np.flatnonzero(codes).tolist())
            forbidden |= codes[:, None] & ~targets
        if left_out:
            missed = ", ".join(f"'{column.labels[code]}'" for code in sorted(left_out)[:3])
            self._fault(("mapping",), f"says nothing about {missed}; list every declared value of '{source}'")
        clique = self._domain.canonical((source, target))
        yield clique, forbidden if clique[0] == source else np.ascontiguousarray(forbidden.T)

    def _codes_of(self, name: str, value: str, rule: ConstraintPart) -> Mask:
        """Return which codes of a column stand for `value`, and for nothing else unless the rule says `possible`."""
        tables = TruthTables(self._columns, (name,))
        try:
            truth = tables.of(Comparison(name, "==", value))
        except InvalidInput as fault:
            self._fault(("mapping",), str(fault))
            return np.zeros(self._columns[name].size, dtype=np.bool_)
        for message in tables.undecided if rule.undecided == "refuse" else ():
            self._fault(("mapping",), message)
        return truth.true

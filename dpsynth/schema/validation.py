"""From the text of a schema file to its checked parts, or to everything that is wrong with it at once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from typing import TypeVar, cast

from pydantic import BaseModel, ValidationError

from dpsynth.accounting.unit import PrivacyUnit
from dpsynth.errors import SchemaError, SchemaProblem
from dpsynth.schema.advice import message_of
from dpsynth.schema.axes import CategoryAxis, TruthAxis
from dpsynth.schema.columns import Column
from dpsynth.schema.constraint_rules import structural_zeros
from dpsynth.schema.declaration import declare_column
from dpsynth.schema.document import Dialect, FieldDocument, TableDocument, TablePart
from dpsynth.schema.domain import Domain
from dpsynth.schema.open_categories import is_open
from dpsynth.schema.people_group import STILL_OPEN, PeopleGroup, people_groups
from dpsynth.schema.structural_zeros import StructuralZeros
from dpsynth.schema.workload import Workload
from dpsynth.schema.yaml_source import BLANK, Path, Tree, YamlSource, read_yaml

DATASET_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")

_Part = TypeVar("_Part", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class CheckedSchema:
    """The parts of a schema that has no problems."""

    document: TableDocument
    dataset: str
    unit: PrivacyUnit
    columns: tuple[Column, ...]
    ignored: tuple[str, ...]
    workload: Workload
    constraints: StructuralZeros
    groups: tuple[PeopleGroup, ...]


def validate(text: str, name: str) -> CheckedSchema:
    """Return the checked parts of a schema file.

    Args:
        text: the file, YAML or JSON.
        name: what to call it in messages.

    Raises:
        SchemaError: everything that is wrong with it, in the order of the file.
    """
    source = read_yaml(text)
    if not isinstance(source.tree, dict):
        raise SchemaError(name, source.problems)
    check = _Check(source)
    document = check.structure(source.tree)
    table = _leniently(TablePart, source.tree.get("dpsynth"))
    columns = check.columns(source.tree, table)
    dataset = check.dataset(source.tree, table)
    unit = None if table is None else check.unit(table)
    if table is not None:
        check.workload(table)
    constraints = check.constraints(table, columns)
    groups = check.audit(table, columns)
    check.dialect(_leniently(Dialect, source.tree.get("dialect", {})), columns)
    if check.problems or document is None or unit is None or dataset is None:
        raise SchemaError(name, sorted(set(check.problems), key=lambda problem: (problem.line, problem.column)))
    names = [field.name for field in document.fields]
    coded = {column.name for column in columns}
    ignored = dict.fromkeys([*document.dpsynth.ignore, *(name for name in names if name not in coded)])
    ignored.pop(unit.id_column or "", None)
    asked = document.dpsynth.workload
    workload = Workload.of(
        Domain(tuple(column.name for column in columns), tuple(column.size for column in columns)),
        target=asked.target,
        important=asked.important,
        group_by=asked.group_by,
        listed={marginal.columns: marginal.weight for marginal in asked.marginals},
    )
    return CheckedSchema(document, dataset, unit, columns, tuple(ignored), workload, constraints, groups)


class _Check:
    """Collects problems from every part of the file."""

    def __init__(self, source: YamlSource) -> None:
        self._source = source
        self.problems: list[SchemaProblem] = list(source.problems)
        self.synthesised: set[str] = set()
        for path in source.blanks:
            self.add(path, f"still says {BLANK}; fill it in from public knowledge, never from the rows")

    def add(self, path: Path, message: str, *, at_key: bool = False) -> None:
        self.problems.append(self._source.problem(path, message, at_key=at_key))

    def structure(self, tree: Mapping[str, Tree]) -> TableDocument | None:
        """Report unknown and missing keys and values of the wrong form; return the document if there are none."""
        try:
            return TableDocument.model_validate(tree)
        except ValidationError as fault:
            for error in fault.errors(include_url=False):
                path = error["loc"]
                counted_wrongly = error["type"] == "too_short" and self._source.value_at(path)  # entries with faults
                if not self._is_faulty(path) and not counted_wrongly:
                    self.add(path, message_of(error), at_key=error["type"] == "extra_forbidden")
            return None

    def columns(self, tree: Mapping[str, Tree], table: TablePart | None) -> tuple[Column, ...]:
        """Return the columns without problems; report those of the others."""
        fields = tree.get("fields")
        listed = fields if isinstance(fields, list) else []
        left_out = set() if table is None else {*table.ignore, table.unit.id_column}
        declared_missing = tree.get("missingValues", [""])
        missing = (
            [text for text in declared_missing if isinstance(text, str)] if isinstance(declared_missing, list) else []
        )
        columns: list[Column] = []
        seen: set[str] = set()
        attempted = False
        for place, part in enumerate(listed):
            path: Path = ("fields", place)
            field = _leniently(FieldDocument, part)
            name = self._source.value_at((*path, "name"))
            if isinstance(name, str):
                self._check_name(name, seen, (*path, "name"))
            if field is None or field.name in left_out or field.dpsynth.role == "ignore":
                attempted |= field is None
                if field is None and isinstance(name, str):
                    self.synthesised.add(name)  # its own problem is named already
                continue
            attempted = True
            self.synthesised.add(field.name)
            if self._is_faulty(path):
                continue
            column = declare_column(field, missing, partial(self._add_within, path))
            if column is not None:
                columns.append(column)
        if listed and not attempted:
            self.add(("fields",), "no column is left to synthesise")
        return tuple(columns)

    def dataset(self, tree: Mapping[str, Tree], table: TablePart | None) -> str | None:
        """Return the data set id."""
        given = None if table is None else table.dataset
        path: Path = ("name",) if given is None else ("dpsynth", "dataset")
        dataset = tree.get("name") if given is None else given
        if self._is_faulty(path) or self._is_faulty(("dpsynth", "dataset")):
            return None
        if not isinstance(dataset, str):
            self.add((), "`name` is missing: the data set id under which the ledger keeps its budget")
            return None
        if not DATASET_ID.fullmatch(dataset):
            self.add(path, "a data set id has letters, digits, '.', '_' and '-' and starts with a letter or digit")
            return None
        return dataset

    def unit(self, table: TablePart) -> PrivacyUnit | None:
        """Return the privacy unit."""
        unit, path = table.unit, ("dpsynth", "unit")
        if self._is_faulty(path):
            return None
        if unit.id_column is None:
            if unit.kind is None or unit.max_rows_per_unit not in {None, 1}:
                self.add(path, "say `kind: row` alone, or `id_column` with `max_rows_per_unit`; there is no default")
                return None
            return PrivacyUnit()
        if unit.kind is not None or unit.max_rows_per_unit is None or unit.id_column in table.ignore:
            self.add(
                path, "an `id_column` needs `max_rows_per_unit`, goes without `kind` and is not listed under `ignore`"
            )
            return None
        return PrivacyUnit(max_rows_per_unit=unit.max_rows_per_unit, id_column=unit.id_column)

    def workload(self, table: TablePart) -> None:
        """Report columns of the workload that the synthetic table will not have, and marginals named twice."""
        asked, path = table.workload, ("dpsynth", "workload")
        named: list[tuple[Path, str]] = [
            ((*path, "important", place), name) for place, name in enumerate(asked.important)
        ]
        named += [((*path, key), name) for key in ("target", "group_by") if (name := getattr(asked, key)) is not None]
        seen: set[frozenset[str]] = set()
        for place, marginal in enumerate(asked.marginals):
            here: Path = (*path, "marginals", place, "columns")
            named += [((*here, inner), name) for inner, name in enumerate(marginal.columns)]
            columns = frozenset(marginal.columns)
            if len(columns) < len(marginal.columns) or columns in seen:
                self.add(here, "names a column twice, or the columns of another marginal of the list")
            seen.add(columns)
        if len(set(asked.important)) < len(asked.important) or asked.target in asked.important:
            self.add((*path, "important"), "names a column twice, or the target, which counts more in any case")
        for where, name in named:
            if name not in self.synthesised:
                self.add(where, f"'{name}' is not a column of the synthetic table")

    def constraints(self, table: TablePart | None, columns: tuple[Column, ...]) -> StructuralZeros:
        """Return what no record can be; report rules that cannot be taken at their word."""
        rules = () if table is None else table.constraints
        report = partial(self._add_within, ("dpsynth", "constraints"))
        return structural_zeros(columns, rules, report, faulty=self.synthesised - {column.name for column in columns})

    def audit(self, table: TablePart | None, columns: tuple[Column, ...]) -> tuple[PeopleGroup, ...]:
        """Return the declared groups of people; report what is no group, and quasi-identifiers that nobody has."""
        if table is None:
            return ()
        path: Path = ("dpsynth", "audit")
        seen: set[frozenset[str]] = set()
        for place, listed in enumerate(table.audit.quasi_identifiers):
            here: Path = (*path, "quasi_identifiers", place)
            for inner, name in enumerate(listed):
                if name not in self.synthesised:
                    self.add((*here, inner), f"'{name}' is not a column of the synthetic table")
            if any(is_open(column) for column in columns if column.name in listed):
                self.add(here, STILL_OPEN)
            if len({*listed}) < len(listed) or frozenset(listed) in seen:
                self.add(here, "names a column twice, or the columns of another list")
            seen.add(frozenset(listed))
        faulty = self.synthesised - {column.name for column in columns}
        return people_groups(columns, table.audit.groups, partial(self._add_within, (*path, "groups")), faulty=faulty)

    def dialect(self, dialect: Dialect | None, columns: tuple[Column, ...]) -> None:
        """Report a dialect that cannot write the table."""
        if dialect is None:
            return
        if len(dialect.delimiter) != 1 or dialect.delimiter in "\r\n\"'" or dialect.delimiter.isalnum():
            self.add(("dialect", "delimiter"), "must be one character that is no letter, digit, quote or line break")
        if not _reads_any_line(dialect.encoding):
            self.add(
                ("dialect", "encoding"),
                "must be a text encoding that contains ASCII and keeps no state, such as utf-8 (with or without a byte "
                "order mark), latin-1, iso8859-15, cp1252, cp1250, cp1251, koi8-r, shift_jis, euc_jp, gb18030, big5 or "
                "euc_kr",
            )
            return
        for column in columns:
            if not all(_can_encode(text, dialect.encoding) for text in (column.name, *_texts_of(column))):
                self.add(("dialect", "encoding"), f"cannot write the name or a value of column '{column.name}'")

    def _add_within(self, around: Path, path: Path, message: str) -> None:
        self.add((*around, *path), message)

    def _check_name(self, name: str, seen: set[str], path: Path) -> None:
        if not name.strip() or len(name.splitlines()) > 1:
            self.add(path, "a column name must be text on one line that is not blank")
        elif name in seen:
            self.add(path, f"two columns are named '{name}'")
        seen.add(name)

    def _is_faulty(self, path: Path) -> bool:
        """Return whether something at, in or around `path` is reported already."""
        return any(bad[: len(path)] == path or path[: len(bad)] == bad for bad in self._source.faulty)


def _leniently(model: type[_Part], tree: Tree) -> _Part | None:
    """Return the part with its unknown keys left out, so that the others can still be checked; None if that fails."""
    kept = deepcopy(tree)
    for _ in range(2):
        try:
            return model.model_validate(kept)
        except ValidationError as fault:
            errors = fault.errors(include_url=False)
        if any(error["type"] != "extra_forbidden" for error in errors):
            return None
        for error in errors:
            *around, key = error["loc"]
            here = cast("dict[str, Tree]", kept)
            for step in around:
                here = cast("dict[str, Tree]", here[cast("str", step)])
            del here[cast("str", key)]
    return None


def _texts_of(column: Column) -> tuple[str, ...]:
    """Return what a CSV file may hold of a column."""
    axis = column.axis
    special = (column.missing.written,)
    if isinstance(axis, CategoryAxis):
        return (*special, *axis.values, axis.outside_label or "")
    return (*special, *axis.labels()) if isinstance(axis, TruthAxis) else special


def _reads_any_line(encoding: str) -> bool:
    """Return whether this is a text encoding around ASCII whose decoder takes any bytes.

    Codecs with escapes and shifts (iso2022, hz, utf-7, unicode_escape) raise on some bytes whatever they are told about
    errors; then one record could stop a run. Each of them gives a byte of ASCII another meaning, or none.
    """
    try:
        alone = [bytes([byte]).decode(encoding, errors="surrogateescape") for byte in range(256)]
        escapes = rb"\u0041\U00000041\x41"
        return (
            "\n,".encode(encoding) == b"\n,"
            and all(len(text) == 1 for text in alone)
            and len(escapes.decode(encoding)) == len(escapes)
        )
    except (LookupError, ValueError):
        return False


def _can_encode(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeError:
        return False
    return True

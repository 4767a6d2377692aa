"""What is publicly known about a table, and nothing that its rows would have to tell.

A `Schema` is complete by construction: a file with blanks, unknown keys or parts that contradict each other is refused,
and everything that is wrong with it is named at once.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dpsynth.accounting.unit import PrivacyUnit
from dpsynth.errors import InvalidInput, SchemaError, SchemaProblem
from dpsynth.schema.columns import Column
from dpsynth.schema.document import Dialect, TableDocument, as_written
from dpsynth.schema.domain import Domain
from dpsynth.schema.open_categories import is_open
from dpsynth.schema.people_group import PeopleGroup
from dpsynth.schema.structural_zeros import StructuralZeros
from dpsynth.schema.validation import validate
from dpsynth.schema.workload import Workload
from dpsynth.schema.yaml_source import BLANK
from dpsynth.schema.yaml_text import yaml_text

_LARGEST_FILE = 16 << 20
_TO_BE_FOUND = "its categories are private and still to be found, for a charge: dpsynth discover"


@dataclass(frozen=True, slots=True)
class Schema:
    """The public description of a table: made by `from_yaml` or `from_text`.

    Attributes:
        document: the schema file as it was written.
        dataset: data set id in the ledger.
        unit: who is protected.
        columns: the columns of the synthetic table, in order.
        ignored: columns of the file that are left out, the unit's id column not among them.
        workload: what the synthetic table will be asked.
        constraints: combinations of codes that no record of the synthetic table has.
        groups: people whom the internal audit looks at on their own.
    """

    document: TableDocument
    dataset: str
    unit: PrivacyUnit
    columns: tuple[Column, ...]
    ignored: tuple[str, ...]
    workload: Workload = field(compare=False)  # made from the document
    constraints: StructuralZeros = field(repr=False, compare=False)
    groups: tuple[PeopleGroup, ...] = field(default=(), repr=False, compare=False)

    @classmethod
    def from_yaml(cls, path: str | Path) -> Schema:
        """Return the schema in a YAML or JSON file.

        Raises:
            SchemaError: the file cannot be read, or everything that is wrong with it, blanks included.
        """
        place = Path(path)
        try:
            if place.stat().st_size > _LARGEST_FILE:
                raise SchemaError(str(place), [SchemaProblem("file", "larger than 16 MiB; is this the table itself?")])
            text = place.read_bytes().decode("utf-8")
        except FileNotFoundError:
            raise SchemaError(str(place), [SchemaProblem("file", "there is no such file")]) from None
        except OSError as fault:
            raise SchemaError(str(place), [SchemaProblem("file", f"cannot be read ({fault.strerror})")]) from None
        except UnicodeDecodeError:
            raise SchemaError(str(place), [SchemaProblem("file", "not UTF-8 text; save it as UTF-8")]) from None
        return cls.from_text(text, source=str(place))

    @classmethod
    def from_text(cls, text: str, *, source: str = "<schema>") -> Schema:
        """Return the schema in a YAML or JSON text; `source` names it in messages.

        Raises:
            SchemaError: everything that is wrong with it, blanks included.
        """
        checked = validate(text, source)
        return cls(
            document=checked.document,
            dataset=checked.dataset,
            unit=checked.unit,
            columns=checked.columns,
            ignored=checked.ignored,
            workload=checked.workload,
            constraints=checked.constraints,
            groups=checked.groups,
        )

    @property
    def dialect(self) -> Dialect:
        """How CSV files of this table are written: `delimiter` and `encoding`."""
        return self.document.dialect

    @property
    def public_rows(self) -> int | None:
        """The publicly known order of magnitude of the number of rows."""
        return self.document.dpsynth.public_rows

    @property
    def quasi_identifiers(self) -> tuple[tuple[str, ...], ...]:
        """Lists of columns in which others may know people."""
        return self.document.dpsynth.audit.quasi_identifiers

    @property
    def domain(self) -> Domain:
        """Names and numbers of codes of all columns."""
        return Domain(tuple(column.name for column in self.columns), tuple(column.size for column in self.columns))

    @property
    def digest(self) -> str:
        """SHA-256 of what is declared, as 64 hexadecimal digits; comments and layout of the file do not count."""
        written = json.dumps(as_written(self.document), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(written.encode("ascii")).hexdigest()

    def column(self, name: str) -> Column:
        """Return one column.

        Raises:
            InvalidInput: there is none of that name.
        """
        found = next((column for column in self.columns if column.name == name), None)
        if found is None:
            raise InvalidInput(f"'{name}' is not a column of this schema")
        return found

    def require_complete(self) -> None:
        """Refuse a schema with blanks; one that was read from a file has none, because reading it refuses them all.

        Raises:
            SchemaError: a blank is left.
        """
        blank = f"still says {BLANK}; fill it in from public knowledge, never from the rows"
        blanks = [SchemaProblem(f"column '{column.name}'", blank) for column in self.columns if BLANK in column.labels]
        blanks += [SchemaProblem(f"column '{column.name}'", _TO_BE_FOUND) for column in self.columns if is_open(column)]
        if blanks or BLANK in self.dataset:
            raise SchemaError(self.dataset, blanks or [SchemaProblem("name", blank)])

    def with_categories(self, found: Mapping[str, Sequence[str]], source: str) -> Schema:
        """Return the schema with the categories of its open columns; a column for which none was found is left out.

        Args:
            found: the categories of every open column, in order.
            source: where they come from, in words.

        Raises:
            SchemaError: a category that no file can hold, or that cannot be told from another.
        """
        written = as_written(self.document)
        for field_ in written["fields"]:
            if field_["name"] in found:
                categories, block = list(found[field_["name"]]), field_["dpsynth"]
                del block["categories"]
                block["provenance"] = "; ".join(filter(None, [block.get("provenance"), source]))
                field_.update({"categories": categories} if categories else {})
                block.update({} if categories else {"role": "ignore"})
        return Schema.from_text(yaml_text(written), source=self.dataset)

    def to_yaml(self) -> str:
        """Return the schema as YAML text; `from_text` gives an equal schema with the same digest."""
        return yaml_text(as_written(self.document))

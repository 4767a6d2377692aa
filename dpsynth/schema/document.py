"""A schema file as it is written: Frictionless Table Schema with a `dpsynth` block, unknown keys refused.

Every value arrives as the text that stands in the file, so that no reader of YAML can turn the category `no` into a
truth value or `1_000` into a number. Numbers and truth values are read here, where the key says what is meant; whether
the parts fit together is checked in `declaration`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, WithJsonSchema

from dpsynth.schema.workload import LARGEST_WEIGHT

MOST_DECLARED = 20
"""Groups, and lists of quasi-identifiers: each takes its part of the significance of an audit."""

_ONE_VALUE = {"type": ["string", "number", "boolean"]}


def _one_value(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("must be one value, not a list, a mapping or nothing")  # noqa: TRY004 - pydantic's protocol
    return value


PRIVATE_QUANTILES, PRIVATE_TREE = "private-quantiles", "private-tree"
_PRIVATE_BINS = re.compile(rf"{PRIVATE_QUANTILES} [1-9][0-9]{{0,3}}|{PRIVATE_TREE}", re.ASCII)


def _value_mapping(value: object) -> tuple[tuple[str, tuple[str, ...]], ...]:
    if not isinstance(value, Mapping) or not value:
        raise ValueError("must be a mapping from each value to the value, or the list of values, that it allows")
    return tuple((key, _one_or_more(entry)) for key, entry in value.items())


def _one_or_more(value: object) -> tuple[str, ...]:
    if isinstance(value, list) and not value:
        raise ValueError("needs at least one value")
    return tuple(_one_value(entry) for entry in value) if isinstance(value, list) else (_one_value(value),)


def _bins(value: object) -> int | str | tuple[str, ...]:
    if isinstance(value, list):
        return tuple(_one_value(edge) for edge in value)
    text = " ".join(_one_value(value).split())
    if _PRIVATE_BINS.fullmatch(text):
        return text
    if not text.isascii() or not text.isdigit() or len(text) > len("10000"):
        raise ValueError(
            f"must be a whole number of bins, a list of bin edges, `{PRIVATE_QUANTILES}` with a number, or "
            f"`{PRIVATE_TREE}`"
        )
    return int(text)


def _category(value: object) -> object:
    return value if isinstance(value, Mapping) else {"value": _one_value(value)}


Text = Annotated[str, Field(min_length=1)]
Value = Annotated[str, PlainValidator(_one_value), WithJsonSchema(_ONE_VALUE)]
ValueMapping = Annotated[
    tuple[tuple[str, tuple[str, ...]], ...],
    PlainValidator(_value_mapping),
    WithJsonSchema(
        {
            "type": "object",
            "minProperties": 1,
            "additionalProperties": {"anyOf": [_ONE_VALUE, {"type": "array", "items": _ONE_VALUE, "minItems": 1}]},
        }
    ),
]


class _Part(BaseModel):
    """A part of the file; keys that are not described here are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_by_name=True, validate_by_alias=True)


class Dialect(_Part):
    """How a CSV file is written."""

    delimiter: Text = Field(",", description="The character between two cells.")
    encoding: Text = Field("utf-8", description="The text encoding, by its Python name.")


class UnitPart(_Part):
    """Who is protected: one row, or all rows of one person."""

    kind: Literal["row"] | None = Field(None, description="`row`: every row is a person of its own.")
    id_column: Text | None = Field(None, description="The column that says which rows belong to one person.")
    max_rows_per_unit: int | None = Field(
        None, ge=1, description="Rows kept of one person, drawn by lot; the noise grows with it."
    )


class MarginalPart(_Part):
    """A marginal that counts more."""

    columns: tuple[Text, ...] = Field(min_length=1, description="Columns whose counts together matter.")
    weight: int = Field(ge=1, le=LARGEST_WEIGHT, description="How many pairs of columns it counts as much as.")


class WorkloadPart(_Part):
    """What the synthetic table will be asked; the budget is spent where its weight is."""

    target: Text | None = Field(None, description="The column that others will be used to predict.")
    important: tuple[Text, ...] = Field((), description="Columns whose marginals count more.")
    group_by: Text | None = Field(
        None, description="A column within each of whose values every pair of the others is looked at."
    )
    marginals: tuple[MarginalPart, ...] = Field((), description="Marginals that count more.")


class ConstraintPart(_Part):
    """What no record can be: `if` with `then`, or `never`, or `column` with `determines` and `mapping`."""

    if_: Text | None = Field(None, alias="if", description="A condition, such as `age < 15`.")
    then: Text | None = Field(None, description="What must hold wherever `if` holds.")
    never: Text | None = Field(None, description="A condition that no record fulfils.")
    column: Text | None = Field(None, description="A column that determines another one.")
    determines: Text | None = Field(None, description="The column that it determines.")
    mapping: ValueMapping | None = Field(
        None, description="For each declared value of `column` the value, or values, that `determines` has there."
    )
    undecided: Literal["refuse", "possible"] = Field(
        "refuse",
        description="Combinations of bins that hold values of both kinds: refuse the rule, or take them as possible.",
    )
    description: str | None = Field(None, description="Why this is so, for people; from public knowledge.")


class GroupPart(_Part):
    """People whom the internal audit looks at on their own, with limits of their own."""

    name: Text = Field(description="What the report calls them.")
    who: Text = Field(description="A condition that holds for them, such as `age >= 85`.")
    description: str | None = Field(None, description="Why they are looked at, for people.")


class AuditPart(_Part):
    """What the internal audit looks at in particular."""

    quasi_identifiers: tuple[Annotated[tuple[Text, ...], Field(min_length=1)], ...] = Field(
        (), max_length=MOST_DECLARED, description="Lists of columns in which others may know people."
    )
    groups: tuple[GroupPart, ...] = Field(
        (), max_length=MOST_DECLARED, description="People to whom a leak would do more harm than to others."
    )


class TablePart(_Part):
    """What Table Schema has no words for, about the table."""

    dataset: Text | None = Field(None, description="Data set id in the ledger; `name` if not given.")
    unit: UnitPart = Field(description="The privacy unit. There is no default.")
    public_rows: int | None = Field(
        None, ge=1, description="Publicly known order of magnitude of the number of privacy units."
    )
    ignore: tuple[Text, ...] = Field((), description="Columns of the file that are left out of the synthetic table.")
    workload: WorkloadPart = Field(
        default_factory=WorkloadPart, description="What the synthetic table will be asked; every pair if not given."
    )
    constraints: tuple[ConstraintPart, ...] = Field(
        (), description="Rules that every record of the synthetic table obeys; from public knowledge."
    )
    audit: AuditPart = Field(
        default_factory=AuditPart, description="What the internal audit looks at; costs nothing and decides nothing."
    )
    provenance: str | None = Field(None, description="Where these declarations were taken from; never from the rows.")


class Constraints(_Part):
    """What a cell may be."""

    required: bool = Field(default=False, description="Whether a cell can never be empty; drops the missing slot.")
    minimum: Value | None = Field(None, description="Smallest number or earliest moment.")
    maximum: Value | None = Field(None, description="Largest number or latest moment.")
    enum: tuple[Value, ...] | None = Field(None, description="All values; the same as `categories`.")


class CategoryEntry(_Part):
    """A category with a label for people; cells hold the value."""

    value: Value
    label: str | None = None


Category = Annotated[
    CategoryEntry,
    BeforeValidator(_category),
    WithJsonSchema(
        {
            "anyOf": [
                _ONE_VALUE,
                {
                    "type": "object",
                    "properties": {"value": _ONE_VALUE, "label": {"type": "string"}},
                    "required": ["value"],
                    "additionalProperties": False,
                },
            ]
        }
    ),
]
Bins = Annotated[
    int | str | tuple[str, ...],
    PlainValidator(_bins),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 1, "maximum": 10000},
                {"type": "array", "items": _ONE_VALUE, "minItems": 2},
                {"type": "string", "pattern": f"^({_PRIVATE_BINS.pattern})$"},
            ]
        }
    ),
]


class FieldPart(_Part):
    """What Table Schema has no words for, about a column."""

    role: Literal["synthesise", "ignore"] = Field("synthesise", description="`ignore`: leave the column out.")
    kind: Literal["categorical", "ordinal", "integer", "continuous", "datetime", "boolean"] | None = Field(
        None, description="How the column is coded; follows from `type` and `categories` if not given."
    )
    categories: Literal["private"] | None = Field(
        None, description="`private`: the categories are not public; `dpsynth discover` finds them in noisy counts."
    )
    bins: Bins | None = Field(
        None,
        description="Number of bins of equal width, the list of bin edges, or a rule that finds bins in noisy counts.",
    )
    cells: int | None = Field(
        None, ge=2, le=10_000, description="Cells of equal width that private bins or a private histogram are made of."
    )
    spread: Literal["uniform", "private-histogram"] | None = Field(
        None, description="How numbers are spread inside declared bins: evenly, or by noisy counts of fine cells."
    )
    rare: Literal["merge", "keep"] | None = Field(
        None,
        description="Values that noise hides: `merge` them while pairs are measured, or `keep` every value apart.",
    )
    spikes: tuple[Value, ...] = Field((), description="Values that keep a code of their own and come back exactly.")
    decimals: int | None = Field(None, ge=0, le=15, description="Decimals of synthetic numbers.")
    outside: Literal["slot", "clip", "missing"] | None = Field(
        None,
        description="Cells outside the declared domain: a code of their own, the nearer end of the range, or missing.",
    )
    outside_label: Text | None = Field(None, description="What the outside slot of a text column is written as.")
    provenance: str | None = Field(None, description="Where the declared domain was taken from; never from the rows.")


class FieldDocument(_Part):
    """One column."""

    name: Text = Field(description="The column's name, as in the file's header.")
    type: Literal["string", "integer", "number", "boolean", "date", "datetime"] = Field(
        description="Type of the cells."
    )
    title: str | None = Field(None, description="A name for people.")
    description: str | None = Field(None, description="What the column means.")
    format: Text | None = Field(
        None, description="`default` (ISO 8601) or a strptime pattern; for dates and datetimes."
    )
    constraints: Constraints = Field(default_factory=Constraints)
    categories: tuple[Category, ...] | None = Field(None, description="All values, in order if `categoriesOrdered`.")
    categories_ordered: bool = Field(
        default=False, alias="categoriesOrdered", description="Whether the categories have an order."
    )
    true_values: tuple[Value, ...] | None = Field(None, alias="trueValues", description="Texts that mean true.")
    false_values: tuple[Value, ...] | None = Field(None, alias="falseValues", description="Texts that mean false.")
    missing_values: tuple[Value, ...] | None = Field(
        None, alias="missingValues", description="Texts that mean missing; replaces the table's list."
    )
    dpsynth: FieldPart = Field(default_factory=FieldPart)


class TableDocument(_Part):
    """A schema file."""

    schema_: str | None = Field(None, alias="$schema", description="Ignored; lets editors find the JSON Schema.")
    name: Text | None = Field(None, description="Name of the table; the data set id unless `dpsynth.dataset` is given.")
    title: str | None = Field(None, description="A name for people.")
    description: str | None = Field(None, description="What the table holds.")
    dialect: Dialect = Field(default_factory=Dialect)
    missing_values: tuple[Value, ...] = Field(
        ("",), alias="missingValues", description="Texts that mean missing; the first is written to CSV files."
    )
    dpsynth: TablePart = Field(description="The privacy unit and more.")
    fields: tuple[FieldDocument, ...] = Field(min_length=1, description="The columns.")


def as_written(part: BaseModel) -> dict[str, Any]:
    """Return the keys that the file has, under the names that it uses."""
    written: dict[str, Any] = part.model_dump(by_alias=True, exclude_unset=True)
    for rule in written.get("dpsynth", {}).get("constraints", ()):
        if "mapping" in rule:
            rule["mapping"] = {key: values[0] if len(values) == 1 else values for key, values in rule["mapping"]}
    for column in written.get("fields", ()):
        if "categories" in column:
            column["categories"] = [
                entry if entry.keys() > {"value"} else entry["value"] for entry in column["categories"]
            ]
    return written

"""The tables on which the attack suite is tried: three real ones, and two that are made to mislead it.

Real tables are read from the folder of shared data and never copied into the project. Columns that are nearly unique
per person are left out: they would make every copy trivial to find.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray

from dpsynth.curator.sources.csv_file import CsvFile
from dpsynth.schema.codec import encode_cells
from dpsynth.schema.schema import Schema

PROJECT = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("DPSYNTH_SHARED_DATA", PROJECT.parent / "shared" / "data"))
UNITS = 40_000
"""Declared number of units: 400 canaries, so that the gate can decide about a part of the table as about the whole."""

Codes = NDArray[np.int32]


@dataclass(frozen=True, slots=True, eq=False)
class AttackTable:
    """Rows under a public schema.

    Attributes:
        schema: what the columns mean.
        codes: shape (rows, columns); distinct rows where the table is read from files, unless equal ones are kept.
    """

    schema: Schema
    codes: Codes

    def parts(self, rows: int, seed: int, reference: int | None = None, fresh: int | None = None) -> list[Codes]:
        """Return four disjoint samples of up to `rows` rows each; the last two have other sizes if those are given."""
        order = np.random.default_rng(seed).permutation(len(self.codes))
        given = [size for size in (reference, fresh) if size is not None]
        size = min(rows, (len(order) - sum(given)) // (4 - len(given)))
        sizes = [size, size, size if reference is None else reference, size if fresh is None else fresh]
        return [self.codes[order[end - part : end]] for end, part in zip(np.cumsum(sizes), sizes, strict=True)]


@dataclass(frozen=True, slots=True)
class _Source:
    """Where a real table comes from."""

    file: str
    schema: str
    left_out: tuple[str, ...] = ()
    more: str = ""
    """A further file of the same columns."""
    keeps_equal_rows: bool = False


_REAL: Mapping[str, _Source] = {
    "adult": _Source("adult/adult_train.csv", "adult.schema.yaml", ("fnlwgt",)),
    "adult-all": _Source(
        "adult/adult_train.csv", "adult.schema.yaml", ("fnlwgt",), "adult/adult_test.csv", keeps_equal_rows=True
    ),
    "adult-distinct": _Source("adult/adult_train.csv", "adult.schema.yaml", ("fnlwgt",), "adult/adult_test.csv"),
    "adult-weighted": _Source(
        "adult/adult_train.csv", "adult.schema.yaml", more="adult/adult_test.csv", keeps_equal_rows=True
    ),
    "acs": _Source("acs/national2019.csv", "acs.schema.yaml"),
    "diabetes": _Source("diabetes130/diabetes130_sample5000.csv", "diabetes.schema.yaml"),
}

_RECOMBINED = 160_000

_CROWDED = """
name: crowded
dpsynth: {unit: {kind: row}, public_rows: 40000}
fields:
  - {name: sex, type: string, categories: [a, b]}
  - {name: urban, type: string, categories: [a, b]}
  - {name: region, type: string, categories: [a, b, c]}
  - {name: work, type: string, categories: [a, b, c]}
  - {name: family, type: string, categories: [a, b, c, d]}
"""

_ODD = """
name: odd
dpsynth: {unit: {kind: row}, public_rows: 40000}
missingValues: ["", "NA", "NaN"]
fields:
  - {name: petal length (cm), type: number, constraints: {minimum: -9, maximum: 9}, dpsynth: {bins: 30, decimals: 2}}
  - {name: "=SUM(A1)", type: integer, constraints: {minimum: -500, maximum: -1}, dpsynth: {bins: 25, outside: slot}}
  - {name: "df['x']; --", type: string, categories: ["nan", "None", "'", "-1", "only once"]}
  - {name: "\\u0160koda \\U0001F697", type: string, categories: ["0", "00", "1.0", "1"]}
  - {name: always the same, type: string, categories: [here, elsewhere]}
  - {name: always missing, type: number, constraints: {minimum: 0, maximum: 1}, dpsynth: {bins: 4}}
  - {name: not, type: boolean, trueValues: ["yes"], falseValues: ["no"]}
"""


def crowded_rows(rows: int, rng: np.random.Generator) -> Codes:
    """Return codes of an all-categorical table of 144 cells: nearly every row has natural duplicates."""
    columns = []
    for size in (2, 2, 3, 3, 4):
        weights = np.arange(size, 0, -1) / (size * (size + 1) / 2)
        columns.append(rng.choice(size, size=rows, p=weights))
    return np.stack(columns, axis=1).astype(np.int32)


def odd_rows(rows: int, rng: np.random.Generator) -> Codes:
    """Return codes of a table with missing cells, negative numbers, constant columns and a category of one row."""
    trait = rng.normal(size=rows)
    petal = np.round(np.clip(3 * trait + rng.normal(size=rows), -9, 9), 2)
    sums = np.clip(-250 + 60 * trait + 60 * rng.normal(size=rows), -520, -1).astype(int)
    texts = np.array(["nan", "None", "'", "-1"], dtype=object)[rng.integers(4, size=rows)]
    texts[: min(rows, 1)] = "only once"
    codes = encode_cells(
        Schema.from_text(_ODD),
        {
            "petal length (cm)": ["NaN" if rng.random() < 0.1 else f"{cell}" for cell in petal],
            "=SUM(A1)": [f"{cell}" for cell in sums],
            "df['x']; --": list(texts),
            "\u0160koda \U0001f697": [("0", "00", "1.0", "1")[cell] for cell in rng.integers(4, size=rows)],
            "always the same": ["here"] * rows,
            "always missing": ["NA"] * rows,
            "not": ["yes" if cell > 0 else "no" for cell in trait],
        },
    )
    return rng.permutation(codes)


def recombined_rows(codes: Codes, within: int, rows: int, rng: np.random.Generator) -> Codes:
    """Return rows of a population as large as anybody likes: each is made of two random rows of a table.

    Args:
        codes: the table.
        within: the column in which both are equal; every other cell is from either of them, by fair coins.
        rows: how many.
        rng: all randomness.
    """
    ordered = codes[np.argsort(codes[:, within], kind="stable")]
    starts = np.searchsorted(ordered[:, within], ordered[:, within])
    ends = np.searchsorted(ordered[:, within], ordered[:, within], side="right")
    first = rng.integers(len(ordered), size=rows)
    second = rng.integers(starts[first], ends[first])
    return np.where(rng.random((rows, codes.shape[1])) < 0.5, ordered[first], ordered[second])


def missing_file(name: str) -> Path | None:
    """Return the file of a real table that is not on this machine, or None."""
    if name not in _REAL:
        return None
    file = SHARED / _REAL[name].file
    return None if file.is_file() else file


@cache
def attack_table(name: str) -> AttackTable:
    """Return a table by name; see `ATTACK_TABLES`."""
    if name == "crowded":
        return AttackTable(Schema.from_text(_CROWDED), crowded_rows(8_000, np.random.default_rng(31)))
    if name == "odd":
        return AttackTable(Schema.from_text(_ODD), odd_rows(8_000, np.random.default_rng(32)))
    if name == "adult-recombined":
        adult = attack_table("adult")
        within = [column.name for column in adult.schema.columns].index("relationship")
        rows = recombined_rows(adult.codes, within, _RECOMBINED, np.random.default_rng(33))
        return AttackTable(adult.schema, np.unique(rows, axis=0))
    if name == "adult-categorical":
        return _categorical_only(attack_table("adult"))
    source = _REAL[name]
    schema = _schema(source)
    codes = np.concatenate([_codes(SHARED / file, schema) for file in (source.file, source.more) if file])
    return AttackTable(schema, codes if source.keeps_equal_rows else np.unique(codes, axis=0))


LARGE_POPULATION = "adult-recombined"
"""Distinct rows made of two rows of Adult each, enough for 30,000 members, controls, reference and fresh rows."""

ATTACK_TABLES = (
    "adult", "acs", "diabetes", "adult-categorical", "crowded", "odd", "adult-all", "adult-distinct", LARGE_POPULATION,
)  # fmt: skip
"""All tables by name. `adult-all` has enough rows for ten thousand members, controls, reference and fresh rows,
`adult-distinct` for 8,964 of each."""


def _codes(path: Path, schema: Schema) -> Codes:
    names = (file := CsvFile(path)).column_names()
    return np.concatenate(
        [
            encode_cells(schema, {column.name: part[names.index(column.name)] for column in schema.columns})
            for part in file.batches()
        ]
    )


def _schema(source: _Source, kept: Collection[str] | None = None) -> Schema:
    """Return a shipped schema with some or all of the columns that are used, and with many declared units."""
    text = (PROJECT / "docs" / "examples" / source.schema).read_text(encoding="utf-8")
    content = yaml.safe_load(text)
    content["fields"] = [
        field
        for field in content["fields"]
        if field["name"] not in source.left_out and (kept is None or field["name"] in kept)
    ]
    content["dpsynth"]["public_rows"] = UNITS
    content["dpsynth"]["unit"] = {"kind": "row"}
    return Schema.from_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True))


def _categorical_only(table: AttackTable) -> AttackTable:
    """Return the unordered columns alone, rows as they are: many of them are equal."""
    kept = [place for place, column in enumerate(table.schema.columns) if not column.is_ordered]
    names = {table.schema.columns[place].name for place in kept}
    schema = _schema(_REAL["adult"], names)
    return AttackTable(schema, table.codes[:, kept])

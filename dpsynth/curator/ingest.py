"""Rows come in here: read, coded by the public schema, bounded per unit, split by secret coins.

Nothing in this module depends on more than one record at a time except the bounding of one unit's own rows. It needs
the ledger's OPEN token to run at all.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, Union

import numpy as np
from numpy.typing import NDArray

from dpsynth.curator._sealed import Private
from dpsynth.curator.fingerprint import FingerprintKey
from dpsynth.curator.rows import PrivateRows, compact
from dpsynth.curator.sources.arrow_stream import ArrowStream
from dpsynth.curator.sources.base import Cells, RowSource
from dpsynth.curator.sources.csv_file import CsvFile
from dpsynth.curator.sources.frame import Frame, is_frame
from dpsynth.curator.sources.parquet_file import ParquetFile
from dpsynth.errors import TableError
from dpsynth.ledger import OpenToken
from dpsynth.randomness import NoiseSource, secret_coins, uniform_words
from dpsynth.schema.cells import encode_each
from dpsynth.schema.codec import encode_cells
from dpsynth.schema.open_categories import category_in, is_open
from dpsynth.schema.schema import Schema

if TYPE_CHECKING:
    import pandas as pd

TableLike: TypeAlias = Union[str, Path, "pd.DataFrame", object]
"""A path to a CSV or Parquet file, a pandas frame, or an object with `__arrow_c_stream__`."""


_NAMELESS = frozenset({"", "<NA>", "NaT", "nan", "None"})
"""How missing values of files, pandas and numpy write themselves."""


def source_of(data: TableLike, schema: Schema) -> RowSource:
    """Return the source for `data`, with the schema's delimiter and encoding where it is a CSV file.

    Raises:
        TableError: when nothing here can read it.
    """
    if isinstance(data, (str, Path)):
        path = Path(data)
        if path.suffix.lower() in {".parquet", ".pq"}:
            return ParquetFile(path)
        return CsvFile(path, delimiter=schema.dialect.delimiter, encoding=schema.dialect.encoding)
    if is_frame(data):
        return Frame(data)
    if hasattr(data, "__arrow_c_stream__"):
        return ArrowStream(data)
    raise TableError(
        f"cannot read a table from a {type(data).__name__}; give a path to a CSV or Parquet file, a pandas frame or an "
        "object that offers an Arrow stream"
    )


def check_header(source: RowSource, schema: Schema) -> dict[str, int]:
    """Return where each needed column stands in the source; reads the header only.

    Raises:
        TableError: names missing, surplus and repeated columns at once. Names that only the file has are given by
            position, and not at all where nothing fits: in a file without a header they are somebody's cells, and
            their number and repetitions are his too.
    """
    names = source.column_names()
    unit_column = [schema.unit.id_column] if schema.unit.id_column is not None else []
    needed = [column.name for column in schema.columns] + unit_column
    known = {*needed, *schema.ignored}
    if not set(names) & set(needed):
        raise TableError(
            f"{source.description} does not fit the schema: none of the schema's columns is in the first line; does "
            "the file have a header? Names must be the same to the letter, and so must the schema's delimiter."
        )
    problems = []
    repeated = [name for name, times in Counter(names).items() if times > 1]
    if repeated:
        places = [str(place + 1) for place, name in enumerate(names) if name in repeated]
        problems.append(f"the header repeats a column name (positions {', '.join(places)}); rename them apart")
    absent = [name for name in needed if name not in names]
    if absent:
        problems.append(
            "the schema describes columns that the file does not have: " + ", ".join(f"'{name}'" for name in absent)
        )
    surplus = [place for place, name in enumerate(names) if name not in known]
    if surplus:
        hints = _near_matches([names[place] for place in surplus], absent)
        problems.append(
            f"the file has {len(surplus)} column(s) that the schema does not describe, at position(s) "
            + ", ".join(str(place + 1) for place in surplus)
            + ". Describe them, or list them under `ignore`."
            + (f" (Same but for case or spaces: {', '.join(hints)}.)" if hints else "")
        )
    if problems:
        raise TableError("\n  - ".join([f"{source.description} does not fit the schema:", *problems]))
    return {name: names.index(name) for name in needed}


def read_rows(
    source: RowSource,
    schema: Schema,
    token: OpenToken,
    *,
    noise: NoiseSource,
    control_fraction: Fraction,
    planted: NDArray[np.int32] | None,
    key: FingerprintKey | None = None,
) -> Private[PrivateRows]:
    """Return the rows, coded, bounded and split.

    Args:
        source: where the rows are; its header was checked before.
        schema: what is publicly known.
        token: the proof that the ledger has opened this data set.
        noise: decides which rows of a unit are kept and which units are control, without looking at values.
        control_fraction: chance of each unit to be a control that no generator sees.
        planted: canary codes to add to the training rows, shape (canaries, columns), or None.
        key: with which their fingerprint is taken, before anything is left out or added; None for none.

    Privacy: everything returned is sealed. The number of rows, and whether there are any, is private too.
    """
    _require_open(token, schema)
    codes, units = _encode_all(source, schema)
    fingerprint = b"" if key is None else key.of_rows(schema.digest, codes, units)
    if units is not None:
        kept = _bounded(units, schema.unit.max_rows_per_unit, noise)
        codes, units = codes[kept], units[kept]
    owners = np.arange(len(codes)) if units is None else units
    people = int(owners.max()) + 1 if len(owners) else 0
    is_control = secret_coins(noise, people, control_fraction.numerator, control_fraction.denominator)[owners]
    training, trained = codes[~is_control], owners[~is_control]
    if planted is not None and len(planted):
        training = np.concatenate([training, planted.astype(np.int32)])
        trained = np.concatenate([trained, people + np.arange(len(planted))])
    return Private(
        PrivateRows(
            domain=schema.domain,
            training=compact(training, schema.domain),
            control=codes[is_control],
            fingerprint=fingerprint,
            owners=None if units is None else trained,
            control_owners=None if units is None else owners[is_control],
        )
    )


def read_codes(source: RowSource, schema: Schema) -> Private[NDArray[np.int32]]:
    """Return all rows of a table that is audited, coded, in the order of the file, shape (rows, columns).

    Privacy: sealed. No ledger is asked, for no answer may leave: what is found in these rows is confidential.
    """
    return Private(_encode_all(source, schema)[0])


def read_categories(
    source: RowSource, schema: Schema, token: OpenToken, *, noise: NoiseSource, key: FingerprintKey | None = None
) -> tuple[dict[str, Private[dict[str, int]]], str]:
    """Return for every open column of `schema` in how many units each category occurs, categories that occur only.

    Also, for the ledger, the masked fingerprint of what the open columns hold; empty without a `key`.

    Privacy: every count is sealed, and so is which categories there are; a masked fingerprint is random to who has no
    key. Each unit counts with at most `max_rows_per_unit` rows, drawn without looking at values, hence in at most so
    many categories, once in each.
    """
    _require_open(token, schema)
    columns = [column for column in schema.columns if is_open(column)]
    numbers: list[dict[str, int]] = [{} for _ in columns]

    def number(place: int, cell: object) -> int:
        text = category_in(columns[place], cell, schema.dialect.encoding)
        return -1 if text is None else numbers[place].setdefault(text, len(numbers[place]))

    def numbered(batch: list[Cells], places: Mapping[str, int]) -> NDArray[np.int32]:
        cells = (batch[places[column.name]] for column in columns)
        return np.column_stack([encode_each(part, partial(number, place)) for place, part in enumerate(cells)])

    found, units = _read_all(source, schema, numbered, width=len(columns))
    fingerprint = ""
    if key is not None:
        # The numbers are those of texts in the order of their first rows, so the texts belong to it.
        said = json.dumps([schema.digest, *map(list, numbers)])
        fingerprint = key.masked(key.of_rows(said, found, units), token.reservation.digest)
    if units is None:
        units = np.arange(len(found))
    else:
        kept = _bounded(units, schema.unit.max_rows_per_unit, noise)
        found, units = found[kept], units[kept]
    counted: dict[str, Private[dict[str, int]]] = {}
    for place, column in enumerate(columns):
        several = len(numbers[place]) + 1  # categories, and none
        once = np.unique(units.astype(np.int64) * several + found[:, place] + 1) % several
        counts = np.bincount(once, minlength=several)[1:].tolist()
        counted[column.name] = Private({text: counts[code] for text, code in numbers[place].items() if counts[code]})
    return counted, fingerprint


def _require_open(token: OpenToken, schema: Schema) -> None:
    if token.dataset != schema.dataset:
        raise TableError(f"the ledger has opened data set '{token.dataset}', not '{schema.dataset}'")
    if token.is_expired:
        raise TableError(f"the ledger's leave to read data set '{schema.dataset}' has expired; it counts in full")


def _encode_all(source: RowSource, schema: Schema) -> tuple[NDArray[np.int32], NDArray[np.intp] | None]:
    def encoded(batch: list[Cells], places: Mapping[str, int]) -> NDArray[np.int32]:
        return encode_cells(schema, {column.name: batch[places[column.name]] for column in schema.columns})

    return _read_all(source, schema, encoded, width=len(schema.columns))


def _read_all(
    source: RowSource,
    schema: Schema,
    numbered: Callable[[list[Cells], Mapping[str, int]], NDArray[np.int32]],
    *,
    width: int,
) -> tuple[NDArray[np.int32], NDArray[np.intp] | None]:
    """Return what `numbered` makes of all batches, shape (rows, width), and each row's unit; None if a row is one."""
    places = check_header(source, schema)
    unit_column = schema.unit.id_column
    coded = [np.empty((0, width), dtype=np.int32)]
    numbers: dict[str, int] = {}
    units: list[int] = []
    for batch in source.batches():
        codes = numbered(batch, places)
        if unit_column is not None:
            named = [_identifier(cell) for cell in _objects(batch[places[unit_column]])]
            units.extend(numbers.setdefault(name, len(numbers)) for name in named if name is not None)
            codes = codes[[name is not None for name in named]]
        coded.append(codes)
    return np.concatenate(coded), None if unit_column is None else np.asarray(units, dtype=np.intp)


def _objects(cells: Cells) -> list[object]:
    return cells.tolist() if isinstance(cells, np.ndarray) else list(cells)


def _identifier(cell: object) -> str | None:
    """Return the text that names a unit, or None for a row without one.

    Such a row belongs to no declared unit and is left out: if these rows shared a unit, each could displace another.
    """
    if isinstance(cell, float):
        return None if cell != cell else (str(int(cell)) if cell.is_integer() else repr(cell))
    try:
        text = str(cell).strip()
    except Exception:  # noqa: BLE001 - any object may stand in a cell, and none may stop the run
        return None
    return None if text in _NAMELESS else text


def _bounded(units: NDArray[np.intp], most: int, noise: NoiseSource) -> NDArray[np.intp]:
    """Return the positions of at most `most` rows of every unit, chosen uniformly without looking at values."""
    keys = uniform_words(noise, len(units))
    order = np.lexsort((keys, units))
    sorted_units = units[order]
    starts = np.flatnonzero(np.r_[True, sorted_units[1:] != sorted_units[:-1]]) if len(units) else order
    rank = np.arange(len(units)) - np.repeat(starts, np.diff(np.r_[starts, len(units)]))
    kept: NDArray[np.intp] = np.sort(order[rank < most])
    return kept


def _near_matches(surplus: list[str], absent: list[str]) -> list[str]:
    folded = {name.strip().casefold(): name for name in absent}
    return [f"'{folded[name.strip().casefold()]}'" for name in surplus if name.strip().casefold() in folded]

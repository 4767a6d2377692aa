"""A first draft of a schema from column names and storage types alone.

No row is read, so nothing in a draft can be private: what only the rows or public knowledge could tell is left as a
marked blank, and public knowledge has to fill it.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence

import yaml

from dpsynth.errors import InvalidInput
from dpsynth.schema.yaml_source import BLANK

_NAME_HINTS: tuple[tuple[str, frozenset[str]], ...] = (
    ("boolean", frozenset({"is", "has", "had", "flag", "yesno"})),
    ("datetime", frozenset({"datetime", "timestamp", "time"})),
    ("date", frozenset({"date", "day", "dob", "birthday", "birthdate"})),
    (
        "number",
        frozenset({"amount", "price", "cost", "weight", "height", "rate", "ratio", "income", "salary", "score"}),
    ),
    ("number", frozenset({"percent", "pct", "bmi", "temperature", "latitude", "longitude", "balance", "total"})),
    (
        "integer",
        frozenset({"age", "year", "count", "number", "num", "months", "days", "hours", "weeks", "years", "visits"}),
    ),
    ("integer", frozenset({"children", "size", "quantity", "qty"})),
)
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_STORAGE: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("boolean", re.compile(r"bool")),
    ("datetime", re.compile(r"timestamp|datetime")),
    ("date", re.compile(r"date(32|64)?\b")),
    ("integer", re.compile(r"u?int(8|16|32|64)?\b")),
    ("number", re.compile(r"double|half_?float|float|decimal")),
)
_HEAD = """\
# Draft of a schema: names and types only. No row was read to write it.
# Replace every FILL_IN from public knowledge: a code book, the questionnaire, a law, a standard. Never look at the rows
# for that: a bound or a value taken from them tells something about somebody. Then: dpsynth schema check THIS_FILE
# Types are guesses. Where you change one: a string needs categories; an integer, a number or a date needs type,
# constraints (minimum, maximum) and dpsynth (bins). Delete the id column and ignored columns from `fields`.
name: DATASET
dpsynth:
  # Who is protected. Either   {kind: row}   where every row is a person of its own,
  # or   {id_column: COLUMN, max_rows_per_unit: NUMBER}   where several rows belong to one person.
  unit: FILL_IN
  # About how many units (people, not rows) the table holds by public knowledge, such as 20000; delta must be far
  # below one over it.
  public_rows: FILL_IN
  # The documents that bounds and values below were taken from.
  provenance: FILL_IN
  # Names of columns to leave out of the synthetic table, such as record numbers, names and free text.
  ignore: []
# Texts that mean missing; empty cells always do. For example   ["", "?", "NA"]
missingValues: [""]
fields:
"""
_BOUNDS = """\
    constraints:
      minimum: FILL_IN  # smallest value by the code book, the questionnaire or nature; smaller cells count as this
      maximum: FILL_IN  # largest value, from the same source; larger cells count as this
    dpsynth:
      bins: FILL_IN  # number of equal bins, or a list of edges; chosen without the rows
"""
_VALUES = """\
    categories: FILL_IN  # every value in the code book, as a list; all other cells become 'other'
"""
_TRUTH = """\
    trueValues: FILL_IN  # texts that mean true, as a list, such as [Y]
    falseValues: FILL_IN  # texts that mean false, as a list, such as [N]
"""
_FORMAT = """\
    format: FILL_IN  # default where cells look like 2020-01-31, or a pattern such as '%d.%m.%Y'
"""


def draft_schema(names: Sequence[str], dataset: str, types: Mapping[str, str] | None = None) -> str:
    """Return YAML text with the names and types of columns and a marked blank for everything else.

    Args:
        names: the column names, from the header.
        dataset: data set id.
        types: storage types by column name, as a Parquet file's footer names them; types of other columns are guessed
            from their names.

    Raises:
        InvalidInput: no columns, or names that are blank or repeated.
    """
    if not names:
        raise InvalidInput("a draft needs at least one column name")
    blank = [str(place + 1) for place, name in enumerate(names) if not name.strip()]
    if blank:
        raise InvalidInput(f"columns without a name, at position {', '.join(blank)}; name them in the header")
    repeated = [name for name, times in Counter(names).items() if times > 1]
    if repeated:
        places = [str(place + 1) for place, name in enumerate(names) if name in repeated]
        raise InvalidInput(f"the columns at positions {', '.join(places)} share a name; rename them apart")
    return _HEAD.replace("DATASET", _quoted(dataset)) + "".join(_field(name, (types or {}).get(name)) for name in names)


def _field(name: str, storage: str | None) -> str:
    """Return the YAML of one field."""
    if storage is not None:
        declared, reason = _type_of_storage(storage), "from the file's storage type; rows were not read"
    else:
        declared, reason = _type_of_name(name), "a guess from the name; rows were not read"
    body = {"string": _VALUES, "boolean": _TRUTH if storage is None else ""}.get(declared, _BOUNDS)
    if declared in {"date", "datetime"} and storage is None:
        body = _FORMAT + body
    return f"  - name: {_quoted(name)}\n    type: {declared}  # {reason}\n{body}"


def _type_of_storage(storage: str) -> str:
    """Return the Table Schema type for an Arrow or pandas type name; lists and dictionaries are text."""
    lowered = storage.lower()
    return next((declared for declared, pattern in _STORAGE if pattern.match(lowered)), "string")


def _type_of_name(name: str) -> str:
    """Return the type that a name suggests, word by word: `country` is no count."""
    words = [word.lower() for word in _WORDS.findall(name)]
    if words[:1] and words[0] in _NAME_HINTS[0][1]:
        return "boolean"
    return next((declared for declared, hints in _NAME_HINTS[1:] if hints & set(words)), "string")


def _quoted(text: str) -> str:
    """Return `text` as a YAML scalar on one line."""
    plain = re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]*", text)
    resolved = yaml.SafeLoader("").resolve(yaml.ScalarNode, text, (True, False))  # type: ignore[no-untyped-call]
    return text if plain and resolved == "tag:yaml.org,2002:str" and text != BLANK else json.dumps(text)

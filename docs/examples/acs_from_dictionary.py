"""Writes the schema of the NIST excerpt of the American Community Survey from its published data dictionary.

    python docs/examples/acs_from_dictionary.py data_dictionary.json > docs/examples/acs.schema.yaml

Only the dictionary is read, never a row. It lists the values of most columns, or the smallest and largest number with
single codes beside them; `N` means that a question does not apply, and becomes missing. What the dictionary cannot say
stands in the tables below: which columns have an order, and where numbers are cut. Cuts are round numbers.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from dpsynth.schema import Schema

NOT_APPLICABLE = "N"

ORDERED = {"EDU", "PINCP_DECILE"}

WITHOUT_DOMAIN = {"INDP"}
"""Columns whose 271 codes the dictionary does not list; their groups are in INDP_CAT."""

CUTS: dict[str, object] = {
    "AGEP": 20,
    "DENSITY": [16.3, 100, 500, 1000, 2000, 3000, 4000, 5000, 7500, 10000, 12500, 15000, 20000, 30000, 40000, 52864.7],
    "PINCP": [-9000, 1, 2500, 5000, 10000, 15000, 20000, 25000, 30000, 40000, 50000, 60000, 80000, 100000, 150000,
              250000, 500000, 1341000],
    "POVPIP": [0, 50, 100, 150, 200, 250, 300, 350, 400, 450, 501],
    "PWGTP": [1, 10, 20, 30, 40, 50, 60, 70, 80, 100, 120, 150, 200, 300, 500, 1000, 9999],
    "WGTP": [0, 10, 20, 30, 40, 50, 60, 70, 80, 100, 120, 150, 200, 300, 500, 1000, 9999],
}  # fmt: skip

ALSO_SPIKES = {"PINCP": [0]}
"""No income is the usual answer of many people and stays exact; the other single codes come from the dictionary."""


def field_of(name: str, entry: dict[str, object]) -> dict[str, object]:
    """Return the field that one entry of the dictionary describes."""
    field: dict[str, object] = {"name": name, "type": "string", "description": str(entry["description"]).strip()}
    if name in WITHOUT_DOMAIN:
        return {**field, "dpsynth": {"role": "ignore"}}
    values = dict(entry["values"])  # type: ignore[call-overload]
    values.pop(NOT_APPLICABLE, None)
    if "min" in values:
        return {**field, **range_of(name, values)}
    whole = all(value.isdigit() for value in values)
    listed = sorted(values.items(), key=lambda item: int(item[0]) if whole else 0)
    field["type"] = "integer" if whole else "string"
    field["categories"] = [{"value": value, "label": label.strip()} for value, label in listed]
    if name in ORDERED:
        field["categoriesOrdered"] = True
    return field


def range_of(name: str, values: dict[str, object]) -> dict[str, object]:
    """Return type, bounds, bins and spikes of a column of numbers with single codes beside them."""
    lowest, highest = values.pop("min"), values.pop("max")
    singles = [int(value) for value in values]
    whole = isinstance(lowest, int) and isinstance(highest, int)
    block: dict[str, object] = {"bins": CUTS[name]} if name in CUTS else {}
    if name in CUTS and (spikes := sorted({*singles, *ALSO_SPIKES.get(name, [])})):
        block["spikes"] = spikes
    bounds = {"minimum": min([lowest, *singles]), "maximum": max([highest, *singles])}  # type: ignore[type-var]
    return {"type": "integer" if whole else "number", "constraints": bounds, "dpsynth": block}


def schema_text(dictionary: dict[str, dict[str, object]]) -> str:
    """Return the schema as YAML."""
    document = {
        "name": "acs_national2019",
        "title": "NIST Diverse Communities excerpt of the American Community Survey 2019, national",
        "missingValues": [NOT_APPLICABLE],
        "dpsynth": {
            "unit": {"kind": "row"},
            "public_rows": 27000,
            "provenance": "data_dictionary.json of the excerpt, by acs_from_dictionary.py",
        },
        "fields": [field_of(name, entry) for name, entry in dictionary.items()],
    }
    return Schema.from_text(json.dumps(document), source="data dictionary").to_yaml()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.stdout.write(schema_text(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))))

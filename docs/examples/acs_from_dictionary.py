"""Writes the schema of the NIST excerpt of the American Community Survey from its published data dictionary.

    python docs/examples/acs_from_dictionary.py data_dictionary.json > docs/examples/acs.schema.yaml

Only the dictionary is read, never a row. It lists the values of most columns, or the smallest and largest number with
single codes beside them; `N` means that a question does not apply, and becomes missing. What the dictionary cannot say
stands in the tables below: which columns have an order, where numbers are cut, and what no record can be. Cuts are
round numbers, the ages at which questions begin to apply, and for density the published logarithmic steps of NIST's
report, rounded. The rules are what the dictionary says behind `N`, and what its words mean: people in group quarters
neither own nor rent, and a family has more persons than children.
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
    "AGEP": [0, 3, 5, 10, 15, 16, 17, 18, 20, 22, 25, 30, 35, 40, 45, 50, 55, 60, 65, 70, 75, 80, 85, 90, 95, 99],
    "DENSITY": [16.3, 150, 300, 475, 730, 1100, 1700, 2650, 4100, 6250, 9600, 14750, 22600, 34750, 52864.7],
    "PINCP": [-9000, 1, 2500, 5000, 10000, 15000, 20000, 25000, 30000, 40000, 50000, 60000, 80000, 100000, 150000,
              250000, 500000, 1341000],
    "POVPIP": [*range(0, 500, 25), 501],
    "PWGTP": [1, *range(10, 150, 10), 150, 175, 200, 250, 300, 400, 500, 1000, 9999],
    "WGTP": [0, *range(10, 150, 10), 150, 175, 200, 250, 300, 400, 500, 1000, 9999],
}  # fmt: skip

ALSO_SPIKES = {"PINCP": [0]}
"""No income is the usual answer of many people and stays exact; the other single codes come from the dictionary."""


CONSTRAINTS: list[dict[str, str]] = [
    {"if": "AGEP < 3", "then": "missing(EDU)", "description": "schooling is asked from 3 years"},
    {"if": "AGEP >= 3", "then": "not missing(EDU)"},
    {"if": "AGEP < 5", "then": "missing(DREM) and missing(DPHY)", "description": "asked from 5 years"},
    {"if": "AGEP >= 5", "then": "not missing(DREM) and not missing(DPHY)"},
    {
        "if": "AGEP < 15",
        "then": "missing(MSP) and missing(PINCP) and missing(PINCP_DECILE)",
        "description": "marriage and income are asked from 15 years",
    },
    {"if": "AGEP >= 15", "then": "not missing(MSP) and not missing(PINCP) and not missing(PINCP_DECILE)"},
    {"if": "AGEP < 16", "then": "missing(INDP_CAT)", "description": "work is asked from 16 years"},
    {"if": "AGEP < 17", "then": "missing(DVET)", "description": "military service begins at 17 years"},
    {"if": "AGEP < 15", "then": "EDU != 12", "description": "no doctorate"},
    {"if": "AGEP < 5", "then": "EDU < 5", "description": "no diploma"},
    {"if": "HOUSING_TYPE in [2, 3]", "then": "OWN_RENT == 0 and missing(NOC) and missing(NPF) and WGTP == 0"},
    {"if": "HOUSING_TYPE == 1", "then": "OWN_RENT != 0 and not missing(NOC) and WGTP > 0"},
    {"never": "NOC >= NPF", "description": "a family has an adult"},
]


def field_of(name: str, entry: dict[str, object]) -> dict[str, object]:
    """Return the field that one entry of the dictionary describes."""
    field: dict[str, object] = {"name": name, "type": "string", "description": str(entry["description"]).strip()}
    if name in WITHOUT_DOMAIN:
        return {**field, "dpsynth": {"role": "ignore"}}
    values = dict(entry["values"])  # type: ignore[call-overload]
    if values.pop(NOT_APPLICABLE, None) is None:
        field["constraints"] = {"required": True}
    if "min" in values:
        ranged = range_of(name, values)
        return {**field, **ranged, "constraints": {**ranged["constraints"], **field.get("constraints", {})}}
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
            "constraints": CONSTRAINTS,
            "provenance": "data_dictionary.json of the excerpt, by acs_from_dictionary.py",
        },
        "fields": [field_of(name, entry) for name, entry in dictionary.items()],
    }
    return Schema.from_text(json.dumps(document), source="data dictionary").to_yaml()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.stdout.write(schema_text(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))))

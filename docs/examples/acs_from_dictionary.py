"""Writes the schema of the NIST excerpt of the American Community Survey from its published data dictionary.

    python docs/examples/acs_from_dictionary.py data_dictionary.json > docs/examples/acs.schema.yaml

Only the dictionary is read, never a row. It lists the values of most columns, or the smallest and largest number with
single codes beside them; `N` means that a question does not apply, and becomes missing. What the dictionary cannot say
stands in the tables below: the industry codes, for which it points to the Census Bureau's own dictionary, which columns
have an order, where numbers are cut, and what no record can be. Cuts are round numbers, the ages at which questions
begin to apply, and for density the published logarithmic steps of NIST's report, rounded. The rules are what the
dictionary says behind `N`, and what its words mean: people in group quarters neither own nor rent, and a family has
more persons than children.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from dpsynth.schema import Schema

NOT_APPLICABLE = "N"

ORDERED = {"EDU", "PINCP_DECILE"}

INDUSTRIES = (
    "170 180 190 270 280 290",  # AGR
    "370 380 390 470 480 490",  # EXT
    "570 580 590 670 680 690",  # UTL
    "770",  # CON
    # MFG
    "1070 1080 1090 1170 1180 1190 1270 1280 1290 1370 1390 1470 1480 1490 1570 1590 1670 1691 1770 1790 "
    "1870 1880 1890 1990 2070 2090 2170 2180 2190 2270 2280 2290 2370 2380 2390 2470 2480 2490 2570 2590 "
    "2670 2680 2690 2770 2780 2790 2870 2880 2890 2970 2980 2990 3070 3080 3095 3170 3180 3291 3365 3370 "
    "3380 3390 3470 3490 3570 3580 3590 3670 3680 3690 3770 3780 3790 3875 3895 3960 3970 3980 3990",
    # WHL
    "4070 4080 4090 4170 4180 4195 4265 4270 4280 4290 4370 4380 4390 4470 4480 4490 4560 4570 4580 4585 4590",
    # RET
    "4670 4680 4690 4770 4780 4795 4870 4880 4890 4971 4972 4980 4990 5070 5080 5090 5170 5180 5190 5275 "
    "5280 5295 5370 5381 5391 5470 5480 5490 5570 5580 5593 5670 5680 5690 5790",
    "6070 6080 6090 6170 6180 6190 6270 6280 6290 6370 6380 6390",  # TRN
    "6470 6480 6490 6570 6590 6670 6672 6680 6690 6695 6770 6780",  # INF
    "6870 6880 6890 6970 6991 6992 7071 7072 7080 7181 7190",  # FIN
    "7270 7280 7290 7370 7380 7390 7460 7470 7480 7490 7570 7580 7590 7670 7680 7690 7770 7780 7790",  # PRF
    "7860 7870 7880 7890",  # EDU
    "7970 7980 7990 8070 8080 8090 8170 8180 8191 8192 8270 8290",  # MED
    "8370 8380 8390 8470",  # SCA
    "8561 8562 8563 8564 8570 8580 8590 8660 8670 8680 8690",  # ENT
    "8770 8780 8790 8870 8891 8970 8980 8990 9070 9080 9090 9160 9170 9180 9190 9290",  # SRV
    "9370 9380 9390 9470 9480 9490 9570 9590",  # ADM
    "9670 9680 9690 9770 9780 9790 9870",  # MIL
    "9920",  # UNEMPLOYED
)
"""The 271 industry codes of the Census Bureau (PUMS data dictionary 2019), for each code of INDP_CAT in its order."""

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


CONSTRAINTS: list[dict[str, object]] = [
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
    {"if": "missing(INDP)", "then": "missing(INDP_CAT)"},
    {
        "column": "INDP",
        "determines": "INDP_CAT",
        "mapping": {code: group for group, codes in enumerate(INDUSTRIES) for code in codes.split()},
        "description": "every industry is in one group",
    },
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
    if name == "INDP":
        return {**field, "categories": [code for codes in INDUSTRIES for code in codes.split()]}
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

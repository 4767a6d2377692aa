"""The NIST excerpt of the American Community Survey 2019, judged by the k-marginal score and by the rules."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
import yaml
from numpy.typing import NDArray

from benchmarks.distances import distances
from benchmarks.k_marginal import k_marginal, percentile_codes
from benchmarks.tables.base import PROJECT, BenchmarkTable, Codes, coded, shared_file
from dpsynth.schema.schema import Schema
from dpsynth.schema.table import SyntheticTable

DEMOGRAPHIC = ("AGEP", "SEX", "MSP", "RAC1P", "HOUSING_TYPE", "OWN_RENT", "EDU", "PINCP_DECILE", "DVET", "DEYE")
GROUP = "PUMA"
INDUSTRY = "INDP"
WITH_PERCENTILES = ("AGEP", "PINCP", "POVPIP", "PWGTP", "WGTP")
"""The columns whose dictionary entry is a range of more than 20 whole numbers."""

DENSITY = "DENSITY"
MISSING = "N"


def demographic() -> BenchmarkTable:
    """Return the ten demographic features."""
    return _excerpt("nist-10", DEMOGRAPHIC)


def every_feature() -> BenchmarkTable:
    """Return all features; the score has PUMA as its group."""
    return _excerpt("nist-24", None)


def without_industries() -> BenchmarkTable:
    """Return all features but INDP, the finer of the two codes of industries; the score has PUMA as its group."""
    return _excerpt("nist-23", [name for name in excerpt_schema(None).domain.names if name != INDUSTRY])


def excerpt_schema(features: Sequence[str] | None) -> Schema:
    """Return the published example schema, for some features or (None) all of them.

    With PUMA among them the workload is the one that is asked for: every pair within its areas.
    """
    text = (PROJECT / "docs" / "examples" / "acs.schema.yaml").read_text(encoding="utf-8")
    document = yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506 - the loader that makes texts only
    settings = document["dpsynth"]
    if features is None or GROUP in features:
        settings["workload"] = {"group_by": GROUP}
    if features is not None:
        document["fields"] = [field for field in document["fields"] if field["name"] in features]
        settings["constraints"] = list(_narrowed(settings["constraints"], set(features)))
    return Schema.from_text(json.dumps(document), source="acs.schema.yaml")


def scored(schema: Schema, real: pd.DataFrame, made: pd.DataFrame) -> float:
    """Return the k-marginal score of synthetic cells, grouped by PUMA if it is a column."""
    dictionary = json.loads(shared_file("acs", "data_dictionary.json").read_text(encoding="utf-8"))
    coded_columns = []
    for name in schema.domain.names:
        entry = dictionary[name].get("values", {})
        pair: tuple[NDArray[np.generic], ...]
        if name in WITH_PERCENTILES:
            singles = [float(value) for value in entry if value not in {"min", "max", MISSING}]
            pair = percentile_codes(_numbers(real[name]), _numbers(made[name]), singles=singles)
        elif name == DENSITY:
            # Logarithmic bins; below the first inner edges everything is sparse.
            edges = [0.0, 150.0, *np.geomspace(10, entry["max"] + 500, 21)[8:]]
            pair = tuple(np.searchsorted(edges, _numbers(frame[name])) for frame in (real, made))
        else:
            pair = tuple(_texts(frame[name]) for frame in (real, made))
        coded_columns.append(np.unique(np.concatenate(pair), return_inverse=True)[1])
    both = np.column_stack(coded_columns)
    group = schema.domain.position(GROUP) if GROUP in schema.domain else None
    return k_marginal(both[: len(real)], both[len(real) :], group=group)


def _narrowed(rules: Sequence[Mapping[str, str]], features: set[str]) -> Iterator[dict[str, str]]:
    """Yield what rules say about some features: of a conclusion `this and that`, the parts that speak of them."""
    for rule in rules:
        if "column" in rule:
            if {rule["column"], rule["determines"]} <= features:
                yield dict(rule)
        elif "never" in rule:
            if _columns(rule["never"]) <= features:
                yield dict(rule)
        elif _columns(rule["if"]) <= features:
            parts = [part for part in rule["then"].split(" and ") if _columns(part) <= features]
            if parts:
                yield {**rule, "then": " and ".join(parts)}


def _columns(condition: str) -> set[str]:
    """Return the columns that a condition names; all are in capitals, as in the dictionary."""
    return set(re.findall(r"\b[A-Z][A-Z0-9_]+\b", condition))


def _excerpt(name: str, features: Sequence[str] | None) -> BenchmarkTable:
    schema = excerpt_schema(features)
    cells = pd.read_csv(shared_file("acs", "national2019.csv"), dtype=str, keep_default_na=False)  # noqa: TID251 - for the judge
    cells = cells[list(features)] if features else cells
    real = coded(schema, cells)

    def judge(made: Codes) -> dict[str, float]:
        table = SyntheticTable(schema, made, spread_seed=0)
        return {
            "k_marginal": scored(schema, cells, table.to_pandas()),
            "violations": float(schema.constraints.violations(made).sum()),
            **distances(real, schema.domain.sizes, made, at_most=400),
        }

    read = cells if features is None else cells[list(schema.domain.names)]
    return BenchmarkTable(name, schema, read, real, judge, sampled_rows=len(cells))


def _numbers(column: pd.Series) -> NDArray[np.float64]:
    """Return cells as numbers, missing ones as NaN."""
    numbers: NDArray[np.float64] = pd.to_numeric(column.astype(object), errors="coerce").to_numpy(
        np.float64, na_value=np.nan
    )
    return numbers


def _texts(column: pd.Series) -> NDArray[np.str_]:
    """Return cells as texts, missing ones as the dictionary writes them."""
    return np.array([MISSING if pd.isna(cell) else str(cell) for cell in column], dtype=str)

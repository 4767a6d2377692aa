"""Real tables with few coarse columns, coded by public cut points: where every cell of the whole table can be held."""

from __future__ import annotations

import numpy as np
import pandas as pd

from benchmarks.distances import distances
from benchmarks.tables.base import BenchmarkTable, Codes, coded, shared_file
from dpsynth.schema.schema import Schema


def adult_binary() -> BenchmarkTable:
    """Return ten yes-or-no questions about the raw Adult training file."""
    raw = pd.read_csv(shared_file("adult", "adult_train.csv"), skipinitialspace=True)  # noqa: TID251 - for the judge
    cells = pd.DataFrame(
        {
            "over_40": raw["age"] >= 40,
            "private": raw["workclass"] == "Private",
            "college": raw["education-num"] >= 13,
            "married": raw["marital-status"].str.startswith("Married-civ"),
            "professional": raw["occupation"].isin(["Exec-managerial", "Prof-specialty"]),
            "white": raw["race"] == "White",
            "male": raw["sex"] == "Male",
            "gained": raw["capital-gain"] > 0,
            "long_hours": raw["hours-per-week"] > 40,
            "over_50k": raw["income"].str.startswith(">50K"),
        }
    )
    return _table("adult-binary", cells, {name: ["False", "True"] for name in cells}, rows=30_000)


def excerpt_coarse() -> BenchmarkTable:
    """Return eight coarse demographic columns of the NIST excerpt."""
    raw = pd.read_csv(shared_file("acs", "national2019.csv"), dtype=str, keep_default_na=False)  # noqa: TID251 - as above
    ages = pd.cut(raw["AGEP"].astype(int), [-1, 17, 34, 49, 64, 99], labels=list("01234")).astype(str)
    decile = pd.to_numeric(raw["PINCP_DECILE"], errors="coerce").fillna(-1)
    education = pd.to_numeric(raw["EDU"], errors="coerce").fillna(-1)
    cells = pd.DataFrame(
        {
            "age": ages,
            "sex": raw["SEX"],
            "marriage": raw["MSP"].replace({"2": "1", "3": "rest", "4": "rest", "5": "rest"}),
            "race": raw["RAC1P"].where(raw["RAC1P"].isin(["1", "2", "6"]), "rest"),
            "housing": raw["HOUSING_TYPE"].where(raw["HOUSING_TYPE"] == "1", "group"),
            "own_or_rent": raw["OWN_RENT"],
            "education": np.select(
                [education < 0, education < 5, education < 10], ["none", "school", "some"], "degree"
            ),
            "income": np.select([decile < 0, decile < 3, decile < 7], ["none", "low", "middle"], "high"),
        }
    )
    levels = {
        "age": list("01234"),
        "sex": ["1", "2"],
        "marriage": ["N", "1", "6", "rest"],
        "race": ["1", "2", "6", "rest"],
        "housing": ["1", "group"],
        "own_or_rent": ["0", "1", "2"],
        "education": ["none", "school", "some", "degree"],
        "income": ["none", "low", "middle", "high"],
    }
    return _table("excerpt-coarse", cells, levels, rows=30_000)


def _table(name: str, cells: pd.DataFrame, levels: dict[str, list[str]], *, rows: int) -> BenchmarkTable:
    cells = cells.astype(str)
    fields = "".join(
        f"  - {{name: {column}, type: string, categories: {listed}, constraints: {{required: true}}}}\n"
        for column, listed in levels.items()
    )
    text = f"name: {name}\nfields:\n{fields}dpsynth:\n  unit: {{kind: row}}\n  public_rows: {rows}\n"
    schema = Schema.from_text(text, source=name)
    real = coded(schema, cells)

    def judge(made: Codes) -> dict[str, float]:
        return distances(real, schema.domain.sizes, made)

    return BenchmarkTable(name, schema, cells, real, judge, sampled_rows=len(cells))

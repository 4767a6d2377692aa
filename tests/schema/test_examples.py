"""The schemas of public tables fit those tables: declared, not learned, and yet hardly a cell falls outside."""

from __future__ import annotations

import os
import runpy
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dpsynth.errors import InvalidInput
from dpsynth.schema.codec import encode_cells
from dpsynth.schema.examples import example_schema
from dpsynth.schema.schema import Schema

PROJECT = Path(__file__).parents[2]
EXAMPLES = PROJECT / "docs" / "examples"
SHARED = Path(os.environ.get("DPSYNTH_SHARED_DATA", PROJECT.parent / "shared" / "data"))

needs_shared_data = pytest.mark.skipif(
    not SHARED.is_dir(), reason="the real tables are not here; name their folder in DPSYNTH_SHARED_DATA"
)


def check_fit(schema: Schema, frame: pd.DataFrame) -> None:
    known = {column.name for column in schema.columns} | {*schema.ignored, schema.unit.id_column}
    assert set(frame.columns) <= known
    codes = encode_cells(schema, {column.name: frame[column.name].tolist() for column in schema.columns})
    for place, column in enumerate(schema.columns):
        if column.outside_code is not None:
            assert not (codes[:, place] == column.outside_code).any(), column.name
        blank = frame[column.name].isin(["", *column.missing.texts]).to_numpy()
        if column.missing_code is not None:
            assert np.array_equal(codes[:, place] == column.missing_code, blank), column.name
        if column.is_ordered and column.kind.value in {"integer", "continuous"}:
            assert column.declared_size <= 25, column.name

    assert not schema.constraints.violations(codes).any(), "what is declared impossible does not occur"


def test_the_embedded_example_fits_its_table() -> None:
    data = pytest.importorskip("statsmodels.datasets.randhie").load_pandas().data
    schema = example_schema("randhie")
    assert schema.unit.describe() == "one row"
    assert schema.public_rows == 20_000
    check_fit(schema, data)
    check_fit(schema, data.astype(str))


def test_an_unknown_example_is_refused() -> None:
    for name in ("titanic", "../../schema", "__init__"):
        with pytest.raises(InvalidInput, match="no example schema"):
            example_schema(name)


@needs_shared_data
@pytest.mark.parametrize(
    ("schema", "table"),
    [("adult", "adult/adult_train.csv"), ("adult", "adult/adult_test.csv"), ("acs", "acs/national2019.csv"),
     ("diabetes", "diabetes130/diabetes130_sample5000.csv")],
)  # fmt: skip
def test_the_documented_examples_fit_their_tables(schema: str, table: str) -> None:
    frame = pd.read_csv(SHARED / table, dtype=str, keep_default_na=False)
    check_fit(Schema.from_yaml(EXAMPLES / f"{schema}.schema.yaml"), frame)


@needs_shared_data
def test_the_acs_schema_is_what_its_script_writes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["acs_from_dictionary.py", str(SHARED / "acs" / "data_dictionary.json")])
    runpy.run_path(str(EXAMPLES / "acs_from_dictionary.py"), run_name="__main__")
    assert capsys.readouterr().out == (EXAMPLES / "acs.schema.yaml").read_text(encoding="utf-8")


def test_documented_units() -> None:
    assert Schema.from_yaml(EXAMPLES / "diabetes.schema.yaml").unit.describe() == (
        "all rows that share a value of 'patient_nbr', at most 3 of them"
    )
    assert Schema.from_yaml(EXAMPLES / "adult.schema.yaml").public_rows == 30_000

"""A recipient can see that no row of the released table breaks a rule of its schema."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dpsynth.certification.released_table import codes_as_written, codes_of_table, problems_of_table
from dpsynth.errors import BundleError
from dpsynth.schema.schema import Schema
from dpsynth.schema.table import SyntheticTable
from tests.certification.made_releases import survey_rows, table_of

SCHEMA = Schema.from_text("""
name: t
dpsynth:
  unit: {kind: row}
  constraints:
    - {if: age < 15, then: status == "never" and not missing(status)}
fields:
  - {name: age, type: integer, constraints: {minimum: 0, maximum: 99, required: true}, dpsynth: {bins: [0, 15, 99]}}
  - {name: status, type: string, categories: [never, married]}
""")


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_impossible_rows_are_found_in_the_file(tmp_path: Path, suffix: str) -> None:
    possible = np.array([[0, 0], [1, 1], [1, 2], [1, 3]], dtype=np.int32)
    for extra, problems in (([1, 0], 0), ([0, 1], 1), ([0, 2], 1), ([2, 0], 2)):
        table = SyntheticTable(SCHEMA, np.concatenate([possible, np.array([extra], dtype=np.int32)]), spread_seed=0)
        path = tmp_path / f"{extra[0]}_{extra[1]}{suffix}"
        table.write(path)
        found = problems_of_table(path, SCHEMA, 5)
        assert ["declares impossible" in problem for problem in found].count(True) == min(problems, 1)


@pytest.mark.parametrize("name", ["table.csv", "table.parquet"])
def test_codes_come_back_as_they_were_written(name: str, tmp_path: Path) -> None:
    table = table_of(survey_rows(2_000, np.random.default_rng(4)))
    table.write(tmp_path / name)
    np.testing.assert_array_equal(
        codes_of_table(tmp_path / name, table.schema), codes_as_written(table.codes, table.schema)
    )
    (tmp_path / name).write_text("nothing", encoding="utf-8")
    with pytest.raises(BundleError, match="cannot be read as a table"):
        codes_of_table(tmp_path / name, table.schema)

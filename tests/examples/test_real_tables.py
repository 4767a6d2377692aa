"""The main job on real tables, with the schemas that `docs/examples` ships."""

from __future__ import annotations

import os
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.certification.certificate import Override
from dpsynth.certification.policy import Verdict
from dpsynth.certification.verify import verify_release
from dpsynth.curator.sources.csv_file import CsvFile
from dpsynth.evaluation.fidelity import total_variation
from dpsynth.ledger import Ledger
from dpsynth.release import release
from dpsynth.schema.codec import encode_cells
from dpsynth.schema.schema import Schema

ROOT = Path(__file__).parents[2]
SHARED = Path(os.environ.get("DPSYNTH_SHARED_DATA", ROOT.parent / "shared" / "data"))

# Name, table, schema, and the largest mean total-variation distance over all pairs of columns that is accepted; single
# runs measured 0.031, 0.046 and 0.111.
TABLES = [
    ("adult", "adult/adult_train.csv", "adult.schema.yaml", 0.045),
    ("acs", "acs/national2019.csv", "acs.schema.yaml", 0.07),
    ("diabetes", "diabetes130/diabetes130_sample5000.csv", "diabetes.schema.yaml", 0.18),
]


def pair_distance(real: NDArray[np.int64], made: NDArray[np.int64], sizes: tuple[int, ...]) -> float:
    """Return the mean total-variation distance over all two-way marginals."""
    distances = []
    for first, other in combinations(range(len(sizes)), 2):
        cells = sizes[first] * sizes[other]
        shares = [
            np.bincount(codes[:, first] * sizes[other] + codes[:, other], minlength=cells) / len(codes)
            for codes in (real, made)
        ]
        distances.append(total_variation(*shares))
    return float(np.mean(distances))


def codes_of(file: Path, schema: Schema) -> NDArray[np.int64]:
    """Return the codes of a CSV file, shape (rows, columns)."""
    source = CsvFile(file)
    names = source.column_names()
    parts = [
        encode_cells(schema, {column.name: part[names.index(column.name)] for column in schema.columns})
        for part in source.batches()
    ]
    return np.concatenate(parts).astype(np.int64)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "table", "schema_name", "limit"), TABLES, ids=[row[0] for row in TABLES])
def test_a_real_table_is_released_and_verifies(
    name: str, table: str, schema_name: str, limit: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = SHARED / table
    if not data.is_file():
        pytest.skip(f"the real table {table} is not on this machine; see DPSYNTH_SHARED_DATA")
    monkeypatch.setenv("DPSYNTH_HOME", str(tmp_path / "keys"))
    schema = Schema.from_yaml(ROOT / "docs" / "examples" / schema_name)
    with Ledger(tmp_path / "ledger.db") as ledger:
        ledger.set_budget(schema.dataset, PrivacyBudget(2, "1e-5"))
        made = release(
            data,
            schema,
            PrivacyBudget(1, "1e-6"),
            out=tmp_path / "release",
            ledger=ledger,
            # About one honest release in fifty has too few canaries to pass; the test is about the path.
            override=Override(by="a test", reason="the path is under test, not the luck of the canaries"),
        )
        ledger.verify()
    assert made.certificate.verdict is not Verdict.FAIL
    verification = verify_release(tmp_path / "release")
    assert verification.passed, verification.problems

    real, synthetic = codes_of(data, schema), codes_of(tmp_path / "release" / "synthetic.csv", schema)
    distance = pair_distance(real, synthetic, schema.domain.sizes)
    print(f"{name}: verdict {made.certificate.verdict.value}, mean distance of pairs {distance:.4f}")
    assert distance < limit

"""The suite on a real table with its own duplicates, rare values and correlations: Adult as integer codes."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from dpsynth.attacks import Reading, Records, overall_reading, run_suite
from tests.attacks.populations import Codes, PlainColumn, PlainSchema, Split, bootstrap, partly_copied

PROJECT = Path(__file__).resolve().parents[2]
FOLDER = Path(os.environ.get("DPSYNTH_SHARED_DATA", PROJECT.parent / "shared" / "data")) / "adult"
ORDERED = ("age", "education-num", "capital-gain", "capital-loss", "hours-per-week")
LEFT_OUT = "fnlwgt"
"""A survey weight: nearly unique per household, so it would make every copy trivial to find."""

ROWS, ROWS_FOR_FEW_COPIES = 1000, 2000
"""Many rows of coded Adult are equal by nature: one copied row in fifty stands out among more people only."""

pytestmark = pytest.mark.skipif(
    not (FOLDER / "adult_coded.csv").is_file(), reason="the coded Adult table is not beside this checkout"
)


@pytest.fixture(scope="module")
def schema() -> PlainSchema:
    sizes = json.loads((FOLDER / "adult_coded_domain.json").read_text(encoding="utf-8"))
    return PlainSchema(
        [PlainColumn(size, is_ordered=name in ORDERED) for name, size in sizes.items() if name != LEFT_OUT]
    )


@pytest.fixture(scope="module")
def people() -> Codes:
    names = list(json.loads((FOLDER / "adult_coded_domain.json").read_text(encoding="utf-8")))
    table = np.loadtxt(FOLDER / "adult_coded.csv", delimiter=",", skiprows=1, dtype=np.int64)
    return np.random.default_rng(7).permutation(np.delete(table, names.index(LEFT_OUT), axis=1))


def split_of(people: Codes, rows: int) -> Split:
    return Split(*np.split(people[: 4 * rows], 4))


@pytest.fixture(scope="module")
def split(people: Codes) -> Split:
    return split_of(people, ROWS)


def reading(split: Split, synthetic: Codes, schema: PlainSchema) -> Reading:
    tables = (
        Records.from_codes(codes, schema) for codes in (split.members, split.controls, synthetic, split.reference)
    )
    return overall_reading(run_suite(*tables, rng=np.random.default_rng(0)))


# What copies all rows, or one in ten, is in tests/corpus.
def test_a_bootstrap_fails(split: Split, schema: PlainSchema) -> None:
    assert reading(split, bootstrap(split.members, np.random.default_rng(1)), schema) is Reading.FAIL


def test_one_copied_row_in_fifty_fails(people: Codes, schema: PlainSchema) -> None:
    split = split_of(people, ROWS_FOR_FEW_COPIES)
    assert reading(split, partly_copied(split.members, split.fresh, share=0.02), schema) is Reading.FAIL


def noisy_column(codes: Codes, size: int, epsilon: float, rng: np.random.Generator) -> Codes:
    """Return as many codes as `codes`, drawn from their counts with Laplace noise."""
    counts = np.clip(np.bincount(codes, minlength=size) + rng.laplace(scale=1 / epsilon, size=size), 0, None)
    return rng.choice(size, size=codes.size, p=counts / counts.sum())


def test_a_fresh_draw_and_private_marginals_do_not_fail(split: Split, schema: PlainSchema) -> None:
    rng = np.random.default_rng(2)
    share = 1 / len(schema.columns)
    marginals = [
        noisy_column(codes, column.size, share, rng)
        for codes, column in zip(split.members.T, schema.columns, strict=True)
    ]
    assert reading(split, split.fresh, schema) is not Reading.FAIL
    assert reading(split, np.stack(marginals, axis=1), schema) is not Reading.FAIL


def test_columns_without_noise_fail(split: Split, schema: PlainSchema) -> None:
    # Every column is that of the members, exactly: counts of cliques give them away, though no record is repeated.
    rng = np.random.default_rng(2)
    exact = np.stack([rng.permutation(column) for column in split.members.T], axis=1)
    assert reading(split, exact, schema) is Reading.FAIL

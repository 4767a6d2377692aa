"""Fitted models under conditions, in pieces and as files: the same rows each way, and no half files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dpsynth.errors import BundleError, InvalidInput
from dpsynth.generators.aim import AIM
from dpsynth.generators.balanced_sample import balanced_sample
from dpsynth.generators.fitted_model import FittedGraphicalModel
from dpsynth.generators.sample_files import write_samples
from dpsynth.models import CliqueVector, GraphicalModel
from dpsynth.models.merged_column import MergedColumn
from dpsynth.progress import reporting_to
from dpsynth.schema.domain import Domain
from dpsynth.schema.schema import Schema
from tests.generators.planted import fitted
from tests.generators.test_multi_resolution import linked_curator

SCHEMA = Schema.from_text(
    """
name: t
fields:
  - {name: stage, type: string, categories: ["=none", early, "late, very"]}
  - {name: age, type: integer, constraints: {minimum: 0, maximum: 99}, dpsynth: {bins: 5}}
  - {name: cost, type: number, constraints: {minimum: 0, maximum: 1000}, dpsynth: {bins: 4, spikes: [0]}}
  - {name: seen, type: date, constraints: {minimum: 2020-01-01, maximum: 2020-12-31}, dpsynth: {bins: 12}}
dpsynth: {unit: {kind: row}, public_rows: 1000}
"""
)


@pytest.fixture
def model() -> FittedGraphicalModel:
    potentials = CliqueVector.zeros(SCHEMA.domain, [("stage", "age"), ("age", "cost"), ("seen",)])
    potentials.buffer[:] = np.random.default_rng(1).normal(0, 1, potentials.buffer.shape)
    potentials["stage", "age"].values[0, :2] = -np.inf  # nobody below 40 without a stage
    return FittedGraphicalModel(SCHEMA, GraphicalModel.from_potentials(potentials, 500.0), ())


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dpsynth.models.records._MOST_RECORDS", 64)
    monkeypatch.setattr("dpsynth.models.records._FEWEST_RECORDS", 64)
    monkeypatch.setattr("dpsynth.generators.balanced_sample.MOST_ROWS", 50)


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
@pytest.mark.parametrize("rows", [0, 1, 40, 64, 300])
def test_a_file_holds_the_rows_of_a_sample(model: FittedGraphicalModel, tmp_path: Path, name: str, rows: int) -> None:
    given = {"age": [10, 50, 90]}
    write_samples(model, tmp_path / name, rows, rng=np.random.default_rng(4), given=given)
    table = balanced_sample(model, rows, rng=np.random.default_rng(4), given=given)
    table.write(tmp_path / f"whole{Path(name).suffix}")
    assert table.rows == rows
    read = pd.read_csv if name.endswith("csv") else pd.read_parquet
    pd.testing.assert_frame_equal(read(tmp_path / name), read(tmp_path / f"whole{Path(name).suffix}"))
    if name.endswith("csv"):
        assert (tmp_path / name).read_bytes() == (tmp_path / "whole.csv").read_bytes()


def test_rows_meet_conditions_and_structural_zeros(model: FittedGraphicalModel) -> None:
    frame = model.sample(400, rng=np.random.default_rng(0), given={"age": range(30), "cost": 0}).to_pandas()
    assert frame["age"].between(0, 39).all()  # the bins that hold 0 to 29
    assert (frame["cost"] == 0).all()
    assert "=none" not in set(frame["stage"])
    empty = model.sample(50, rng=np.random.default_rng(0), given={"seen": None}).to_pandas()
    assert empty["seen"].isna().all()
    with pytest.raises(InvalidInput, match="chance together is zero"):
        model.sample(10, rng=np.random.default_rng(0), given={"stage": "=none", "age": 5})
    with pytest.raises(InvalidInput, match="at least 0"):
        model.sample(-1, rng=np.random.default_rng(0))


def test_conditions_reach_through_coarser_versions_of_columns() -> None:
    made = fitted(AIM(), linked_curator())
    assert made.model.domain != made.schema.domain
    below = made.sample(500, rng=np.random.default_rng(0), given={"fine": range(80)}).to_pandas()
    assert (below["small"].astype(str) == "x").mean() > 0.85
    assert (below["fine"] < 80).mean() > 0.9  # bins that hold a given value may reach a little further
    pieces = list(made.sample_chunks(200, rng=np.random.default_rng(0), given={"small": "y"}))
    assert [piece.shape for piece in pieces] == [(64, 3)] * 3 + [(8, 3)]


def test_conditions_on_merged_codes_weigh_their_groups() -> None:
    codes = SCHEMA.domain.size("stage")
    assert codes == 5
    stage = MergedColumn(np.array([0, 1, 1, 0, 0]), np.array([0.8, 0.25, 0.75, 0.1, 0.1]))
    domain = Domain(SCHEMA.domain.names, (2, *SCHEMA.domain.sizes[1:]))
    potentials = CliqueVector.zeros(domain, [("stage", "age")])
    potentials.buffer[:] = np.random.default_rng(3).normal(0, 1, potentials.buffer.shape)
    made = FittedGraphicalModel(SCHEMA, GraphicalModel.from_potentials(potentials, 500.0), (), merged={"stage": stage})
    fine = made.model.marginal(("stage", "age"))[stage.groups] * stage.shares[:, None]
    expected = fine[[0, 2]] / fine[[0, 2]].sum()
    rows = 20_000
    drawn = made.sample(rows, rng=np.random.default_rng(0), given={"stage": ["=none", "late, very"]}).codes
    counts = np.zeros((codes, domain.size("age")))
    np.add.at(counts, (drawn[:, 0], drawn[:, 1]), 1)
    assert set(np.flatnonzero(counts.sum(axis=1))) == {0, 2}
    # Cells are rounded by less than one in the model and by less than one within groups in each of 313 pieces.
    np.testing.assert_allclose(counts[[0, 2]], rows * expected, atol=100)
    one = made.sample(100, rng=np.random.default_rng(0), given={"stage": "early"}).codes
    assert (one[:, 0] == 1).all()


class Bars:
    def __init__(self) -> None:
        self.steps: list[tuple[str, int]] = []

    def start(self, phase: str, total: int) -> None:
        self.steps.append((phase, total))

    def advance(self, phase: str, steps: int) -> None:
        self.steps.append((phase, steps))

    def finish(self, phase: str) -> None:
        self.steps.append((phase, -1))


def test_progress_is_told_in_rows(model: FittedGraphicalModel, tmp_path: Path) -> None:
    bars = Bars()
    with reporting_to(bars):
        write_samples(model, tmp_path / "t.csv", 150, rng=np.random.default_rng(0))
    assert [steps for _, steps in bars.steps] == [150, 64, 64, 22, -1]


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
@pytest.mark.parametrize("fault", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_an_interrupt_leaves_no_half_file_and_keeps_the_old_one(
    model: FittedGraphicalModel,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    fault: BaseException | type[BaseException],
) -> None:
    (tmp_path / name).write_bytes(b"before")
    whole = FittedGraphicalModel.sample_chunks

    def broken(*arguments: object, **named: object) -> Iterator[np.ndarray]:
        yield from list(whole(*arguments, **named))[:2]  # type: ignore[arg-type]
        raise fault

    monkeypatch.setattr(FittedGraphicalModel, "sample_chunks", broken)
    with pytest.raises(KeyboardInterrupt if fault is KeyboardInterrupt else BundleError):
        write_samples(model, tmp_path / name, 300, rng=np.random.default_rng(0))
    assert [file.name for file in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_bytes() == b"before"


def test_what_is_wrong_is_said_before_a_file_is_touched(model: FittedGraphicalModel, tmp_path: Path) -> None:
    for rows, name, given in ((5, "t.xlsx", {}), (-1, "t.csv", {}), (5, "t.csv", {"stage": "unheard of"})):
        with pytest.raises(InvalidInput):
            write_samples(model, tmp_path / name, rows, rng=np.random.default_rng(0), given=given)
    assert list(tmp_path.iterdir()) == []

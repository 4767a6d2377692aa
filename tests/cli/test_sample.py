"""`dpsynth sample`: a saved model again, under conditions, never certified and never over something else."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dpsynth.generators.fitted_model import FittedGraphicalModel
from dpsynth.models import CliqueVector, GraphicalModel
from dpsynth.schema.schema import Schema
from tests.cli.command_line import Run
from tests.cli.conftest import SCHEMA


@pytest.fixture
def internal(tmp_path: Path) -> Path:
    """Return a folder like the internal one of a release, with a model whose pair (sex, stage) is linked."""
    schema = Schema.from_text(SCHEMA)
    potentials = CliqueVector.zeros(schema.domain, [("sex", "stage")])
    potentials["sex", "stage"].values[:2, :4] = [[4.0, 4.0, 0.0, 0.0], [-np.inf, 0.0, 4.0, 4.0]]
    folder = tmp_path / "release-internal"
    FittedGraphicalModel(schema, GraphicalModel.from_potentials(potentials, 800.0), ()).save(folder / "model")
    return folder


def test_a_model_is_sampled_again_and_the_rows_are_called_uncertified(run: Run, internal: Path, tmp_path: Path) -> None:
    made = run("sample", internal, "--rows", 300, "--out", tmp_path / "more.csv", "--seed", 3)
    assert made.code == 0, made.err
    assert "300 synthetic rows" in made.out
    assert "no charge" in made.out
    assert "not certified" in made.out
    assert "copies of canaries" in made.out
    assert len(pd.read_csv(tmp_path / "more.csv")) == 300
    run("sample", internal / "model", "--rows", 300, "--out", tmp_path / "again.csv", "--seed", 3)
    assert (tmp_path / "again.csv").read_bytes() == (tmp_path / "more.csv").read_bytes()
    assert not (tmp_path / "home" / "ledger.db").exists()


def test_conditions_are_values_of_columns(run: Run, internal: Path, tmp_path: Path) -> None:
    out = tmp_path / "some.parquet"
    arguments = ("--given", "sex=M", "--given", "stage=early", "--given", "stage=late", "--given", "age=")
    made = run("sample", internal, "--rows", 200, "--out", out, *arguments, "--json")
    assert json.loads(made.out) == {"file": str(out), "rows": 200, "certified": False, "charged": False}
    assert made.err == ""
    frame = pd.read_parquet(out)
    assert set(frame["sex"]) == {"M"}
    assert set(frame["stage"]) <= {"early", "late"}
    # In the model late is exp(4) times as likely as early among men.
    assert (frame["stage"] == "late").mean() > 0.9
    assert frame["age"].isna().all()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("ward", "COLUMN=VALUE"),
        ("floor=1", "one of the columns sex, stage"),
        ("stage=worse", "does not declare that value of 'stage'"),
        ("stage=none", "chance together is zero"),
    ],
)
def test_conditions_that_cannot_be_met_are_refused(
    run: Run, internal: Path, tmp_path: Path, given: str, said: str
) -> None:
    refused = run("sample", internal, "--rows", 9, "--out", tmp_path / "t.csv", "--given", "sex=M", "--given", given)
    assert refused.code == 2
    assert said in refused.err
    assert not list(tmp_path.glob("t.csv*"))


def test_nothing_is_written_over_or_into_a_release(run: Run, internal: Path, tmp_path: Path) -> None:
    (tmp_path / "there.csv").write_text("before", encoding="utf-8")
    assert "exists already" in run("sample", internal, "--rows", 9, "--out", tmp_path / "there.csv").err
    assert (tmp_path / "there.csv").read_text(encoding="utf-8") == "before"
    (tmp_path / "release").mkdir()
    (tmp_path / "release" / "certificate.json").write_text("{}", encoding="utf-8")
    refused = run("sample", internal, "--rows", 9, "--out", tmp_path / "release" / "t.csv")
    assert refused.code == 2
    assert "its certificate does not speak of these rows" in refused.err
    assert "holds no saved model" in run("sample", tmp_path, "--rows", 9, "--out", tmp_path / "t.csv").err


def test_a_withheld_release_is_mentioned(run: Run, internal: Path, tmp_path: Path) -> None:
    (internal / "withheld").mkdir()
    made = run("sample", internal, "--rows", 9, "--out", tmp_path / "t.csv")
    assert made.code == 0
    assert "the release of this model was withheld" in made.err

"""A small clinic with a schema, and a command line to try on it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.cli.command_line import Run, runner

SCHEMA = """
name: clinic
fields:
  - {name: sex, type: string, categories: [F, M]}
  - {name: stage, type: string, categories: [none, early, middle, late]}
  - {name: region, type: string, categories: [north, south, east, west, centre]}
  - {name: age, type: integer, constraints: {minimum: 0, maximum: 99}, dpsynth: {bins: 20}}
  - {name: visits, type: integer, constraints: {minimum: 0, maximum: 30}, dpsynth: {bins: 10, spikes: [0]}}
  - {name: cost, type: number, constraints: {minimum: 0, maximum: 1000}, dpsynth: {bins: 10, spikes: [0]}}
  - {name: seen, type: date, constraints: {minimum: 2020-01-01, maximum: 2024-12-31}, dpsynth: {bins: 20}}
  - {name: alive, type: boolean}
  - {name: ward, type: string, categories: [a, b, c, d, e, f, g, h]}
dpsynth: {unit: {kind: row}, public_rows: 40000}
"""
HEADER = "sex,stage,region,age,visits,cost,seen,alive,ward"


def records(rows: int, seed: int = 0) -> list[str]:
    """Return CSV records of a made-up clinic in which stage goes with age and cost with stage."""
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(rows):
        age = int(rng.integers(0, 100))
        stage = ["none", "early", "middle", "late"][min(3, int(rng.integers(0, 1 + age // 20)))]
        cost = 0.0 if stage == "none" else round(float(rng.uniform(1, 1000)), 2)
        day = np.datetime64("2020-01-01") + int(rng.integers(0, 1800))
        made.append(
            f"{rng.choice(['F', 'M'])},{stage},{rng.choice(['north', 'south', 'east'])},{age},"
            f"{int(rng.poisson(2))},{cost},{day},{str(bool(rng.random() < 0.9)).lower()},{rng.choice(list('abcdefgh'))}"
        )
    return made


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    home = tmp_path / "home"
    home.mkdir()
    return runner(monkeypatch, capsys, home)


@pytest.fixture
def schema_file(tmp_path: Path) -> Path:
    file = tmp_path / "clinic.schema.yaml"
    file.write_text(SCHEMA, encoding="utf-8")
    return file


@pytest.fixture
def data_file(tmp_path: Path) -> Path:
    file = tmp_path / "clinic.csv"
    file.write_text("\n".join([HEADER, *records(8000)]) + "\n", encoding="utf-8")
    return file

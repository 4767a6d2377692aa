"""Releases beside an exported ledger: what was changed in a folder, and what the ledger no longer knows, is found."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest

import dpsynth
from dpsynth.certification import layout
from dpsynth.oversight import export_json_lines
from tests.oversight.forging import edit

SCHEMA = """
name: ward
fields:
  - {name: sex, type: string, categories: [F, M]}
  - {name: ward, type: string, categories: [a, b, c, d, e, f, g, h]}
  - {name: age, type: integer, constraints: {minimum: 0, maximum: 99}, dpsynth: {bins: 20}}
  - {name: visits, type: integer, constraints: {minimum: 0, maximum: 30}, dpsynth: {bins: 10, spikes: [0]}}
  - {name: cost, type: number, constraints: {minimum: 0, maximum: 1000}, dpsynth: {bins: 10}}
  - {name: seen, type: date, constraints: {minimum: 2020-01-01, maximum: 2024-12-31}, dpsynth: {bins: 20}}
dpsynth: {unit: {kind: row}, public_rows: 20000}
"""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with one release, the key that signed it, and the ledger in a file."""
    folder = tmp_path_factory.mktemp("shop")
    (folder / "releases").mkdir()
    (folder / "ward.yaml").write_text(SCHEMA, encoding="utf-8")
    rows = pd.DataFrame(
        {"sex": ["F", "M"] * 3000, "ward": list("abcdefgh") * 750, "age": list(range(100)) * 60,
         "visits": [0, 1, 2] * 2000, "cost": [1.5] * 6000, "seen": ["2021-05-05"] * 6000}
    )  # fmt: skip
    with pytest.MonkeyPatch.context() as patch, dpsynth.Ledger(f"sqlite:///{folder / 'ledger.db'}") as ledger:
        patch.setenv("DPSYNTH_HOME", str(folder / "home"))
        ledger.set_budget("ward", dpsynth.PrivacyBudget(3, "1e-5"))
        dpsynth.release(
            rows, folder / "ward.yaml", dpsynth.PrivacyBudget(1, "1e-6"), out=folder / "releases" / "spring",
            ledger=ledger, generator="independent", override=dpsynth.Override(by="Ada", reason="a test"),
        )  # fmt: skip
        export_json_lines(ledger, folder / "ledger.jsonl")
    shutil.copy(folder / "releases" / "spring" / layout.PUBLIC_KEY, folder / "public.pem")
    return folder


@pytest.fixture
def copy(shop: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(shop, tmp_path / "shop"))


def test_a_folder_of_releases_is_verified_and_compared(copy: Path) -> None:
    audit = dpsynth.audit_ledger(copy / "ledger.jsonl", artefacts=[copy / "releases"], release_key=copy / "public.pem")
    assert audit.problems == ()
    assert audit.checks[-1].name == "artefacts"
    assert "1 known head" not in audit.checks[2].explanation  # its own first line, and that of the certificate


def test_a_changed_table(copy: Path) -> None:
    table = copy / "releases" / "spring" / "synthetic.csv"
    table.write_text(table.read_text("utf-8").replace("F,", "M,", 1), encoding="utf-8")
    found = dpsynth.audit_ledger(copy / "ledger.jsonl", artefacts=[copy / "releases" / "spring"]).problems
    assert any(problem.startswith("release folder spring: files: changed: synthetic.csv") for problem in found)
    assert any("table: synthetic.csv is not the table that the certificate is about" in problem for problem in found)


def test_a_release_of_another_ledger(copy: Path) -> None:
    edit(copy / "ledger.jsonl", lambda lines: lines.__delitem__(slice(2, None)))
    edit(copy / "ledger.jsonl", lambda lines: lines[0].update(entries=1, head={"index": 0, "digest": ""}))
    found = dpsynth.audit_ledger(copy / "ledger.jsonl", artefacts=[copy / "releases"]).problems
    assert any("is known from the certificate in spring" in problem for problem in found)
    assert any(problem.endswith("of its ledger entries are not in this ledger") for problem in found)


def test_a_release_that_somebody_else_signed(copy: Path, tmp_path: Path) -> None:
    from dpsynth.certification.signing import load_or_create_key

    other = tmp_path / "other.pem"
    other.write_bytes(load_or_create_key(tmp_path / "keys" / "key.pem").public_pem)
    found = dpsynth.audit_ledger(copy / "ledger.jsonl", artefacts=[copy / "releases"], release_key=other).problems
    assert any(problem.startswith("release folder spring: signature: ") for problem in found)

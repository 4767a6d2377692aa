"""The import contracts are kept, and each of them catches the import that it is there to catch."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.architecture.source_tree import PACKAGE, PROJECT

CONTRACTS = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
FLOORS = [
    [name.strip("() ") for name in layer.split("|")]
    for contract in CONTRACTS
    if contract["id"] == "floors"
    for layer in contract["layers"]
]


@dataclass(frozen=True)
class Plant:
    """A module that breaks a contract."""

    contract: str
    module: str
    statement: str


PLANTS = [
    Plant("floors", "unfloored", "import dpsynth.errors"),
    Plant("sealed", "generators.planted", "from dpsynth.curator._sealed import unseal"),
    Plant("seal", "certification.planted", "from dpsynth.curator.seal import content_of"),
    Plant("findings", "report.planted", "from dpsynth.curator.findings import reveal"),
    Plant("findings", "cli.planted", "from dpsynth.curator import findings"),
    Plant("ingest", "generators.planted", "from dpsynth.curator import ingest"),
    Plant("audit-view", "generators.planted", "from dpsynth.curator.audit_view import examine"),
    Plant("bundle", "cli.planted", "from dpsynth.certification import bundle"),
    Plant("generators-ask", "generators.planted", "from dpsynth.mechanisms import base"),
    Plant("generators-ask", "generators.planted", "def lazily():\n    from dpsynth.randomness import SystemNoise"),
    Plant("generators-ask", "generators.planted", "import dpsynth.ledger"),
    Plant("attacks-see-arrays", "attacks.planted", "from dpsynth.curator import curator"),
    Plant("models-are-public", "models.planted", "from dpsynth.randomness import SystemNoise"),
    Plant("generators-independent", "generators.planted", "from dpsynth.generators import independent"),
    Plant("attacks-independent", "attacks.planted", "from dpsynth.attacks import nearest_neighbour"),
    Plant("neural-stays-apart", "models.planted", "def lazily():\n    import torch"),
    Plant("neural-stays-apart", "curator.planted", "def lazily():\n    import torch"),
    Plant("neural-stays-apart", "integrations.planted", "import diffprivlib"),
    Plant("database-in-ledger", "certification.planted", "import sqlalchemy"),
    Plant("drawing-in-report", "attacks.planted", "import matplotlib.pyplot"),
    Plant("oracles-in-tests", "accounting.planted", "import dp_accounting"),
]


def lint(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = "import sys; from importlinter.cli import lint_imports_command; sys.exit(lint_imports_command())"
    command = [sys.executable, "-c", program, "--no-logo", "--no-cache", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture
def copy_of_the_package(tmp_path: Path) -> Path:
    shutil.copytree(PACKAGE, tmp_path / "dpsynth", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(PROJECT / "pyproject.toml", tmp_path)
    return tmp_path


def plant(folder: Path, module: str, statement: str) -> None:
    (folder / "dpsynth" / Path(*module.split("."))).with_suffix(".py").write_text(f"{statement}\n", encoding="utf-8")


def test_every_contract_is_kept() -> None:
    run = lint(PROJECT)
    assert run.returncode == 0, run.stdout + run.stderr
    assert f"Contracts: {len(CONTRACTS)} kept, 0 broken." in run.stdout


@pytest.mark.parametrize("planted", PLANTS, ids=lambda planted: f"{planted.contract}-{planted.module}")
def test_a_planted_import_breaks_its_contract(planted: Plant, copy_of_the_package: Path) -> None:
    plant(copy_of_the_package, planted.module, planted.statement)
    run = lint(copy_of_the_package, "--contract", planted.contract)
    assert run.returncode != 0
    assert "0 kept, 1 broken." in run.stdout, run.stdout + run.stderr
    assert f"dpsynth.{planted.module}" in run.stdout or planted.module in run.stdout


def test_every_upward_and_sideways_import_between_floors_is_caught(copy_of_the_package: Path) -> None:
    planted = [
        (lower, upper)
        for place, layer in enumerate(FLOORS)
        for lower in layer
        for upper in [*(FLOORS[place - 1] if place else []), *(name for name in layer if name != lower)]
        if (PACKAGE / lower).is_dir()
    ]
    for lower, upper in planted:
        plant(copy_of_the_package, f"{lower}.planted_for_{upper}", f"import dpsynth.{upper}")
    run = lint(copy_of_the_package, "--contract", "floors")
    reported = set(re.findall(r"dpsynth\.(\w+) is not allowed to import\s+dpsynth\.(\w+):", run.stdout))
    assert set(planted) <= reported


def test_every_contract_has_a_plant() -> None:
    assert {planted.contract for planted in PLANTS} == {contract["id"] for contract in CONTRACTS}

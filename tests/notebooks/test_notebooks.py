"""Every notebook runs from top to bottom on the public interface, and is kept without outputs."""

from __future__ import annotations

import ast
import json
import os
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

PROJECT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((PROJECT / "notebooks").glob("*.ipynb"))

REGISTER = PROJECT / "tests" / "current_register.py"
AUDITED = f"""
import runpy
from dpsynth.certification import implementation_audits
implementation_audits._shipped_register = runpy.run_path({str(REGISTER)!r})["current_register"]
"""
"""Runs before the first cell: audits are on record only for code that was published."""


def code_of(notebook: Path) -> list[dict[str, Any]]:
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code"]


def test_there_are_notebooks() -> None:
    assert NOTEBOOKS


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_outputs_are_stripped(notebook: Path) -> None:
    for cell in code_of(notebook):
        assert cell["outputs"] == []
        assert cell["execution_count"] is None


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_only_the_public_interface_is_imported(notebook: Path) -> None:
    for cell in code_of(notebook):
        for node in ast.walk(ast.parse("".join(cell["source"]))):
            if isinstance(node, ast.ImportFrom):
                assert not re.match(r"dpsynth\.", node.module or ""), node.module
            elif isinstance(node, ast.Import):
                assert not any(alias.name.startswith("dpsynth.") for alias in node.names)


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # those of the notebook machinery; the kernel has its own
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(notebook: Path, tmp_path: Path) -> None:
    content = nbformat.read(notebook, as_version=4)
    content.cells.insert(0, nbformat.v4.new_code_cell(AUDITED))
    client = NotebookClient(
        content, timeout=240, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute(env={**os.environ, "PYTHONPATH": str(PROJECT)})

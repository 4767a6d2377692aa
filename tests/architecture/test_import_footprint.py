"""`import dpsynth` stays light: what it loads is asserted, not how long that takes."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = {
    *("cryptography", "diffprivlib", "duckdb", "ibis", "jinja2", "matplotlib", "opacus", "sklearn", "sqlalchemy"),
    *("statsmodels", "torch"),
}


def loaded_after(statement: str) -> set[str]:
    """Return the top-level names of the modules that a fresh interpreter holds after `statement`."""
    program = f"{statement}\nimport json, sys\nprint(json.dumps(sorted(n.partition('.')[0] for n in sys.modules)))"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(json.loads(run.stdout.splitlines()[-1]))


def test_importing_the_package_loads_no_heavy_library() -> None:
    assert loaded_after("import dpsynth") & HEAVY == set()


def test_the_ledger_is_shown_without_what_a_release_needs() -> None:
    of_releases = {"jsonschema", "numpy", "pandas", "pyarrow", "scipy", "yaml"}
    assert loaded_after("import dpsynth; dpsynth.Ledger") & (HEAVY | of_releases) == set()
    loaded = loaded_after("import dpsynth.cli.app, dpsynth.cli.ledger_commands, dpsynth.cli.ledger_account")
    assert loaded & (HEAVY | of_releases) == set()


def test_naming_a_public_schema_loads_no_heavy_library() -> None:
    assert loaded_after("import dpsynth; dpsynth.Schema; dpsynth.PrivacyBudget") & HEAVY == set()


def test_declaring_spends_of_other_tools_loads_none_of_them() -> None:
    assert loaded_after("from dpsynth.integrations import declare_spend, tumult_event") & HEAVY == set()


def test_whoever_does_not_train_loads_no_torch() -> None:
    loaded = loaded_after(
        "import dpsynth; dpsynth.Curator; import dpsynth.curator.gradients, dpsynth.generators.registry"
    )
    assert loaded & {"torch", "opacus"} == set()


def test_training_without_torch_names_the_extra() -> None:
    program = (
        "import sys; sys.modules['torch'] = None\n"
        "from dpsynth.errors import MissingExtra\n"
        "try: import dpsynth.curator.recorded_loss\n"
        "except MissingExtra as missing: print(missing)"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "neural" in run.stdout


@pytest.mark.parametrize("library", ["sqlalchemy", "sklearn"])
def test_a_planted_heavy_import_is_seen(library: str) -> None:
    assert library in loaded_after(f"import dpsynth, {library}")

"""What leaves a ledger as a file: complete, readable by others, and inert."""

from __future__ import annotations

import csv
import json
import subprocess
from fractions import Fraction
from pathlib import Path

import pytest
import yaml

from dpsynth.accounting.events import ExponentialDpEvent, GaussianDpEvent, GdpEvent
from dpsynth.errors import BudgetNotSet, BundleError, InvalidInput
from dpsynth.ledger import Ledger
from dpsynth.oversight import Deployment, export_csv, export_json_lines, export_registry_entry, registry_entry
from dpsynth.oversight.spreadsheet import COLUMNS
from tests.oversight.spending import reserve


@pytest.fixture
def filled(ledger: Ledger) -> Ledger:
    token = ledger.open(reserve(ledger, "patients", "first", GdpEvent(Fraction(1, 50)), purpose="=1+1"))
    ledger.settle(token, [("a", GaussianDpEvent(20.0)), ("b", GaussianDpEvent(20.0)), ("c", ExponentialDpEvent(0))])
    ledger.note("patients", "exported", release_id="first")
    return ledger


def test_json_lines_hold_every_entry_to_the_letter(filled: Ledger, tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    assert export_json_lines(filled, path) == 6
    first, *lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert (first["entries"], first["head"]["digest"]) == (6, filled.head().digest)
    assert [line["content"] for line in lines] == [entry.content() for entry in filled.entries()]
    with pytest.raises(BundleError, match="exists already"):
        export_json_lines(filled, path)
    with pytest.raises(BundleError, match="cannot be written"):
        export_json_lines(filled, tmp_path / "no" / "where.jsonl")


def test_anybody_with_a_shell_can_recompute_a_digest(filled: Ledger, tmp_path: Path) -> None:
    """Content is canonical JSON: its SHA-256 and the entry before it give the digest, without this software."""
    path = tmp_path / "ledger.jsonl"
    export_json_lines(filled, path)
    one, two = path.read_text("utf-8").splitlines()[1:3]
    content = two[len('{"content":') : two.index(',"digest":"')]
    spell = f'''
        c=$(printf %s "$1" | sha256sum | cut -d' ' -f1)
        p="{json.loads(one)["digest"]}"
        printf '{{"content_digest":"%s","index":2,"previous_digest":"%s"}}' "$c" "$p" | sha256sum
    '''
    run = subprocess.run(["bash", "-c", spell, "-", content], capture_output=True, text=True, check=True)
    assert run.stdout.split()[0] == json.loads(two)["digest"]


def test_csv_has_one_line_per_entry_and_formulas_are_inert(filled: Ledger, tmp_path: Path) -> None:
    path = tmp_path / "ledger.csv"
    assert export_csv(filled, path) == 6
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert [row["kind"] for row in rows] == ["BUDGET", "BUDGET", "RESERVE", "OPEN", "SETTLE", "NOTE"]
    assert rows[2]["purpose"] == "'=1+1"
    assert float(rows[2]["mu_squared"]) == pytest.approx(0.02)
    assert (rows[2]["epsilon"], rows[0]["mu_squared"]) == ("", "")
    assert [event["event"]["event"] for event in json.loads(rows[4]["events"])] == [
        "Gaussian",
        "Gaussian",
        "Exponential",
    ]


GIVEN = Deployment(
    name="Admissions", curator="A hospital", curator_type="Nonprofit", description="Rows like admissions",
    intended_use="Research", region="Nowhere", sector="Healthcare", author="Ada", units=20000,
)  # fmt: skip


def test_a_registry_entry_follows_the_structure_of_the_registry(filled: Ledger, tmp_path: Path) -> None:
    """Fields, enumerations and types as of the registry's schema at its commit 057e5d8."""
    path = tmp_path / "entry.yaml"
    assert export_registry_entry(filled, "patients", path, GIVEN) == 2
    entry = yaml.safe_load(path.read_text("utf-8"))
    assert set(entry) == {"url_slug", "deployment"}
    parts = entry["deployment"]
    assert set(parts) == {
        "basic", "dp_variant", "privacy_loss", "deployment_model", "implementation", "administrative",
    }  # fmt: skip
    basic = parts["basic"]
    assert {"name", "data_curators", "description", "intended_use", "data_product_type", "data_product_region",
            "publication_date"} <= set(basic)  # fmt: skip
    assert isinstance(basic["publication_date"], str)
    assert basic["data_product_type"] == "Synthetic data"
    assert parts["dp_variant"]["variant_name"] == "Approximate DP"
    assert set(parts["privacy_loss"]) <= {
        "privacy_unit", "privacy_unit_details", "number_of_privacy_units", "privacy_parameters",
        "privacy_parameters_details",
    }  # fmt: skip
    assert parts["privacy_loss"]["privacy_parameters"] == {"epsilon": 2.0, "delta": 1e-5}
    assert parts["privacy_loss"]["privacy_unit"] == "one row"
    assert parts["deployment_model"]["release_type"] == "One release"
    assert set(parts["implementation"]) <= {
        "preprocessing_and_hyperparameter_tuning", "mechanisms", "composition", "post_processing", "justification",
        "utility", "additional_information",
    }  # fmt: skip
    assert "2 x Gaussian noise" in parts["implementation"]["mechanisms"]
    assert parts["administrative"] == {"status": "Draft", "registry_authors": ["Ada"], "tier": 3}


def test_what_a_ledger_cannot_know_is_a_marked_blank(filled: Ledger, tmp_path: Path) -> None:
    assert export_registry_entry(filled, "patients", tmp_path / "entry.yaml") == 9
    with pytest.raises(InvalidInput, match="Healthcare"):
        Deployment(sector="Witchcraft")
    with pytest.raises(InvalidInput, match="nothing was released"):
        registry_entry(filled, "staff")
    with pytest.raises(BudgetNotSet):
        registry_entry(filled, "guests")

"""Views and audits of renewed budgets, and of heads that were signed inside the ledger."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpsynth import audit_ledger
from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.ledger import Ledger
from dpsynth.ledger.keys import SigningKey, load_or_create_key
from dpsynth.oversight import accounts, export_json_lines, timeline
from tests.oversight.forging import rewritten, write
from tests.oversight.spending import UNIT, spend


@pytest.fixture
def keys(tmp_path: Path) -> list[SigningKey]:
    return [load_or_create_key(tmp_path / f"key-{number}" / "key.pem") for number in range(2)]


@pytest.fixture
def public(keys: list[SigningKey], tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"public-{number}.pem" for number in range(2)]
    for path, key in zip(paths, keys, strict=True):
        path.write_bytes(key.public_pem)
    return paths


def test_a_head_that_was_signed_inside_the_ledger_vouches_for_the_file(
    ledger: Ledger, keys: list[SigningKey], public: list[Path], tmp_path: Path
) -> None:
    spend(ledger, "patients", "first", "1/100")
    ledger.sign_head(keys[0])
    spend(ledger, "patients", "second", "1/100")
    export_json_lines(ledger, tmp_path / "l.jsonl")
    audit = audit_ledger(tmp_path / "l.jsonl", public_key=public[0])
    assert audit.problems == ()
    assert "signed up to entry 5" in audit.checks[3].explanation
    (found,) = audit_ledger(tmp_path / "l.jsonl", public_key=public[1]).problems
    assert found.startswith("the ledger is signed, but not by the given key")
    assert "signed up to entry 5" in (ledger._repr_html_() or "")


def test_a_ledger_that_was_rewritten_before_a_signed_head(
    ledger: Ledger, keys: list[SigningKey], public: list[Path], tmp_path: Path
) -> None:
    spend(ledger, "patients", "first", "1/100")
    ledger.sign_head(keys[0])
    path = write(tmp_path / "l.jsonl", rewritten(ledger.entries(), 1, budget=PrivacyBudget(9, "1e-5")))
    broken, unsigned = audit_ledger(path, public_key=public[0]).problems
    assert unsigned.startswith("entry 6 (line 7) is not legal there: the signature of the key")
    assert broken.startswith("the file is not signed")


def test_a_renewed_budget_begins_empty_and_the_old_one_stays_visible(
    path: Path, keys: list[SigningKey], tmp_path: Path
) -> None:
    with Ledger(path) as ledger:
        approvers = [key.public_pem for key in keys]
        ledger.set_budget("panel", PrivacyBudget(1, "1e-6"), UNIT, approvers=approvers)
        spend(ledger, "panel", "first", "1/100")
        renewal = ledger.propose_renewal("panel", PrivacyBudget(2, "1e-6"), reason="the wave of 2027, other people")
        ledger.renew(renewal, [renewal.approved_with(key) for key in keys])
        spend(ledger, "panel", "second", "1/50")
        (panel,) = accounts(ledger)
        assert (panel.epoch, panel.budget_epsilon) == (2, "2")
        assert [line.epoch for line in panel.releases] == [1, 2]
        assert panel.spent_share == pytest.approx(panel.releases[1].share)
        assert (panel.spent, panel.lifetime) == ("squared mu 0.020000", "squared mu 0.030000")
        rows = timeline(ledger).rows
        assert [(row.epoch, row.share_so_far) for row in rows] == [
            (1, pytest.approx(panel.releases[0].share)), (2, pytest.approx(panel.spent_share)),
        ]  # fmt: skip
        export_json_lines(ledger, tmp_path / "l.jsonl")
    audit = audit_ledger(tmp_path / "l.jsonl")
    assert audit.problems == ()
    assert [(cost.data_set, cost.budget) for cost in audit.costs if not cost.release] == [
        ("panel, epoch 1", "1"), ("panel, epoch 2", "2"),
    ]  # fmt: skip

"""`dpsynth resume`: a release that was interrupted on the command line goes on there, and is charged once."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="needs the neural extra")
pytestmark = [pytest.mark.torch, pytest.mark.usefixtures("few_attacks")]

from dpsynth.curator.gradients import StepAllowance  # noqa: E402
from dpsynth.curator.record_matches import RECORD_GATE  # noqa: E402
from dpsynth.generators import registry  # noqa: E402
from dpsynth.generators.dpctgan import DPCTGAN  # noqa: E402
from dpsynth.ledger import EntryKind, Ledger  # noqa: E402
from tests.cli.command_line import Run  # noqa: E402

SCHEMA = """
name: clinic
fields:
  - {name: smoker, type: boolean}
  - {name: stage, type: string, categories: [none, early, late]}
dpsynth: {unit: {kind: row}, public_rows: 50000}
"""
SMALL = DPCTGAN(
    components=8, hidden=8, critics=6, units=2, generator_steps=1, warm_steps=1, last_steps=1, adversarial_share=0.5
)
ORDERED = ("--override-by", "A. Tester", "--override-reason", "few rows")


@pytest.fixture
def interrupted(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the checkpoint folder of a release that `Ctrl-C` ended at its fourth step."""
    torch.set_num_threads(1)
    small = [replace(entry, load=lambda: SMALL) for entry in registry.GENERATORS if entry.name == "dpctgan"]
    monkeypatch.setattr(registry, "GENERATORS", tuple(small))
    schema, data = tmp_path / "clinic.yaml", tmp_path / "clinic.csv"
    schema.write_text(SCHEMA, encoding="utf-8")
    data.write_text("\n".join(["smoker,stage", *["true,late", "false,none", "false,early"] * 150]), encoding="utf-8")
    assert run("ledger", "budget", "clinic", "--epsilon", 4, "--delta", "1e-5", "--event-delta", "5e-6").code == 0
    charge, calls = StepAllowance.charge, [0]

    def dying(self: StepAllowance, *given: object) -> None:
        calls[0] += 1
        if calls[0] == 4:
            raise KeyboardInterrupt
        charge(self, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(StepAllowance, "charge", dying)
    command = ["release", data, "--schema", schema, "--epsilon", 1, "--delta", "1e-6", "--generator", "dpctgan"]
    outcome = run(*command, "--out", tmp_path / "out", "--checkpoint", tmp_path / "kept", *ORDERED)
    assert outcome.code == 130, outcome.err
    assert "Traceback" not in outcome.err
    assert not (tmp_path / "out").exists()
    return tmp_path / "kept"


def charges(run: Run) -> list[str]:
    shown = json.loads(run("ledger", "show", "--json").out)["data_sets"][0]["releases"]
    return [line["costs"] for line in shown]


def test_it_goes_on_for_nothing(run: Run, interrupted: Path) -> None:
    with Ledger(interrupted.parent / "home" / "ledger.db", create=False) as books:
        begun = [entry.index for entry in books.entries() if entry.kind is EntryKind.RESERVE]
    outcome = run("resume", interrupted, *ORDERED, "--json")
    assert outcome.code == 0, outcome.err
    made = json.loads(outcome.out)
    assert Path(made["release"]) == interrupted.parent / "out"
    assert run("verify", made["release"]).code == 0
    with Ledger(interrupted.parent / "home" / "ledger.db", create=False) as books:
        books.verify()
        paid = [entry for entry in books.entries() if entry.kind is EntryKind.RESERVE]
        assert [entry.index for entry in paid if entry.purpose != RECORD_GATE] == begun  # marginals, and the training
        assert [entry.kind for entry in books.entries()].count(EntryKind.SETTLE) == len(paid) == 3
        assert [entry.steps for entry in books.entries() if entry.kind is EntryKind.STEPS] == [1, 2, 3, 4, 5, 6]
    again = run("resume", interrupted)
    assert again.code != 0
    assert "judged before" in again.err


def test_what_is_wrong_is_said_and_costs_nothing(run: Run, interrupted: Path) -> None:
    before = charges(run)
    half = run("resume", interrupted, "--override-by", "A. Tester")
    assert half.code != 0
    assert "--override-reason" in half.err
    other = interrupted.parent / "other.csv"
    other.write_text("smoker,stage\n" + "true,late\n" * 450, encoding="utf-8")
    moved = run("resume", interrupted, "--data", other)
    assert moved.code != 0
    assert "not the rows" in moved.err
    missing = run("resume", interrupted.parent / "nothing")
    assert missing.code != 0
    assert "Traceback" not in half.err + moved.err + missing.err
    assert charges(run) == before

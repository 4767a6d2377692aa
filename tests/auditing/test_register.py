"""The register that the package ships holds what is recorded, and summaries say nothing else."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

pytest.importorskip("torch", reason="needs the neural extra")

from dpsynth.auditing.audit_record import AuditRecord
from dpsynth.certification.implementation_audits import (
    AuditResult,
    audits_of_this_version,
    read_register,
    source_digest,
)
from dpsynth.certification.policy_file import PRESETS, load_policy
from dpsynth.generators.registry import GENERATORS
from privacy_audits import register
from privacy_audits.gradient_canary import campaign as gradient_canary
from privacy_audits.one_run import campaign as one_run
from privacy_audits.package_version import version
from privacy_audits.primitives import campaign as primitives
from privacy_audits.replay import campaign as replay
from privacy_audits.tried_twin import TriedTwin, slipped
from privacy_audits.worst_case_game import campaign

CAMPAIGNS = (gradient_canary, one_run, primitives, replay, campaign)
MISSED = TriedTwin("slips through", ("a finding",), ("another finding",))


def current() -> list[AuditResult]:
    """Return a register in which everything is of the code that runs, and passed."""
    return [
        AuditResult(
            f"{place}-{name}-{layer}", place, name, layer, version(), source_digest(name), "PASS", "2026-01-01", "f"
        )
        for place, name, layer in register.due()
    ]


def test_the_register_is_what_the_results_make() -> None:
    assert register.REGISTER.read_text(encoding="utf-8") == register.text(), "run `python -m privacy_audits.register`"
    assert len(read_register(register.text())) == len(list(register.lines()))


@pytest.mark.parametrize("recorded", CAMPAIGNS, ids=lambda module: module.FOLDER.name)
def test_the_summary_is_computed_from_the_counts(recorded: ModuleType) -> None:
    file = recorded.FOLDER / "summary.md"
    assert file.read_text(encoding="utf-8") == recorded.summary(), "run the campaign with --summary"


@pytest.mark.parametrize("record", list(campaign.records()), ids=lambda record: record.generator)
def test_what_is_recorded_passed(record: AuditRecord) -> None:
    assert campaign.problems(record) == ()


def test_every_recorded_twin_was_caught_for_the_reason_that_is_due() -> None:
    assert slipped(campaign.tried()) == []
    for module, name in ((one_run, "one_run"), (primitives, "primitives"), (replay, "replay")):
        assert slipped(module.tried(module.read_counts(module.FOLDER, name))) == []
    for some in gradient_canary.tried(gradient_canary.read_counts(gradient_canary.FOLDER, "gradient_canary")):
        assert slipped(some) == []


def test_every_line_that_is_due_is_made_of_recorded_results() -> None:
    # But for generators that are being recorded again.
    made = {(line.campaign, line.generator, line.layer) for line in register.lines()}
    unrecorded = {name for name in campaign.PLAYED if campaign.read_counts(campaign.FOLDER, name) is None}
    assert {what for what in register.due() if what[0] != "worst_case_game" or what[1] not in unrecorded} == made


@pytest.mark.parametrize("name", [entry.name for entry in GENERATORS if entry.name != "auto"])
def test_lines_that_are_due_are_all_that_the_presets_ask_for(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dpsynth.certification.implementation_audits._version", version)
    for preset in PRESETS:
        asked = load_policy(preset).audit_layers.split()
        assert asked
        assert audits_of_this_version(name, asked, register=current()).missing == ()
        assert audits_of_this_version(f"auto: {name}", asked, register=current()).missing == ()


@pytest.mark.parametrize(
    ("module", "of", "missed"),
    [
        (replay, "replay", [MISSED]),
        (campaign, "worst_case_game", [MISSED]),
        (primitives, "primitives", [MISSED]),
        (one_run, "one_run", [MISSED]),
        (gradient_canary, "gradient_canary", ([MISSED], [MISSED])),
    ],
    ids=lambda given: given if isinstance(given, str) else "",
)
def test_no_line_passes_of_a_campaign_that_a_twin_slips_through(
    module: ModuleType, of: str, missed: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "tried", lambda *_: missed)
    results = {(line.campaign == of): line.result for line in register.lines()}
    assert results[True] == "FAIL"
    assert results[False] == "PASS"


def test_stale_failed_and_missing_lines_are_named_and_others_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def checked(lines: list[AuditResult]) -> tuple[int, str]:
        file = tmp_path / "register.json"
        results = [{field: getattr(line, field) for field in AuditResult.__slots__} for line in lines]
        file.write_text(json.dumps({"format": 1, "results": results}), encoding="utf-8")
        monkeypatch.setattr(register, "REGISTER", file)
        monkeypatch.setattr(sys, "argv", ["register", "--check"])
        with pytest.raises(SystemExit) as ended:
            register.main()
        return int(str(ended.value.code)), capsys.readouterr().out

    first, second, third, *others = current()
    assert checked([first, second, third, *others]) == (0, "every line is of what runs, and has passed\n")
    code, said = checked([replace(first, source_sha256="0" * 64), replace(second, result="FAIL"), *others])
    assert code == 1
    assert [line.partition(": ")[0] for line in said.splitlines()] == [
        f"{line.campaign}, {line.generator}, {line.layer}" for line in (first, second, third)
    ]
    assert "000000000000" in said
    assert checked([replace(first, software_version="0.0.1"), second, third, *others])[0] == 1

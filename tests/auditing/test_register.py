"""The register that the package ships holds what is recorded, and summaries say nothing else."""

from __future__ import annotations

import pytest

from dpsynth.auditing.audit_record import AuditRecord
from dpsynth.certification.implementation_audits import read_register
from privacy_audits import register
from privacy_audits.worst_case_game import campaign


def test_the_register_is_what_the_results_make() -> None:
    assert register.REGISTER.read_text(encoding="utf-8") == register.text(), "run `python -m privacy_audits.register`"
    assert len(read_register(register.text())) == len(list(register.lines()))


def test_the_summary_is_computed_from_the_counts() -> None:
    file = campaign.FOLDER / "summary.md"
    assert file.read_text(encoding="utf-8") == campaign.summary(), "run the campaign with --summary"


@pytest.mark.parametrize("record", list(campaign.records()), ids=lambda record: record.generator)
def test_what_is_recorded_passed(record: AuditRecord) -> None:
    assert campaign.problems(record) == ()

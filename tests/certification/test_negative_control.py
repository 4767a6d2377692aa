"""Negative controls: a function of the released table; found where the suite can see, admitted where it cannot."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dpsynth.attacks.result import Reading
from dpsynth.certification.certificate import Certificate, assess
from dpsynth.certification.negative_control import (
    FEWEST_ROWS,
    HONEST,
    MOST_ROWS,
    TWINS,
    NegativeControls,
    control_suite,
    controls_among_people,
    describe,
    negative_controls,
    problem_of,
    repeated,
)
from dpsynth.certification.signing import SigningKey
from dpsynth.certification.verify import verify_release
from dpsynth.report import render_report
from dpsynth.schema.schema import Schema
from tests.certification.made_releases import (
    ISSUED,
    POLICY,
    SOFTWARE,
    MadeRelease,
    facts_about,
    honest_judged,
    settled_ledger,
    survey_rows,
    survey_schema,
    table_of,
)

ROWS = 600

TINY = Schema.from_text(
    """
name: two-questions
dpsynth:
  unit: {kind: row}
fields:
  - {name: first, type: boolean, trueValues: ["yes"], falseValues: ["no"]}
  - {name: second, type: boolean, trueValues: ["yes"], falseValues: ["no"]}
"""
)


@pytest.fixture(scope="module")
def made_with_controls() -> MadeRelease:
    judged = honest_judged(ROWS)
    facts = facts_about(judged.table, settled_ledger())
    certificate = assess(
        facts, judged, POLICY, issued_at=ISSUED, software=SOFTWARE, negative_controls=negative_controls(judged.table)
    )
    return MadeRelease(facts, judged, certificate)


@pytest.fixture(scope="module")
def controls(made_with_controls: MadeRelease) -> NegativeControls:
    return negative_controls(made_with_controls.judged.table)


def test_planted_leaks_are_found_and_an_honest_draw_is_not_accused(controls: NegativeControls) -> None:
    assert [control.release for control in controls.controls] == [*TWINS, HONEST]
    assert controls.rows == ROWS // 3
    assert controls.effective
    assert all(control.found_by for control in controls.controls if control.release != HONEST)
    assert "effective on this schema" in controls.statement
    assert "ineffective" not in controls.statement


def test_they_are_a_function_of_the_released_table(made_with_controls: MadeRelease, controls: NegativeControls) -> None:
    table = made_with_controls.judged.table
    again = replace(table, spread_seed=table.spread_seed + 1, provenance={})
    assert negative_controls(again) == controls
    section = made_with_controls.certificate.document.negative_controls
    assert section == controls.section()


def test_where_the_suite_is_blind_it_says_so() -> None:
    # Two yes-or-no columns: everybody has hundreds of natural twins, and no attack can find a copy.
    codes = np.random.default_rng(0).integers(0, 2, size=(600, 2)).astype(np.int32)
    blind = negative_controls(table_of(codes, TINY))
    assert not blind.effective
    assert "ineffective on this schema" in blind.statement
    assert "copy" in blind.statement
    assert blind.controls[-1].met


def test_few_rows_try_nothing_and_say_so() -> None:
    few = negative_controls(table_of(survey_rows(3 * FEWEST_ROWS - 1, np.random.default_rng(0))))
    assert (few.rows, few.controls, few.effective) == (FEWEST_ROWS - 1, (), False)
    assert "was not tried" in few.statement
    assert negative_controls(table_of(survey_rows(0, np.random.default_rng(0)))).rows == 0


def test_no_more_than_so_many_rows_stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def look(members: np.ndarray, *others: object, **options: object) -> NegativeControls:
        seen.append(len(members))
        return NegativeControls(len(members), (), ())

    monkeypatch.setattr("dpsynth.certification.negative_control.control_suite", look)
    negative_controls(table_of(survey_rows(4 * MOST_ROWS, np.random.default_rng(0))))
    assert seen == [MOST_ROWS]


@pytest.mark.parametrize(("alarms", "effective"), [(1, True), (2, False)])
def test_a_suite_that_accuses_an_honest_draw_once_gets_another(
    alarms: int, effective: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(1)
    members, others, fresh = (survey_rows(FEWEST_ROWS, rng) for _ in range(3))
    readings = iter([Reading.FAIL] * (len(TWINS) + alarms) + [Reading.INCONCLUSIVE])
    monkeypatch.setattr("dpsynth.certification.negative_control.run_suite", lambda *tables, **options: ())
    monkeypatch.setattr("dpsynth.certification.negative_control.overall_reading", lambda results: next(readings))
    found = control_suite(members, others, fresh, survey_schema(), rng=rng)
    assert found.effective is effective
    assert ("accused honest draws" in found.statement) is not effective


def test_a_release_with_negative_controls_verifies_and_shows_them(
    made_with_controls: MadeRelease, key: SigningKey, tmp_path: Path
) -> None:
    folder = made_with_controls.write(tmp_path / "release", key)
    verification = verify_release(folder)
    assert verification.passed, verification.problems
    said = next(check for check in verification.checks if check.name == "negative controls")
    assert "effective on this schema" in said.explanation
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "Would the attacks have found a leak here?" in page
    assert all(twin in page for twin in TWINS)


@pytest.mark.parametrize("table_file", ["synthetic.csv", "synthetic.parquet"])
def test_whoever_holds_the_release_can_try_again(table_file: str, key: SigningKey, tmp_path: Path) -> None:
    # A hundred and fifty rows: cells are turned into codes again, and these into the seed.
    judged = honest_judged(3 * FEWEST_ROWS)
    said = negative_controls(judged.table)
    lied = replace(said, controls=tuple(replace(control, found_by=()) for control in said.controls))
    for controls, outcome in ((said, "Tried again, with the same outcome."), (lied, "says something else")):
        facts = facts_about(judged.table, settled_ledger())
        certificate = assess(
            facts,
            judged,
            POLICY,
            issued_at=ISSUED,
            table_file=table_file,
            software=SOFTWARE,
            negative_controls=controls,
        )
        folder = MadeRelease(facts, judged, certificate).write(tmp_path / outcome[:5], key)
        checks = {check.name: check for check in verify_release(folder, repeat_controls=True).checks}
        assert outcome in checks["negative controls"].explanation
        assert checks["negative controls"].passed is (controls is said)
    section = replace(said, attacks=("an attack of another version",)).section()
    assert repeated(section, judged.table.codes, judged.table.schema) is None


def test_a_certificate_of_before_has_no_such_section_and_its_report_is_silent(made: MadeRelease) -> None:
    raw = made.certificate.to_json()
    assert b"negative_controls" not in raw
    assert Certificate.from_json(raw).document.negative_controls is None
    assert "Would the attacks" not in render_report(raw)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"rows": 12}, "stand in for members"),
        ({"releases": ()}, "not the published ones"),
        ({"effective": False}, "contradicts itself"),
        ({"statement": "Nothing to see here."}, "does not follow"),
    ],
)
def test_what_contradicts_itself_is_refused(controls: NegativeControls, change: dict[str, object], reason: str) -> None:
    section = controls.section()
    assert problem_of(section, ROWS) is None
    assert reason in str(problem_of(section.model_copy(update=change), ROWS))


def test_a_single_control_cannot_be_reworded_or_turned(controls: NegativeControls) -> None:
    section = controls.section()
    for change, reason in (
        ({"met": False}, "contradicts itself"),
        ({"reading": "PASS"}, "contradicts itself"),
        ({"description": "a very hard test"}, "other words"),
    ):
        first = section.releases[0].model_copy(update=change)
        turned = section.model_copy(update={"releases": (first, *section.releases[1:])})
        assert reason in str(problem_of(turned, ROWS))


def test_the_statement_names_what_was_missed() -> None:
    both = describe(80, [("copy", True), ("smote", False), (HONEST, False)])
    assert "did not find smote." in both
    assert "accused honest draws" in both


def test_among_people_half_of_the_controls_make_honest_rows() -> None:
    rng = np.random.default_rng(3)
    members, controls = survey_rows(700, rng), survey_rows(300, rng)
    found = controls_among_people(members, controls, controls[:0], survey_schema(), rng=rng)
    assert (found.rows, found.effective) == (150, True)
    few = controls_among_people(members, controls[:60], controls[:0], survey_schema(), rng=rng)
    assert (few.rows, few.controls) == (30, ())

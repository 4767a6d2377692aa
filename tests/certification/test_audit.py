from __future__ import annotations

import json
import stat
from collections.abc import Mapping
from contextlib import nullcontext
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.attacks import pictures
from dpsynth.certification import audit
from dpsynth.certification.audit import (
    HTML_FILE,
    JSON_FILE,
    STAMP,
    AuditReport,
    attack_rows,
    check_internal_folder,
    internal_audit,
    write_internal_report,
)
from dpsynth.curator.confidential import Confidential
from dpsynth.curator.curator import Curator
from dpsynth.curator.findings import reveal
from dpsynth.errors import BundleError, DpsynthError
from dpsynth.ledger import Ledger
from dpsynth.progress import reporting_to
from dpsynth.randomness import SeededNoise
from dpsynth.report import render_internal_report
from dpsynth.schema.schema import Schema
from dpsynth.schema.table import SyntheticTable
from tests.certification.made_releases import CLAIM, POLICY, drawn, survey_rows, survey_schema, table_of
from tests.short_suite import shorten

PEOPLE = 1_500


@pytest.fixture(scope="module")
def population() -> SyntheticTable:
    return table_of(survey_rows(PEOPLE, np.random.default_rng(21)))


@pytest.fixture(scope="module")
def curator(population: SyntheticTable) -> Curator:
    """A curator whose data was opened once, with controls held back and canaries planted."""
    schema = survey_schema()
    ledger = Ledger("sqlite://")
    ledger.set_budget(schema.dataset, PrivacyBudget(3, "1e-5"), unit=schema.unit.describe())
    opened = Curator.open(
        population.to_pandas(),
        schema,
        ledger=ledger,
        noise=SeededNoise(1),
        control_fraction=Fraction(1, 4),
        planted=drawn(1).included_rows,
        release_id="release-1",
    )
    with opened.within(CLAIM, purpose="fit hand") as session:
        session.measure(("region",), session.mu_squared)
    return opened


def audited(curator: Curator, table: SyntheticTable) -> AuditReport:
    return reveal(internal_audit(curator, table, POLICY, rng=np.random.default_rng(22)))


def test_a_copy_fails_and_a_fresh_draw_does_not(curator: Curator, population: SyntheticTable) -> None:
    copied = audited(curator, population.select(np.ones(PEOPLE, dtype=np.bool_)))
    fresh = audited(curator, table_of(survey_rows(PEOPLE, np.random.default_rng(23))))
    assert copied.members + copied.controls == fresh.members + fresh.controls == PEOPLE
    assert fresh.verdict.value != "FAIL"
    # The whole population holds the controls too, so the leak to see is a copy of the members alone.
    assert copied.verdict.value != "PASS"


def test_a_copy_of_the_members_fails(curator: Curator) -> None:
    from dpsynth.curator.audit_view import examine

    members = reveal(examine(curator, lambda rows: rows.members))
    report = audited(curator, table_of(members))
    assert report.verdict.value == "FAIL"
    assert {result.attack for result in report.results if result.reading.value == "FAIL"} >= {"nearest-neighbour"}


def test_findings_come_out_sealed(curator: Curator) -> None:
    findings = internal_audit(
        curator, table_of(survey_rows(50, np.random.default_rng(1))), POLICY, rng=np.random.default_rng(2)
    )
    assert isinstance(findings, Confidential)
    assert repr(findings) == "<Confidential: sealed>"


def test_shares_of_empty_cells_are_those_of_the_members(curator: Curator) -> None:
    report = audited(curator, table_of(survey_rows(50, np.random.default_rng(1))))
    shares = {column.name: (column.missing, column.outside) for column in report.columns}
    assert list(shares) == [column.name for column in survey_schema().columns]
    assert shares["age"][0] == 0  # a required column has no missing cells
    assert 0 < shares["smoker"][0] + shares["smoker"][1] < 0.1


def test_without_controls_nothing_is_decided(population: SyntheticTable) -> None:
    schema = survey_schema()
    ledger = Ledger("sqlite://")
    ledger.set_budget(schema.dataset, PrivacyBudget(3, "1e-5"), unit=schema.unit.describe())
    alone = Curator.open(population.to_pandas(), schema, ledger=ledger, noise=SeededNoise(1))
    with alone.within(CLAIM, purpose="fit hand") as session:
        session.measure(("region",), session.mu_squared)
    report = audited(alone, table_of(survey_rows(50, np.random.default_rng(1))))
    assert report.controls == 0
    assert report.verdict.value == "INCONCLUSIVE"


def test_rows_must_have_been_paid_for(population: SyntheticTable) -> None:
    unopened = Curator.open(population.to_pandas(), survey_schema(), ledger=Ledger("sqlite://"))
    with pytest.raises(DpsynthError, match="not been opened"):
        internal_audit(unopened, population, POLICY, rng=np.random.default_rng(1))


def render(content: Mapping[str, object]) -> str:
    return f"<p>{content['stamp']}</p>"


@pytest.fixture(scope="module")
def findings(curator: Curator) -> Confidential[AuditReport]:
    table = table_of(survey_rows(200, np.random.default_rng(1)))
    return internal_audit(curator, table, POLICY, rng=np.random.default_rng(2))


def test_the_internal_report_is_private_and_stamped(findings: Confidential[AuditReport], tmp_path: Path) -> None:
    folder = write_internal_report(tmp_path / "internal", findings, release_folder=tmp_path / "release", render=render)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {path.name for path in folder.iterdir()} == {JSON_FILE, HTML_FILE}
    for path in folder.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert STAMP in path.read_text()
    content = json.loads((folder / JSON_FILE).read_text())
    assert content["stamp"] == STAMP == "internal, not covered by epsilon"
    for result in content["results"]:
        assert {"unit", "direction", "control_value", "lower", "upper", "reading", "sentence", "power"} <= set(result)
        assert result["reading"] in result["sentence"]
    assert {stratum["label"] for stratum in content["strata"]} >= {"everyone", "most isolated 10 %"}
    assert content["exposed_rows"]["count"] == len(content["exposed_rows"]["rows"])
    assert {histogram["to"] for histogram in content["distances"]} == {"released", "reference"}
    assert {curve["attack"] for curve in content["roc"]} >= {"nearest-neighbour"}


@pytest.mark.parametrize("inside", ["release", "release/internal", "other/../release/internal"])
def test_the_internal_folder_is_never_inside_the_release(
    findings: Confidential[AuditReport], tmp_path: Path, inside: str
) -> None:
    with pytest.raises(BundleError, match="must not be written inside"):
        write_internal_report(tmp_path / inside, findings, release_folder=tmp_path / "release", render=render)
    assert list(tmp_path.iterdir()) == []


def test_a_link_into_the_release_is_seen(tmp_path: Path) -> None:
    (tmp_path / "release").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "release")
    with pytest.raises(BundleError, match="must not be written inside"):
        check_internal_folder(tmp_path / "link" / "internal", release_folder=tmp_path / "release")


def test_an_internal_folder_is_never_written_over(findings: Confidential[AuditReport], tmp_path: Path) -> None:
    folder = tmp_path / "internal"
    folder.mkdir()
    with pytest.raises(BundleError, match="exists already"):
        write_internal_report(folder, findings, release_folder=tmp_path / "release", render=render)


def test_reveal_has_one_caller_in_certification() -> None:
    import dpsynth.certification

    folder = Path(dpsynth.certification.__file__).parent
    callers = [path.name for path in sorted(folder.glob("*.py")) if "reveal(" in path.read_text(encoding="utf-8")]
    assert callers == ["audit.py"]


DECLARED = (
    '{quasi_identifiers: [[age, region]], groups: [{name: smokers, who: "smoker == true"}, '
    '{name: nobody knows, who: "missing(smoker)"}]}'
)


def declaring_schema() -> Schema:
    return Schema.from_text(survey_schema().to_yaml().replace("dpsynth:\n", f"dpsynth:\n  audit: {DECLARED}\n", 1))


def attacked(monkeypatch: pytest.MonkeyPatch) -> AuditReport:
    shorten(monkeypatch)
    schema = declaring_schema()
    members, controls, synthetic = (survey_rows(400, np.random.default_rng(seed), schema) for seed in (1, 2, 3))
    rng = np.random.default_rng(4)
    return attack_rows(members, controls, controls[:0], synthetic, schema, POLICY, release_id="release-1", rng=rng)


def test_what_the_schema_declares_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    report = attacked(monkeypatch)
    strata = {stratum.label: stratum.members for stratum in report.findings.strata}
    schema = declaring_schema()
    smokers = survey_rows(400, np.random.default_rng(1), schema)[:, schema.domain.position("smoker")] == 1
    assert strata["group: smokers"] == smokers.sum()
    assert "group: nobody knows" in strata
    variants = {result.variant for result in report.results if result.attack == "quasi-identifier-match"}
    assert variants == {"age, region"}


@pytest.mark.parametrize("where", ["nearest_distances", "exposed_rows"])
def test_whatever_fails_behind_the_door_is_a_finding(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*given: object, **named: object) -> None:
        raise ValueError("a cell: Zebulon")

    monkeypatch.setattr(pictures, where, broken)
    report = attacked(monkeypatch)
    assert report.verdict.value == "INCONCLUSIVE"
    said = report.to_json()
    assert said["failed"] == [{"attack": "the whole suite", "error": "ValueError"}]
    assert "Zebulon" not in json.dumps(said)
    page = render_internal_report(said)
    assert "What gave no result" in page
    assert "the whole suite</strong>: ValueError" in page


class Told:
    """What somebody who waits is told."""

    def __init__(self) -> None:
        self.phases: list[tuple[str, int]] = []

    def start(self, phase: str, total: int) -> None:
        self.phases.append((phase, total))

    def advance(self, phase: str, steps: int) -> None:
        self.phases.append((phase, steps))

    def finish(self, phase: str) -> None:
        self.phases.append((phase, 0))


@pytest.mark.parametrize("shown", [True, False])
def test_how_many_leaks_are_planted_among_people_is_not_shown(shown: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """One control more or less decides whether any are; who shows their progress is told apart."""
    among_people = audit.controls_among_people
    shorten(monkeypatch)
    monkeypatch.setattr(audit, "controls_among_people", among_people)
    monkeypatch.setattr("dpsynth.certification.negative_control.run_suite", lambda *tables, **named: ())
    if shown:
        monkeypatch.setattr(audit, "shown_steps", lambda *given: nullcontext())
    people = survey_rows(300, np.random.default_rng(1))
    told = []
    for controls in (99, 100):
        with reporting_to(phases := Told()):
            attack_rows(
                people[:100], people[100 : 100 + controls], people[:0], people[200:], survey_schema(), POLICY,
                release_id="r", rng=np.random.default_rng(0),
            )  # fmt: skip
        told.append(phases.phases)
    assert (told[0] != told[1]) is shown


def test_an_interrupt_goes_on_interrupting(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*given: object, **named: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(pictures, "exposed_rows", interrupted)
    with pytest.raises(KeyboardInterrupt):
        attacked(monkeypatch)


def test_a_report_that_cannot_be_rendered_is_written_all_the_same(
    findings: Confidential[AuditReport], tmp_path: Path
) -> None:
    def broken(content: Mapping[str, object]) -> str:
        raise ZeroDivisionError(str(content))

    folder = write_internal_report(tmp_path / "in", findings, release_folder=tmp_path / "out", render=broken)
    said = json.loads((folder / JSON_FILE).read_text())
    assert said == {
        "stamp": STAMP,
        "verdict": "INCONCLUSIVE",
        "failed": [{"attack": "report", "error": "ZeroDivisionError"}],
    }
    assert STAMP in (folder / HTML_FILE).read_text()

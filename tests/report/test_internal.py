from __future__ import annotations

from dpsynth.attacks.bounds import Interval
from dpsynth.attacks.findings import SuiteFindings
from dpsynth.attacks.result import AttackResult, Statistic
from dpsynth.certification.audit import STAMP, AuditReport, ColumnFinding
from dpsynth.report import render_internal_report


def finding(*, lower: float, adjusted: float) -> AttackResult:
    return AttackResult(
        attack="nearest-neighbour",
        statistic=Statistic.AUC,
        interval=Interval(0.9, lower, 0.95, 0.95),
        tolerance=0.55,
        p_value=adjusted / 10,
        adjusted_p_value=adjusted,
        significance=0.05,
        smallest_detectable=0.6,
        members=2_000,
        controls=200,
    )


def report(*results: AttackResult) -> AuditReport:
    columns = (ColumnFinding("<b>age</b>", 0.25, 0.0001),)
    return AuditReport("release-1", "default", SuiteFindings(results), columns, members=2_000, controls=200)


def test_the_page_is_stamped_on_top_and_bottom() -> None:
    html = render_internal_report(report(finding(lower=0.8, adjusted=0.001)).to_json())
    stamped = STAMP.upper()
    assert html.index(stamped) < html.index("<h1>")
    assert html.rindex(stamped) > html.rindex("</main>")
    assert STAMP in html[html.index("<title>") : html.index("</title>")]


def test_findings_are_shown_with_bounds_limits_and_power() -> None:
    html = render_internal_report(report(finding(lower=0.8, adjusted=0.001)).to_json())
    for part in ("nearest-neighbour", "0.900", "0.800 to 0.950", "0.55", "FAIL", "2,000 training rows", "25.00 %"):
        assert part in html, part
    assert "with probability 80 %" in html


def test_nothing_found_is_undecided_without_results() -> None:
    html = render_internal_report(report().to_json())
    assert "INCONCLUSIVE" in html


def test_names_cannot_run_and_nothing_is_fetched() -> None:
    html = render_internal_report(report(finding(lower=0.8, adjusted=0.001)).to_json())
    assert "<b>age</b>" not in html
    for outside in ("http:", "https:", "url(", "<script", "<link", "src="):
        assert outside not in html

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from dpsynth.attacks.findings import SuiteFindings
from dpsynth.attacks.result import AttackResult
from dpsynth.certification.audit import STAMP, AuditReport, ColumnFinding
from dpsynth.report import render_internal_report
from dpsynth.report.findings_pictures import distances_picture, roc_picture
from dpsynth.report.internal_view import InternalView
from tests.report.made_audits import ISOLATED, full_report, result


def report(*results: AttackResult) -> AuditReport:
    columns = (ColumnFinding("<b>age</b>", 0.25, 0.0001),)
    return AuditReport("release-1", "default", SuiteFindings(results), columns, members=2_000, controls=200)


@pytest.fixture(scope="module")
def html() -> str:
    return render_internal_report(full_report().to_json())


def test_the_page_is_stamped_on_top_and_bottom_and_where_it_is_printed(html: str) -> None:
    stamped = STAMP.upper()
    assert html.index(stamped) < html.index("<h1>")
    assert html.rindex(stamped) > html.rindex("</main>")
    assert STAMP in html[html.index("<title>") : html.index("</title>")]
    assert f'@top-center {{ content: "{stamped}"' in html
    assert f'<p class="watermark" aria-hidden="true">{stamped}</p>' in html


def test_findings_are_shown_with_bounds_limits_and_power() -> None:
    html = render_internal_report(report(result()).to_json())
    for part in ("nearest-neighbour", "0.900", "0.800 to 0.950", "0.55", "FAIL", "2,000 training rows", "25.00 %"):
        assert part in html, part
    assert "with probability 80 %" in html


def test_nothing_found_is_undecided_without_results() -> None:
    html = render_internal_report(report().to_json())
    assert "INCONCLUSIVE" in html
    assert "<svg" not in html


def test_every_attack_has_its_worst_reading_among_each_group() -> None:
    view = InternalView.of(full_report().to_json())
    assert view.strata == ("everyone", ISOLATED)
    assert [(row.attack, row.readings) for row in view.matrix] == [
        ("nearest-neighbour", ("PASS", "FAIL")),
        ("singling-out", ("FAIL", "")),
    ]


def test_the_worst_stands_first_and_in_words(html: str) -> None:
    view = InternalView.of(full_report().to_json())
    assert [row.reading for row in view.results] == ["FAIL", "FAIL", "INCONCLUSIVE", "PASS"]
    words = html[html.index("What failed, in words") : html.index('id="roc"')]
    for row in view.failed:
        assert row.sentence.split(":")[0].replace("'", "&#39;") in words


def test_variants_are_named_by_columns_the_worst_first() -> None:
    view = InternalView.of(full_report().to_json())
    assert [row.variant for row in view.singling] == ["age, <b>region</b>", "age"]


def test_the_highest_curve_stands_first_and_the_axis_is_logarithmic() -> None:
    view = InternalView.of(full_report().to_json())
    assert [curve.attack for curve in view.curves] == ["nearest-neighbour", "membership-classifier"]
    picture = roc_picture(view.curves)
    assert picture == roc_picture(view.curves)
    element = ElementTree.fromstring(picture)
    assert "logarithmic" in str(element.get("aria-label"))
    labels = re.findall(r">([\d.]+ %)<", picture)
    assert {"0.1 %", "1 %", "10 %", "100 %"} <= set(labels)


def test_a_curve_is_read_at_the_last_threshold_that_accuses_no_more() -> None:
    curve = InternalView.of(full_report().to_json()).curves[0]
    assert curve.at(0.0) is None
    assert curve.at(1.0) == 1.0
    assert (curve.at(0.01) or 1) < (curve.at(0.1) or 0)


def test_distances_of_both_sides_are_drawn() -> None:
    released, reference = InternalView.of(full_report().to_json()).distances
    for one in (released, reference):
        element = ElementTree.fromstring(distances_picture(one))
        assert f"the {one.to} table" in str(element.get("aria-label"))


def test_exposed_rows_are_numbered_from_one_and_the_bound_is_stated(html: str) -> None:
    section = html[html.index('id="exposed"') : html.index('id="singling"')]
    assert "700 of 2,000 training rows" in section
    assert "at most 5 %" in section
    assert "being 1: 1, 3, 5, " in section
    assert "200 more in <code>audit.json</code>" in section


def test_what_was_not_tested_is_said(html: str) -> None:
    assert "most isolated 1 %: true-positive rate at a fixed false-positive rate, 4 tests" in html


def test_names_cannot_run_and_nothing_is_fetched(html: str) -> None:
    assert "<b>age</b>" not in html
    assert "<b>region</b>" not in html
    for outside in ("http:", "https:", "<script", "<link", "src="):
        assert outside not in html
    assert re.findall(r"url\((?!#)", html) == []


def test_identifiers_are_unique_and_tables_are_labelled(html: str) -> None:
    identifiers = re.findall(r'\bid="([^"]+)"', html)
    assert len(identifiers) == len(set(identifiers))
    assert set(re.findall(r'aria-labelledby="([^"]+)"', html)) <= set(identifiers)
    assert all("scope=" in tag for tag in re.findall(r"<th\b[^>]*>", html))
    assert all("aria-label=" in tag for tag in re.findall(r'<div class="scroll"[^>]*>', html))

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise

import numpy as np
import pytest

from dpsynth.certification.certificate import Certificate, Override, assess
from dpsynth.certification.document import ErrorBarSection, ErrorBarsSection
from dpsynth.errors import BundleError
from dpsynth.report import render_report, wording
from dpsynth.report.html import style_sheet, template_environment
from tests.certification.made_releases import (
    CLAIM,
    ISSUED,
    POLICY,
    SOFTWARE,
    drawn,
    facts_about,
    honest_release,
    page,
    settled_ledger,
    survey_rows,
    survey_schema,
    table_of,
    training_rows,
)


class Page(HTMLParser):
    """The parts of a page that a reader with a screen reader depends on."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in {"meta", "br", "path", "use", "rect"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in {"path", "use", "rect"}:
            assert self.open.pop() == tag

    def attributes(self, name: str) -> list[str]:
        return [str(attributes[name]) for _, attributes in self.tags if name in attributes]


@pytest.fixture(scope="module")
def certificate() -> Certificate:
    return honest_release(rows=400).certificate


@pytest.fixture(scope="module")
def html(certificate: Certificate) -> str:
    return page(certificate)


def refused_certificate() -> Certificate:
    """A copied table, seeded noise, and a person who wants it all the same."""
    plan = drawn(1)
    judged = plan.judge(table_of(training_rows(plan, 400, np.random.default_rng(1))), CLAIM, POLICY)
    facts = replace(facts_about(judged.table, settled_ledger()), noise_certifiable=False)
    override = Override(by="A. <b>Person</b>", reason="research inside the institute")
    return assess(facts, judged, POLICY, issued_at=ISSUED, software=SOFTWARE, override=override)


def undecided_certificate() -> Certificate:
    schema = survey_schema(100)
    judged = drawn(1, units=100).judge(table_of(survey_rows(90, np.random.default_rng(1)), schema), CLAIM, POLICY)
    facts = facts_about(judged.table, settled_ledger())
    return assess(facts, judged, POLICY, issued_at=ISSUED, software=SOFTWARE)


def test_the_page_is_a_function_of_the_certificate(certificate: Certificate, html: str) -> None:
    assert render_report(certificate.to_json()) == html
    assert certificate.document.artefacts.table_sha256 in html


def test_the_page_stands_alone(html: str) -> None:
    assert len(html.encode()) < 200_000
    for outside in ("http:", "https:", "//", "@import", "<script", "<link", "<img", "<iframe", "src="):
        assert outside not in html, outside
    assert re.findall(r"url\((?!#)", html) == []


def test_the_verdict_comes_first(html: str) -> None:
    body = html[html.index("<main>") :]
    assert body.index("PASS") < 400
    headings = re.findall(r"<h2[^>]*>(.*?)</h2>", body)
    assert headings == [
        "PASS",
        "What is promised",
        "What the test with planted rows saw",
        "What was fixed before the rows were read",
        "What was checked",
        "Was the software itself put to the test?",
        "What was asked of the rows, and what it cost",
        "How close the synthetic table is to what was measured",
        "How far the synthetic table may be from the real one",
        "What is published without protection",
        "For how long, and for whom",
        "What this certificate does not say",
        "How to check this yourself",
        "Annex: legal texts and standards",
    ]


def test_it_says_until_when_for_whom_and_what_was_bound(certificate: Certificate, html: str) -> None:
    document = certificate.document
    assert document.validity is not None
    assert document.commitment is not None
    assert document.dependencies is not None
    for said in ("Stands until</dt><dd>2027-03-01", document.validity.reason, document.commitment.sha256):
        assert said in html
    assert document.dependencies.sha256 in html
    assert "The curator declares nothing about who is to have the table" in html
    scope = document.scope.model_copy(update={"recipients": "<b>partners</b>", "environment": "a closed room"})
    declared = page(Certificate(document.model_copy(update={"scope": scope})))
    assert "meant for: &lt;b&gt;partners&lt;/b&gt;. About" in declared
    assert "they declare: a closed room." in declared


def test_the_page_can_be_read_without_seeing_it(html: str) -> None:
    read = Page(html)
    assert read.open == []
    assert ("html", {"lang": "en"}) in read.tags
    identifiers = read.attributes("id")
    assert len(identifiers) == len(set(identifiers))
    assert set(read.attributes("aria-labelledby")) <= set(identifiers)
    assert {target.removeprefix("#") for target in read.attributes("href")} <= set(identifiers)
    levels = [int(tag[1]) for tag, _ in read.tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(later - earlier <= 1 for earlier, later in pairwise(levels))
    assert all("scope" in attributes for tag, attributes in read.tags if tag == "th")
    pictures = [attributes for tag, attributes in read.tags if tag == "svg"]
    assert len(pictures) == 3
    assert all(picture["role"] == "img" and picture["aria-label"] for picture in pictures)
    assert "2.7 %" in str(pictures[0]["aria-label"])


def test_every_check_limit_and_reason_is_shown(certificate: Certificate, html: str) -> None:
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html)).replace("&#39;", "'").replace("&#34;", '"')
    for check in certificate.document.checks:
        for part in (check.name, check.value, check.limit, check.reason):
            assert part in text
    for sentence in (*certificate.document.limits, *certificate.document.unprotected_quantities):
        assert sentence in text


def test_error_bars_are_shown_with_the_largest_first(certificate: Certificate, html: str) -> None:
    section = html[html.index('id="accuracy"') : html.index('id="unprotected"')]
    assert re.findall(r'<th scope="row">(.*?)</th>', section) == ["age, region", "region", "age"]
    assert "0.5 % to 4.0 %" in section
    assert "single columns (2): median 1.5 %, largest 2.0 %; pairs that were measured (1)" in section
    one, other = certificate.document.error_bars.bars[:2]
    unmeasured = ErrorBarSection(
        columns=("age", "smoker"), groups=(20, 3), basis="model", expected=0.04, lower=0.0, upper=1.0
    )
    section = ErrorBarsSection(level=0.95, bars=(one, other, unmeasured), omitted=7)
    sentences = " ".join(wording.accuracy(section))
    assert "pairs that were not measured (1): median 4.0 %" in sentences
    assert "7 other pairs" in sentences
    document = certificate.document.model_copy(update={"error_bars": section})
    assert "not measured, no bound" in render_report(Certificate(document).to_json())


def test_a_refused_release_says_why_and_who_exported_it() -> None:
    made = refused_certificate()
    html = page(made)
    card = html[html.index("<main>") : html.index("</section>")]
    assert 'class="card fail"' in card
    assert "refutes the claim" in card
    assert "seeded stream" in card
    assert "Exported by decision of A. &lt;b&gt;Person&lt;/b&gt;" in card
    assert "in spite of the verdict" in card
    assert "the least that the guesses allow" in html
    assert "this claim must not be relied on" in html
    assert "What is promised" not in html
    assert "That refutes the claim of epsilon 1." in html
    assert "can never confirm it" not in html


def test_an_undecided_release_says_what_is_missing() -> None:
    html = page(undecided_certificate())
    assert 'class="card inconclusive"' in html
    assert "at least 200 are needed" in html
    assert "planted rows, with 95 % bounds" not in html


def test_names_cannot_run_in_the_page(certificate: Certificate) -> None:
    document = certificate.document
    hostile = Certificate(
        document.model_copy(
            update={
                "scope": document.scope.model_copy(update={"dataset": "<script>alert(1)</script>"}),
                "utility": (document.utility[0].model_copy(update={"columns": ("<img src=x onerror=alert(2)>",)}),),
                "generator": document.generator.model_copy(update={"parameters": {"</style>": "<script>"}}),
            }
        )
    )
    html = render_report(hostile.to_json())
    assert "<script" not in html
    assert "<img" not in html
    assert "&lt;img src=x" in html
    assert html.count("</style>") == 1


def test_what_is_no_certificate_is_not_rendered() -> None:
    with pytest.raises(BundleError):
        render_report(b"{}")


def luminance(colour: str) -> float:
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    bright, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", [0, 1, 2], ids=["light", "dark", "print"])
def test_text_stands_out_from_its_background(scheme: int) -> None:
    """At least 4.5 to 1, as WCAG 2.2 asks for text (success criterion 1.4.3)."""
    style = str(style_sheet(template_environment()))
    block = re.findall(r":root \{(.*?)\}", style, flags=re.DOTALL)[scheme]
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block))
    on_paper = ["ink", "soft", "claim", "seen", "pass", "wait", "fail"]
    pairs = [(name, "paper") for name in on_paper]
    pairs += [(name, "card") for name in ("ink", "soft")]
    pairs += [(name, f"{name}-paper") for name in ("pass", "wait", "fail")]
    pairs += [("ink", f"{name}-paper") for name in ("pass", "wait", "fail")]
    pairs += [("claim", f"{name}-paper") for name in ("pass", "wait", "fail")]
    pairs += [("seen", "claim-area")]
    weak = {pair: round(contrast(colours[pair[0]], colours[pair[1]]), 2) for pair in pairs}
    assert {pair: ratio for pair, ratio in weak.items() if ratio < 4.5} == {}

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from dpsynth.certification.certificate import Certificate
from dpsynth.certification.record_evidence import MatchCounts, bounds_on_excess, smallest_excess_shown
from dpsynth.report.record_gate_view import record_gate_of, record_gate_picture, record_gate_power
from tests.certification.made_releases import honest_release, page
from tests.report.made_gates import ANSWERED, ATTEMPTS, audit, full_certificate


def shown(certificate: Certificate, section: str) -> str:
    html = page(certificate)
    part = html[html.index(f'id="{section}"') :]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", part[: part.index("</section>")]))


def fails(excess: float, rng: np.random.Generator, *, stddev: float = 10.0) -> bool:
    """Return whether the gate fails a table that gives away this share of 3,500 people, 2 % being near by chance."""
    noise = np.rint(rng.normal(scale=stddev, size=6)).astype(int).tolist()
    inside, outside = int(rng.binomial(3_500, 0.02 + excess)), int(rng.binomial(1_500, 0.02))
    counts = MatchCounts(
        (noise[0], inside + noise[1], 3_500 - inside + noise[2]),
        (noise[3], outside + noise[4], 1_500 - outside + noise[5]),
        stddev,
    )
    return bounds_on_excess(counts, tolerances=(0.02, 0.03), significance=0.05)[1].lower > 0.03


def test_the_smallest_leak_is_found_four_times_out_of_five() -> None:
    """Of 150 draws 120 are expected to fail, give or take 4.9; the bounds are more than three of these away."""
    smallest = smallest_excess_shown(
        (3_500, 1_500), 10.0, cells=2, chance=0.02, tolerance=0.03, significance=0.05, power=0.8
    )
    assert smallest is not None
    rng = np.random.default_rng(8)
    assert 104 <= sum(fails(smallest, rng) for _ in range(150)) <= 136
    assert sum(fails(0.03, rng) for _ in range(50)) <= 6


def test_few_people_show_nothing() -> None:
    arguments = {"cells": 1, "chance": 0.0, "tolerance": 0.02, "significance": 0.05, "power": 0.8}
    assert smallest_excess_shown((70, 30), 40.0, **arguments) is None
    assert smallest_excess_shown((0, 30), 40.0, **arguments) is None
    more, fewer = (smallest_excess_shown((7 * n, 3 * n), 14.0, **arguments) for n in (2_000, 500))
    assert more is not None
    assert fewer is not None
    assert 0.02 < more < fewer


def test_the_six_numbers_bounds_and_tolerances_are_shown() -> None:
    text = shown(full_certificate(), "record-gate")
    for number in ("\N{MINUS SIGN}12", "410", "27,700", "9", "170", "11,840", "± 14.2", "0.361642", "1e-6"):
        assert number in text
    section = full_certificate().document.record_gate
    assert section is not None
    assert "Verdict: PASS" in text
    assert "About 0.0 % of the people in training" in text
    view = record_gate_of(full_certificate().document)
    assert view is not None
    assert all(row.bounds in text for row in view.rows)
    assert record_gate_power(view) in text
    assert view.people == (sum(ANSWERED.members), sum(ANSWERED.controls))
    picture = record_gate_picture(view)
    assert picture == record_gate_picture(view)
    assert view.rows[1].bounds in str(ElementTree.fromstring(picture).get("aria-label"))


def test_an_unanswered_gate_says_why_and_draws_nothing() -> None:
    certificate = full_certificate(None)
    assert record_gate_of(certificate.document) is None
    text = shown(certificate, "record-gate")
    assert "INCONCLUSIVE" in text
    assert "The ledger did not let the record gate ask" in text
    assert "could have found" not in text


def test_attempts_are_shown_with_what_came_of_them() -> None:
    html = page(full_certificate())
    table = html[html.index('aria-label="Attempts"') :]
    rows = [re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", row)) for row in re.findall(r"<tr>(.*?)</tr>", table)[1:4]]
    assert [attempt.release_id in row for attempt, row in zip(ATTEMPTS, rows, strict=True)] == [True] * 3
    assert "INCONCLUSIVE" in rows[0]
    assert "abababababab" in rows[0]
    assert "not judged" in rows[1]
    assert "not recorded" in rows[1]
    assert "(this release)" in rows[2]


@pytest.mark.parametrize("result", ["PASS", "FAIL"])
def test_audits_are_listed(result: str) -> None:
    document = full_certificate().document
    assert document.audits is not None
    audits = document.audits.model_copy(update={"results": (audit("one", "L2", result),), "missing": ("L0",)})
    text = shown(Certificate(document.model_copy(update={"audits": audits})), "audits")
    assert re.search(rf"L2, worst-case game one worst_case, worst_case/results/one\.json all {result} 2026-02-14", text)
    assert "audits that are missing: L0 (replay of answers)." in text


def test_where_no_audit_is_on_record_the_page_says_so() -> None:
    document = honest_release(rows=400).certificate.document
    assert document.audits is not None
    # What the register holds of this very source is not this test's business: it grows with every campaign.
    audits = document.audits.model_copy(update={"results": ()})
    text = shown(Certificate(document.model_copy(update={"audits": audits})), "audits")
    assert "No audit of this very source code is on record" in text
    assert audits.source_sha256 in text


def test_the_policy_is_named_with_its_digest() -> None:
    document = honest_release(rows=400).certificate.document
    text = shown(honest_release(rows=400).certificate, "checks")
    assert f"“{document.policy}” , SHA-256 {document.policy_sha256}" in text.replace("”,", "” ,")

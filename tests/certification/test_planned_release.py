"""A release under a locked plan is certified by the losses of the list, and verified without the ledger."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import jsonschema
import pandas as pd
import pytest
import rfc8785

from dpsynth.accounting.agreement import cross_check
from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.accounting.events import (
    ComposedDpEvent,
    DpEvent,
    GaussianDpEvent,
    GdpEvent,
    PoissonSampledDpEvent,
    SelfComposedDpEvent,
    event_to_json,
)
from dpsynth.accounting.gaussian_dp import mu_squared_from_budget
from dpsynth.certification import layout
from dpsynth.certification.certificate import assess, certify
from dpsynth.certification.document import certificate_json_schema
from dpsynth.certification.policy import Verdict
from dpsynth.certification.signing import SigningKey
from dpsynth.certification.verify import verify_release
from dpsynth.curator import Curator
from dpsynth.errors import AccountantsDisagree, LedgerCorrupted
from dpsynth.ledger import EntryKind, Ledger, Reservation, planned_release, verify_extract
from dpsynth.ledger.chain import canonical_json, chain_digest, content_digest_of
from dpsynth.randomness import SeededNoise
from tests.certification.made_releases import (
    CLAIM,
    COMMITMENT,
    EVENTS,
    ISSUED,
    POLICY,
    SOFTWARE,
    MadeRelease,
    facts_about,
    honest_judged,
    survey_schema,
)
from tests.certification.test_verify import edited, failed, resigned

TRAINING = SelfComposedDpEvent(PoissonSampledDpEvent(0.01, GaussianDpEvent(1.5)), 200)
ANSWERS = GdpEvent(mu_squared_from_budget(CLAIM))
LIST: list[tuple[str, DpEvent]] = [("train", TRAINING), ("measure", ANSWERS), ("count", GdpEvent(Fraction(1, 50)))]
Lines = list[dict]


def planned_ledger(*requests: tuple[DpEvent, list[tuple[str, DpEvent]]], release_id: str = "release-1") -> Ledger:
    """Return a ledger with a locked plan, and one release with these requests and what each was charged."""
    schema = survey_schema()
    books = Ledger("sqlite://")
    books.set_budget(schema.dataset, PrivacyBudget("3", "1e-5"), unit=schema.unit.describe(), policy="plan")
    books.lock_plan(schema.dataset, LIST)
    books.note(schema.dataset, COMMITMENT.note, release_id=release_id)
    for event, charged in requests:
        books.settle(books.open(reserved(books, event, release_id)), charged)
    return books


def reserved(books: Ledger, event: DpEvent, release_id: str = "release-1") -> Reservation:
    schema = survey_schema()
    return books.reserve(
        schema.dataset,
        release_id=release_id,
        purpose="fit hand",
        event=event,
        asked=str(CLAIM),
        unit=schema.unit.describe(),
        certifiable=True,
    )


def planned(books: Ledger, charged: list[tuple[str, DpEvent]], claim: PrivacyBudget = CLAIM) -> MadeRelease:
    judged = honest_judged(400)
    facts = replace(facts_about(judged.table, books), charged=tuple(charged), claim=claim)
    return MadeRelease(facts, judged, certify(facts, judged, POLICY, issued_at=ISSUED, software=SOFTWARE))


@pytest.fixture(scope="module")
def trained() -> MadeRelease:
    """A training on random batches: no sum is finite, and privacy losses keep the claim."""
    charged: list[tuple[str, DpEvent]] = [("train", TRAINING)]
    return planned(planned_ledger((TRAINING, charged)), charged)


@pytest.fixture
def folder(trained: MadeRelease, key: SigningKey, tmp_path: Path) -> Path:
    return trained.write(tmp_path / "release", key)


def lines_in(folder: Path) -> Lines:
    return [json.loads(line) for line in (folder / layout.LEDGER).read_bytes().splitlines()]


def rewritten(folder: Path, key: SigningKey, lines: Lines) -> Path:
    (folder / layout.LEDGER).write_bytes(b"".join(rfc8785.dumps(line) + b"\n" for line in lines))
    return resigned(folder, key)


def place_of(lines: Lines, kind: str) -> int:
    return next(place for place, line in enumerate(lines) if line.get("content", {}).get("kind") == kind)


def rechained(lines: Lines) -> Lines:
    """Compute every digest anew, as somebody would who forges a whole ledger."""
    digest = "0" * 64
    for line in lines:
        content = line.get("content_digest") or content_digest_of(canonical_json(line["content"]))
        digest = line["digest"] = chain_digest(line["index"], digest, content)
    return lines


def test_a_training_without_a_finite_sum_is_certified_by_the_losses_of_its_plan(
    trained: MadeRelease, folder: Path
) -> None:
    document = trained.certificate.document
    assert trained.certificate.verdict is Verdict.PASS
    assert (document.accountants.gdp, document.accountants.zcdp, document.claim.mu_squared) == (None, None, None)
    assert document.accountants.proven == document.accountants.pld
    assert 0 < float(document.accountants.pld) < 1
    (plan,) = document.ledger.plans
    (locked,) = [line for line in trained.facts.ledger_extract if line["digest"] == plan]
    assert locked["content"]["kind"] == EntryKind.PLAN  # type: ignore[index,call-overload]
    cost = next(check for check in document.checks if check.name == "cost of everything that was asked")
    assert f"epsilon {document.accountants.pld} for all that the locked plan holds" in cost.value
    assert "no finite value (exact sums)" in cost.value
    content = json.loads(trained.certificate.to_json())
    jsonschema.validate(content, json.loads(certificate_json_schema()))

    verification = verify_release(folder)
    assert verification.problems == ()
    said = {check.name: check.explanation for check in verification.checks}
    assert said["plan"] == "what was reserved is on the list that entry 2 locked before"
    assert said["cost"].startswith(f"all that the plan holds for this release costs epsilon {document.accountants.pld}")
    report = (folder / layout.REPORT).read_text(encoding="utf-8")
    assert "the list was locked before anything was seen" in report
    assert "no finite sum" in report
    assert "None" not in report


def test_without_the_plan_the_same_charges_prove_nothing(trained: MadeRelease) -> None:
    nothing = replace(trained.facts, ledger_extract=trained.facts.ledger_extract[:1])
    with pytest.raises(AccountantsDisagree, match="all infinite"):
        assess(nothing, trained.judged, POLICY, issued_at=ISSUED)


def test_a_plan_counts_whole_whatever_was_used_of_it() -> None:
    made = planned(planned_ledger((ANSWERS, list(EVENTS))), list(EVENTS))
    accountants = made.certificate.document.accountants
    assert accountants.gdp is not None
    assert float(accountants.gdp) == pytest.approx(1.0, abs=2e-4)
    assert accountants.proven == min(accountants.gdp, accountants.pld)


def test_a_claim_below_what_the_plan_holds_is_not_certified(trained: MadeRelease) -> None:
    with pytest.raises(AccountantsDisagree, match="is claimed"):
        planned(planned_ledger((TRAINING, [])), [], PrivacyBudget("0.4", "1e-6"))


def test_two_requests_of_one_release_are_proven_together() -> None:
    charged = [("train", TRAINING), ("count", LIST[2][1])]
    books = planned_ledger((TRAINING, charged[:1]), (LIST[2][1], charged[1:]))
    found = planned_release(books.extract("release-1"), "release-1")
    assert found is not None
    assert found.event == ComposedDpEvent((TRAINING, LIST[2][1]))
    made = planned(books, charged, PrivacyBudget("2", "1e-6"))
    assert made.certificate.document.accountants.gdp is None


def test_a_reservation_that_was_given_back_is_not_counted() -> None:
    books = planned_ledger()
    books.void(reserved(books, ANSWERS))
    assert planned_release(books.extract("release-1"), "release-1") is None
    books.settle(books.open(reserved(books, TRAINING)), [("train", TRAINING)])
    found = planned_release(books.extract("release-1"), "release-1")
    assert found is not None
    assert found.event == TRAINING
    assert planned_release(books.extract("release-1"), "release-2") is None


def test_a_data_set_of_two_populations_rests_on_the_plan_of_one() -> None:
    schema = survey_schema()
    books = Ledger("sqlite://")
    books.link(schema.dataset, ["hospital", "registry"])
    books.set_budget("hospital", PrivacyBudget("3", "1e-5"), unit=schema.unit.describe(), policy="plan")
    books.set_budget("registry", PrivacyBudget("3", "1e-5"), unit=schema.unit.describe())
    plan_entry = books.head().index + 1
    books.lock_plan("hospital", LIST)
    books.settle(books.open(reserved(books, ANSWERS)), list(EVENTS))
    lines = books.extract("release-1")
    assert verify_extract(lines) == []
    found = planned_release(lines, "release-1")
    assert found is not None
    assert found.plans == (lines[plan_entry - 1]["digest"],)


def test_an_adaptive_budget_has_no_plan(made: MadeRelease) -> None:
    assert planned_release(made.facts.ledger_extract, "release-1") is None
    assert made.certificate.document.ledger.plans == ()
    assert b'"plans"' not in made.certificate.to_json()
    assert made.certificate.document.accountants.proven == made.certificate.document.accountants.gdp


def test_parts_on_two_plans_are_not_proven_by_losses() -> None:
    """The second list may have been chosen after seeing the answers to the first."""
    schema = survey_schema()
    books = Ledger("sqlite://")
    books.link(schema.dataset, ["survey-people"])
    books.set_budget("survey-people", PrivacyBudget("3", "1e-5"), policy="plan")
    books.lock_plan("survey-people", LIST)
    books.settle(books.open(reserved(books, ANSWERS)), [])
    books.link("other", ["other-people"])
    books.set_budget("other-people", PrivacyBudget("3", "1e-5"), policy="plan")
    books.lock_plan("other-people", LIST)
    other = books.reserve(
        "other",
        release_id="release-1",
        purpose="fit hand",
        event=TRAINING,
        asked="a training",
        unit=schema.unit.describe(),
        certifiable=True,
    )
    books.settle(books.open(other), [])
    assert planned_release(books.extract("release-1"), "release-1") is None


def test_an_extract_that_does_not_hold_proves_no_plan(trained: MadeRelease) -> None:
    lines = [dict(line) for line in trained.facts.ledger_extract]
    lines[-1]["digest"] = "0" * 64
    with pytest.raises(LedgerCorrupted, match="line 6"):
        planned_release(lines, "release-1")
    with pytest.raises(LedgerCorrupted, match="line 6"):
        assess(replace(trained.facts, ledger_extract=tuple(lines)), trained.judged, POLICY, issued_at=ISSUED)


def without_the_plan(lines: Lines) -> None:
    line = lines[place_of(lines, "PLAN")]
    line["content_digest"] = content_digest_of(canonical_json(line.pop("content")))


def with_a_smaller_plan(lines: Lines) -> None:
    lines[place_of(lines, "PLAN")]["content"]["charges"][0]["event"] = event_to_json(GdpEvent(Fraction(1, 100)))


def with_another_plan(lines: Lines) -> None:
    lines[place_of(lines, "PLAN")]["content"]["charges"].pop()
    rechained(lines)


def with_a_list_without_the_request(lines: Lines) -> None:
    with_a_smaller_plan(lines)
    rechained(lines)


def with_an_adaptive_budget(lines: Lines) -> None:
    without_the_plan(lines)
    lines[0]["content"]["budget"]["policy"] = "adaptive"
    rechained(lines)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (without_the_plan, "holds no plan that pays for this release"),
        (with_a_smaller_plan, "entry 2 was changed"),
        (with_another_plan, "holds another plan than the certificate names"),
        (with_a_list_without_the_request, "does not hold this request"),
        (with_an_adaptive_budget, "holds no plan that pays for this release"),
        (lambda lines: lines.pop(1), "holds no plan that pays for this release"),
        (lambda lines: lines.pop(0), "does not prove the plan that the certificate names: line 1"),
    ],
)
def test_a_plan_that_was_left_out_edited_or_exchanged_is_refused(
    folder: Path, key: SigningKey, change: Callable[[Lines], object], words: str
) -> None:
    """By whoever has a key of their own, and for a reason of its own."""
    lines = lines_in(folder)
    change(lines)
    found = {check.name: check for check in verify_release(rewritten(folder, key, lines)).checks}
    assert not found["plan"].passed
    assert words in found["plan"].explanation
    assert not found["ledger"].passed
    assert not found["cost"].passed


@pytest.mark.parametrize(
    ("change", "checks"),
    [
        (lambda c: c["ledger"].pop("plans"), {"cost"}),
        (lambda c: c["ledger"].update(plans=["0" * 64]), {"plan", "cost"}),
        (lambda c: c["ledger"].update(plans=[]), {"certificate"}),
        (lambda c: c["accountants"].update(proven="0.1"), {"cost"}),
        (lambda c: c["accountants"].update(gdp="0.9"), {"cost"}),
        (lambda c: c["accountants"].pop("proven"), {"cost"}),
        (lambda c: c["claim"].update(epsilon="0.4"), {"cost"}),
    ],
)
def test_a_certificate_that_says_something_else_about_its_plan_is_refused(
    folder: Path, key: SigningKey, change: Callable[[dict], object], checks: set[str]
) -> None:
    assert checks <= failed(verify_release(edited(folder, key, change)))


def test_what_was_certified_before_plans_were_named_rests_on_sums(key: SigningKey, tmp_path: Path) -> None:
    made = planned(planned_ledger((ANSWERS, list(EVENTS))), list(EVENTS))
    folder = made.write(tmp_path / "release", key)
    by_sums = cross_check(made.facts.event, CLAIM)

    def as_before(content: dict) -> None:
        content["ledger"].pop("plans")
        content["accountants"] = {
            "gdp": str(by_sums.gdp_epsilon),
            "zcdp": str(by_sums.zcdp_epsilon),
            "rdp": str(by_sums.rdp_epsilon),
            "pld": str(by_sums.pld_epsilon),
        }

    assert by_sums.gdp_epsilon < Decimal("0.9")  # the charges cost less than all that the plan holds
    verification = verify_release(edited(folder, key, as_before))
    assert verification.problems == ()
    said = {check.name: check.explanation for check in verification.checks}
    assert said["plan"].startswith("the certificate rests on no plan")


@pytest.mark.torch
def test_a_training_behind_the_door_costs_less_under_a_plan_and_needs_no_delta_set_aside() -> None:
    pytest.importorskip("torch", reason="needs the neural extra")
    from tests.conformance.test_training_replay import PLAN, SCHEMA, Logits

    books = Ledger("sqlite://")
    books.set_budget("clinic", PrivacyBudget("1.21", "1e-5"), unit="one row", policy="plan")
    books.lock_plan("clinic", [("train", PLAN.cover())])
    rows = pd.DataFrame({"smoker": [True, False] * 150, "stage": ["none", "early", "late"] * 100})
    curator = Curator.open(rows, SCHEMA, ledger=books, noise=SeededNoise(1), release_id="release-1")
    Logits().fit(curator)
    found = planned_release(books.extract("release-1"), "release-1")
    assert found is not None
    charged = ComposedDpEvent(tuple(event for _, event in curator.charged))
    proven = cross_check(charged, PrivacyBudget("1.21", "1e-5"), planned=found.event)
    assert proven.proven_epsilon == proven.pld_epsilon < Decimal("1.21") < proven.gdp_epsilon
    with pytest.raises(AccountantsDisagree, match="is claimed"):
        cross_check(charged, PrivacyBudget("1.21", "1e-5"))
